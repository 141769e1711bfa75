// Bindings of the sweeps over partitions and time steps, and of sums over samples: checks shapes,
// drops the GIL where work is long, calls.
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/tuple.h>
#include <nanobind/stl/vector.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <tuple>
#include <utility>
#include <vector>

#include "batch_sums.hpp"
#include "partition_sweep.hpp"

namespace nb = nanobind;
using namespace nb::literals;

namespace {

using namespace hpc_qlstm;

template <int dimensions>
using Input = nb::ndarray<const double, nb::ndim<dimensions>, nb::c_contig, nb::device::cpu>;
template <int dimensions>
using Output = nb::ndarray<double, nb::ndim<dimensions>, nb::c_contig, nb::device::cpu>;

// plan, columns of the state (0 and up) or of x (-1 for column 0, and down), offsets of weights, of
// gradients in a sample's row, and of outputs in the hidden vector
using MemberTuple = std::tuple<nb::object, std::vector<std::int64_t>, std::size_t, std::size_t,
                               std::size_t>;

Member member_of(const MemberTuple& given) {
    const auto& [plan, columns, weights, rows, outputs] = given;
    Member member{nullptr, nullptr, {}, weights, rows, outputs};
    if (nb::isinstance<BatchPlan>(plan)) {
        member.batch = nb::cast<const BatchPlan*>(plan);
    } else {
        member.state = nb::cast<const StatePlan*>(plan);
    }
    for (const std::int64_t column : columns) {
        const bool from_x = column < 0;
        member.picks.push_back({from_x, static_cast<std::uint32_t>(from_x ? -1 - column : column)});
    }
    if (member.picks.size() != static_cast<std::size_t>(member.program().features)) {
        throw nb::value_error("a member picks another number of features than its circuit has");
    }
    return member;
}

// Adds the time until it goes out of scope.
class Stopwatch {
  public:
    explicit Stopwatch(double& seconds) : seconds_(seconds), begin_(Clock::now()) {}
    Stopwatch(const Stopwatch&) = delete;
    ~Stopwatch() { seconds_ += std::chrono::duration<double>(Clock::now() - begin_).count(); }

  private:
    using Clock = std::chrono::steady_clock;
    double& seconds_;
    const Clock::time_point begin_;
};

void require(bool right) {
    if (!right) throw nb::value_error("the sweep has other steps, samples or sizes");
}

// Beyond the arrays that a call gives, a member would read or write memory of others.
void check_columns(const PartitionSweep& sweep, std::size_t state, std::size_t x,
                   std::size_t weights) {
    for (const Member& member : sweep.members()) {
        const auto own = static_cast<std::size_t>(member.program().weights);
        require(member.weights_begin + sweep.sets() * own <= weights);
        for (const Pick& pick : member.picks) require(pick.column < (pick.from_x ? x : state));
    }
}

void forward(PartitionSweep& sweep, std::size_t t, std::size_t threads, const Input<2>& state,
             const Input<3>& x, const Input<1>& weights, const Output<3>& outputs) {
    require(t < sweep.steps() && t < x.shape(1) && state.shape(0) == sweep.samples() &&
            x.shape(0) == sweep.samples() && outputs.shape(0) == sweep.sets() &&
            outputs.shape(1) == sweep.samples() && outputs.shape(2) >= sweep.outputs());
    check_columns(sweep, state.shape(1), x.shape(2), weights.size());
    const StepInput in{state.data(), state.shape(1), x.data() + t * x.shape(2),
                       x.shape(1) * x.shape(2), weights.data()};
    const nb::gil_scoped_release without_gil;
    const Stopwatch watch(sweep.seconds);
    sweep.forward(t, threads, in, outputs.data(), outputs.shape(2));
}

void reverse(PartitionSweep& sweep, std::size_t t, std::size_t threads,
             const Input<1>& weights, const Input<3>& cotangents, const Output<2>& rows,
             const Output<2>& to_inputs) {
    require(t < sweep.steps() && cotangents.shape(0) == sweep.sets() &&
            cotangents.shape(1) == sweep.samples() && rows.shape(0) == sweep.samples() &&
            to_inputs.shape(0) == sweep.samples() && to_inputs.shape(1) >= sweep.features());
    for (const Member& member : sweep.members()) {
        const auto own = static_cast<std::size_t>(member.program().weights);
        const auto outputs = static_cast<std::size_t>(member.program().outputs);
        require(member.rows_begin + sweep.sets() * own <= rows.shape(1) &&
                member.weights_begin + sweep.sets() * own <= weights.size() &&
                member.output_begin + outputs <= cotangents.shape(2));
    }
    const StepGradient gradient{weights.data(), cotangents.data(), cotangents.shape(2),
                                rows.data(), rows.shape(1), to_inputs.data(), to_inputs.shape(1)};
    const nb::gil_scoped_release without_gil;
    const Stopwatch watch(sweep.seconds);
    sweep.reverse(t, threads, gradient);
}

// parts (parts, .., rows, width): all but the first and the last dimension count as rows.
using Parts = nb::ndarray<const double, nb::c_contig, nb::device::cpu>;
using Whole = nb::ndarray<double, nb::c_contig, nb::device::cpu>;

std::size_t rows_of(const Parts& parts) {
    require(parts.ndim() >= 2 && parts.shape(0) > 0 && parts.shape(parts.ndim() - 1) > 0);
    return parts.size() / parts.shape(0) / parts.shape(parts.ndim() - 1);
}

void blocks_of(const Input<2>& rows, const std::vector<std::size_t>& bounds,
               const Output<2>& sums) {
    require(!bounds.empty() && std::is_sorted(bounds.begin(), bounds.end()) &&
            bounds.back() - bounds.front() == rows.shape(0) &&
            sums.shape(0) + 1 == bounds.size() && sums.shape(1) == rows.shape(1));
    for (std::size_t k = 0; k + 1 < bounds.size(); ++k) require(bounds[k] < bounds[k + 1]);
    block_sums(rows.data(), rows.shape(1), bounds, sums.data());
}

void sum_of_blocks(const Input<2>& rows, const std::vector<std::size_t>& bounds,
                   const Output<1>& sum) {
    require(bounds.size() > 1 && bounds.back() - bounds.front() == rows.shape(0) &&
            sum.size() == rows.shape(1));
    for (std::size_t k = 0; k + 1 < bounds.size(); ++k) require(bounds[k] < bounds[k + 1]);
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

double added_blocks(const Input<3>& received, const std::vector<std::size_t>& counts,
                    const std::vector<std::size_t>& offsets, std::size_t shared_begin,
                    std::size_t begin, const Output<1>& gradient) {
    const std::size_t most = received.shape(1), width = received.shape(2);
    require(!offsets.empty() && std::is_sorted(offsets.begin(), offsets.end()) &&
            received.shape(0) == counts.size() * (offsets.size() - 1) && shared_begin <= begin &&
            begin <= width && offsets.back() + begin - shared_begin == gradient.size());
    for (const std::size_t count : counts) require(count <= most);
    for (std::size_t p = 0; p + 1 < offsets.size(); ++p) {
        require(begin + offsets[p + 1] - offsets[p] <= width);
    }
    const GatheredBlocks blocks{received.data(), most, width, begin, counts, offsets};
    const nb::gil_scoped_release without_gil;
    return add_blocks(blocks, shared_begin, gradient.data(), gradient.data() + offsets.back());
}

void readout_of(const Input<2>& hidden, const Input<2>& weight, const Input<1>& bias,
                const Output<2>& out) {
    const std::size_t n = hidden.shape(0), units = hidden.shape(1), outputs = bias.size();
    require(weight.shape(0) == outputs && weight.shape(1) == units && out.shape(0) == n &&
            out.shape(1) == outputs);
    readout(hidden.data(), n, units, weight.data(), bias.data(), outputs, out.data());
}

void readout_back(const Input<2>& hidden, const Input<2>& weight, const Input<2>& cotangents,
                  const Output<2>& to_hidden, const Output<2>& rows) {
    const std::size_t n = hidden.shape(0), units = hidden.shape(1), outputs = weight.shape(0);
    require(weight.shape(1) == units && cotangents.shape(0) == n &&
            cotangents.shape(1) == outputs && to_hidden.shape(0) == n &&
            to_hidden.shape(1) == units && rows.shape(0) == n &&
            rows.shape(1) == outputs * (units + 1));
    readout_reverse(hidden.data(), n, units, weight.data(), cotangents.data(), outputs,
                    to_hidden.data(), rows.data());
}

}  // namespace

void define_sweeps(nb::module_& m) {
    nb::class_<PartitionSweep>(m, "PartitionSweep",
                               "The VQCs of one process's partitions over the time steps.")
        .def("__init__",
             [](PartitionSweep* self, const Kernel& kernel, const std::vector<MemberTuple>& given,
                std::size_t sets) {
                 std::vector<Member> members;
                 for (const MemberTuple& each : given) members.push_back(member_of(each));
                 new (self) PartitionSweep(kernel, std::move(members), sets);
             },
             "kernel"_a, "members"_a, "sets"_a,
             "The plans must outlive it. Each member: plan, columns, offsets of weights, gradients, "
             "outputs.")
        .def("begin", &PartitionSweep::begin, "steps"_a, "samples"_a)
        .def_rw("seconds", &PartitionSweep::seconds, "Spent in forward and reverse.")
        .def("forward", &forward, "t"_a, "threads"_a, "state"_a, "x"_a, "weights"_a,
             "outputs"_a.noconvert(), "Fill outputs (sets, B, width) of step t.")
        .def("reverse", &reverse, "t"_a, "threads"_a, "weights"_a, "cotangents"_a,
             "rows"_a.noconvert(), "to_inputs"_a.noconvert(),
             "Add to rows (B, n), fill to_inputs (B, width).");
    m.def("merge_columns",
          [](const Parts& parts, const std::vector<std::size_t>& counts, const Whole& merged) {
              const std::size_t rows = rows_of(parts), width = parts.shape(parts.ndim() - 1);
              std::size_t total = 0;
              for (const std::size_t count : counts) {
                  require(count <= width);
                  total += count;
              }
              require(counts.size() == parts.shape(0) && merged.size() == rows * total);
              merge_columns(parts.data(), rows, width, counts, merged.data());
          },
          "parts"_a, "counts"_a, "merged"_a.noconvert(),
          "The first columns of every part side by side.");
    nb::class_<ColumnList>(m, "ColumnList", "Which column of which part goes to which.")
        .def("__init__",
             [](ColumnList* self,
                const std::vector<std::tuple<std::uint32_t, std::uint32_t, std::uint32_t>>& given) {
                 new (self) ColumnList();
                 for (const auto& [part, from, to] : given) {
                     self->columns.push_back({part, from, to});
                 }
             },
             "list"_a);
    m.def("add_columns",
          [](const Parts& parts, const ColumnList& list, const Output<2>& sums) {
              const std::size_t rows = rows_of(parts), width = parts.shape(parts.ndim() - 1);
              require(sums.shape(0) == rows);
              const bool inside = std::all_of(
                  list.columns.begin(), list.columns.end(), [&](const Added& each) {
                      return each.part < parts.shape(0) && each.from < width &&
                             each.to < sums.shape(1);
                  });
              require(inside);
              add_columns(parts.data(), rows, width, list, sums.data(), sums.shape(1));
          },
          "parts"_a, "list"_a, "sums"_a.noconvert(), "Add columns of the parts, in that order.");
    m.def("block_sums", &blocks_of, "rows"_a, "bounds"_a, "sums"_a.noconvert(),
          "Sums of rows (n, width) over blocks of consecutive rows.");
    m.def("sum_blocks", &sum_of_blocks, "rows"_a, "bounds"_a, "sum"_a.noconvert(),
          "The sum of all blocks, in block order.");
    m.def("adam", &adam_step, "beta1"_a, "beta2"_a, "step_size"_a, "root"_a, "epsilon"_a,
          "gradient"_a, "first"_a.noconvert(), "second"_a.noconvert(), "weights"_a.noconvert(),
          "One step of Adam, in place.");
    m.def("add_blocks", &added_blocks, "received"_a, "counts"_a, "offsets"_a, "shared_begin"_a,
          "begin"_a, "gradient"_a.noconvert(),
          "The gathered blocks of all ranks added up in block order; returns the sum of losses.");
    m.def("readout", &readout_of, "hidden"_a, "weight"_a, "bias"_a, "out"_a.noconvert(),
          "W h + b for each sample.");
    m.def("readout_reverse", &readout_back, "hidden"_a, "weight"_a, "cotangents"_a,
          "to_hidden"_a.noconvert(), "rows"_a.noconvert(),
          "Cotangents of hidden and rows of the gradients, for each sample.");
}
