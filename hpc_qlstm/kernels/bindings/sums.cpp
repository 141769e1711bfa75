// Bindings of sums over samples, the readout and the optimizer: checks arguments, calls.
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/vector.h>

#include <algorithm>
#include <cstddef>
#include <numeric>
#include <string>
#include <utility>
#include <vector>

#include "bindings/arrays.hpp"
#include "bindings/checks.hpp"
#include "bindings/module.hpp"
#include "lstm/batch_sums.hpp"
#include "lstm/readout.hpp"

namespace nb = nanobind;
using namespace nb::literals;

namespace hpc_qlstm {
namespace {

void blocks_of(const Input<2>& rows, const std::vector<std::size_t>& bounds,
               const Output<2>& sums) {
    if (bounds.size() == 1 && rows.shape(0) == 0 && sums.shape(0) == 0) return;
    check_bounds(bounds, rows.shape(0));
    check("sums have", sums, {bounds.size() - 1, rows.shape(1)});
    block_sums(rows.data(), rows.shape(1), bounds, sums.data());
}

void sum_of_blocks(const Input<2>& rows, const std::vector<std::size_t>& bounds,
                   const Output<1>& sum) {
    check_bounds(bounds, rows.shape(0));
    check("sum has", sum, {rows.shape(1)});
    sum_blocks(rows.data(), rows.shape(1), bounds, sum.data());
}

void adam_step(double beta1, double beta2, double step_size, double root, double epsilon,
               const Input<1>& gradient, const Output<1>& first, const Output<1>& second,
               const Output<1>& weights) {
    const std::size_t n = weights.size();
    check("gradient has", gradient, {n});
    check("first has", first, {n});
    check("second has", second, {n});
    AdamStep step;
    step.beta1 = beta1;
    step.beta2 = beta2;
    step.step_size = step_size;
    step.root = root;
    step.epsilon = epsilon;
    adam(step, n, gradient.data(), first.data(), second.data(), weights.data());
}

std::pair<double, double> added_blocks(const Input<3>& received,
                                       const std::vector<std::size_t>& counts,
                                       const std::vector<std::size_t>& offsets,
                                       std::size_t shared_begin, std::size_t begin,
                                       const Output<1>& gradient) {
    const std::size_t most = received.shape(1), width = received.shape(2);
    if (offsets.empty() || !std::is_sorted(offsets.begin(), offsets.end())) {
        refuse("offsets are " + text(offsets), "ascending, at least one");
    }
    check("received has", received,
          {counts.size() * (offsets.size() - 1), any("blocks"), any("width")});
    checked_sum(counts, most);
    if (shared_begin > begin || begin > width) {
        refuse("begin is " + std::to_string(begin),
               std::to_string(shared_begin) + " to " + std::to_string(width));
    }
    const std::size_t shared = begin - shared_begin;
    if (offsets.back() > gradient.size() || gradient.size() - offsets.back() != shared) {
        refuse("gradient has", gradient,
               std::to_string(offsets.back()) + " numbers and " + std::to_string(shared) + " more");
    }
    for (std::size_t p = 0; p + 1 < offsets.size(); ++p) {
        const std::size_t section = offsets[p + 1] - offsets[p];
        if (section <= width - begin) continue;
        refuse("received has", received,
               std::to_string(section) + " columns from " + std::to_string(begin) + " on");
    }
    GatheredBlocks blocks;
    blocks.received = received.data();
    blocks.most = most;
    blocks.width = width;
    blocks.begin = begin;
    blocks.counts = counts;
    blocks.offsets = offsets;
    const nb::gil_scoped_release without_gil;
    const double loss =
        add_blocks(blocks, shared_begin, gradient.data(), gradient.data() + offsets.back());
    return {loss, std::accumulate(gradient.data(), gradient.data() + gradient.size(), 0.0)};
}

Readout readout_with(const Input<2>& weight, const Input<1>& bias, std::size_t units) {
    Readout readout;
    readout.weight = weight.data();
    readout.bias = bias.data();
    readout.units = units;
    readout.outputs = bias.size();
    check("weight has", weight, {readout.outputs, units});
    return readout;
}

void readout_of(const Input<2>& hidden, const Input<2>& weight, const Input<1>& bias,
                const Output<2>& out) {
    const Readout with = readout_with(weight, bias, hidden.shape(1));
    const std::size_t n = hidden.shape(0);
    check("out has", out, {n, with.outputs});
    readout(with, hidden.data(), n, out.data());
}

void squared_errors_of(const Input<3>& hidden, const Input<2>& weight, const Input<1>& bias,
                       const Plain& target, double scale, const Output<1>& loss,
                       const Output<3>& grad_hidden, const Output<2>& rows) {
    const std::size_t samples = hidden.shape(0), steps = hidden.shape(1), units = hidden.shape(2);
    const Readout with = readout_with(weight, bias, units);
    check_size("target has", target, samples * steps * with.outputs);
    check("loss has", loss, {samples});
    check("grad_hidden has", grad_hidden, {samples, steps, units});
    check("rows have", rows, {samples, with.outputs * (units + 1)});
    squared_errors(with, hidden.data(), samples, steps, target.data(), scale, loss.data(),
                   grad_hidden.data(), rows.data());
}

// The sums of all blocks of a rank, side by side: from column 0 the losses, from column `head` the
// gradients of what no partition owns, then those of its partitions.
void pack_sums(const Input<1>& loss, const Input<2>& shared, const Input<2>& partitions,
               const std::vector<std::size_t>& bounds, std::size_t head, const Output<1>& sent) {
    const std::size_t samples = loss.size(), first = shared.shape(1), second = partitions.shape(1);
    check_bounds(bounds, samples);
    check("shared has", shared, {samples, any("columns")});
    check("partitions have", partitions, {samples, any("columns")});
    if (head == 0) refuse("head is 0", "1 or more");
    if (!inside(head, 1, first, sent.size()) || !inside(head + first, 1, second, sent.size())) {
        refuse("sent has", sent,
               std::to_string(first) + " and " + std::to_string(second) + " numbers from " +
                   std::to_string(head) + " on");
    }
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
          "Add up the gathered blocks of all ranks in block order. Returns the sum of the losses,\n"
          "and that of the gradient, which tells whether all of it is finite.");
    m.def("readout", &readout_of, "hidden"_a, "weight"_a, "bias"_a, "out"_a.noconvert(),
          "W h + b for each sample.");
    m.def("squared_errors", &squared_errors_of, "hidden"_a, "weight"_a, "bias"_a, "target"_a,
          "scale"_a, "loss"_a.noconvert(), "grad_hidden"_a.noconvert(), "rows"_a.noconvert(),
          "Squared errors of the readout for each sample, and scale / 2 times their derivatives.");
    m.def("pack_sums", &pack_sums, "loss"_a, "shared"_a, "partitions"_a, "bounds"_a, "head"_a,
          "sent"_a.noconvert(), "Sums of all blocks: losses, shared and own gradients.");
}

}  // namespace hpc_qlstm
