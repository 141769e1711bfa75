// Bindings of sums over samples, the readout and the optimizer: checks shapes, calls.
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/vector.h>

#include <algorithm>
#include <cstddef>
#include <numeric>
#include <utility>
#include <vector>

#include "batch_sums.hpp"
#include "bindings.hpp"

namespace nb = nanobind;
using namespace nb::literals;

namespace {

using namespace hpc_qlstm;

// Boundaries of one block or more of `rows` rows, none of which is empty.
void check_bounds(const std::vector<std::size_t>& bounds, std::size_t rows) {
    require(bounds.size() > 1 && bounds.back() - bounds.front() == rows);
    for (std::size_t k = 0; k + 1 < bounds.size(); ++k) require(bounds[k] < bounds[k + 1]);
}

void blocks_of(const Input<2>& rows, const std::vector<std::size_t>& bounds,
               const Output<2>& sums) {
    if (bounds.size() == 1 && rows.shape(0) == 0 && sums.shape(0) == 0) return;
    check_bounds(bounds, rows.shape(0));
    require(sums.shape(0) + 1 == bounds.size() && sums.shape(1) == rows.shape(1));
    block_sums(rows.data(), rows.shape(1), bounds, sums.data());
}

void sum_of_blocks(const Input<2>& rows, const std::vector<std::size_t>& bounds,
                   const Output<1>& sum) {
    check_bounds(bounds, rows.shape(0));
    require(sum.size() == rows.shape(1));
    sum_blocks(rows.data(), rows.shape(1), bounds, sum.data());
}

void adam_step(double beta1, double beta2, double step_size, double root, double epsilon,
               const Input<1>& gradient, const Output<1>& first, const Output<1>& second,
               const Output<1>& weights) {
    const std::size_t n = weights.size();
    require(gradient.size() == n && first.size() == n && second.size() == n);
    adam({beta1, beta2, step_size, root, epsilon}, n, gradient.data(), first.data(), second.data(),
         weights.data());
}

std::pair<double, double> added_blocks(const Input<3>& received, const std::vector<std::size_t>& counts,
                    const std::vector<std::size_t>& offsets, std::size_t shared_begin,
                    std::size_t begin, const Output<1>& gradient) {
    const std::size_t most = received.shape(1), width = received.shape(2);
    require(!offsets.empty() && std::is_sorted(offsets.begin(), offsets.end()) &&
            received.shape(0) == counts.size() * (offsets.size() - 1) && shared_begin <= begin &&
            begin <= width && inside(offsets.back(), 1, begin - shared_begin, gradient.size()) &&
            gradient.size() - offsets.back() == begin - shared_begin);
    for (const std::size_t count : counts) require(count <= most);
    for (std::size_t p = 0; p + 1 < offsets.size(); ++p) {
        require(inside(begin, 1, offsets[p + 1] - offsets[p], width));
    }
    const GatheredBlocks blocks{received.data(), most, width, begin, counts, offsets};
    const nb::gil_scoped_release without_gil;
    const double loss =
        add_blocks(blocks, shared_begin, gradient.data(), gradient.data() + offsets.back());
    return {loss, std::accumulate(gradient.data(), gradient.data() + gradient.size(), 0.0)};
}

void readout_of(const Input<2>& hidden, const Input<2>& weight, const Input<1>& bias,
                const Output<2>& out) {
    const std::size_t n = hidden.shape(0), units = hidden.shape(1), outputs = bias.size();
    require(weight.shape(0) == outputs && weight.shape(1) == units && out.shape(0) == n &&
            out.shape(1) == outputs);
    readout({weight.data(), bias.data(), units, outputs}, hidden.data(), n, out.data());
}

void squared_errors_of(const Input<3>& hidden, const Input<2>& weight, const Input<1>& bias,
                       const Plain& target, double scale, const Output<1>& loss,
                       const Output<3>& grad_hidden, const Output<2>& rows) {
    const std::size_t samples = hidden.shape(0), steps = hidden.shape(1), units = hidden.shape(2);
    const std::size_t outputs = bias.size();
    require(weight.shape(0) == outputs && weight.shape(1) == units &&
            target.size() == samples * steps * outputs && loss.size() == samples);
    require(grad_hidden.shape(0) == samples && grad_hidden.shape(1) == steps &&
            grad_hidden.shape(2) == units && rows.shape(0) == samples &&
            rows.shape(1) == outputs * (units + 1));
    squared_errors({weight.data(), bias.data(), units, outputs}, hidden.data(), samples, steps,
                   target.data(), scale, loss.data(), grad_hidden.data(), rows.data());
}

// The sums of all blocks of a rank, side by side: from column 0 the losses, from column `head` the
// gradients of what no partition owns, then those of its partitions.
void pack_sums(const Input<1>& loss, const Input<2>& shared, const Input<2>& partitions,
               const std::vector<std::size_t>& bounds, std::size_t head, const Output<1>& sent) {
    const std::size_t samples = loss.size(), first = shared.shape(1), second = partitions.shape(1);
    check_bounds(bounds, samples);
    require(shared.shape(0) == samples && partitions.shape(0) == samples && head > 0 &&
            inside(head, 1, first, sent.size()) &&
            inside(head + first, 1, second, sent.size()));
    sum_blocks(loss.data(), 1, bounds, sent.data());
    sum_blocks(shared.data(), first, bounds, sent.data() + head);
    sum_blocks(partitions.data(), second, bounds, sent.data() + head + first);
}

}  // namespace

void define_sums(nb::module_& m) {
    m.def("block_sums", &blocks_of, "rows"_a, "bounds"_a, "sums"_a.noconvert(),
          "Sums of rows (n, width) over blocks of consecutive rows.");
    m.def("sum_blocks", &sum_of_blocks, "rows"_a, "bounds"_a, "sum"_a.noconvert(),
          "The sum of all blocks, in block order.");
    m.def("adam", &adam_step, "beta1"_a, "beta2"_a, "step_size"_a, "root"_a, "epsilon"_a,
          "gradient"_a, "first"_a.noconvert(), "second"_a.noconvert(), "weights"_a.noconvert(),
          "One step of Adam, in place.");
    m.def("add_blocks", &added_blocks, "received"_a, "counts"_a, "offsets"_a, "shared_begin"_a,
          "begin"_a, "gradient"_a.noconvert(),
          "The gathered blocks of all ranks added up in block order; returns the sum of losses, and that "
          "of the gradient, which tells whether all of it is finite.");
    m.def("readout", &readout_of, "hidden"_a, "weight"_a, "bias"_a, "out"_a.noconvert(),
          "W h + b for each sample.");
    m.def("squared_errors", &squared_errors_of, "hidden"_a, "weight"_a, "bias"_a, "target"_a,
          "scale"_a, "loss"_a.noconvert(), "grad_hidden"_a.noconvert(), "rows"_a.noconvert(),
          "Squared errors of the readout for each sample, and scale / 2 times their derivatives.");
    m.def("pack_sums", &pack_sums, "loss"_a, "shared"_a, "partitions"_a, "bounds"_a, "head"_a,
          "sent"_a.noconvert(), "Sums of all blocks: losses, shared and own gradients.");
}
