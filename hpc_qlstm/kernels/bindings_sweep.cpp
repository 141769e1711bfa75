// Bindings of the sweeps over partitions and time steps: checks shapes, drops the GIL, calls.
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/tuple.h>
#include <nanobind/stl/vector.h>

#include <cstdint>
#include <tuple>
#include <utility>
#include <vector>

#include "bindings.hpp"
#include "partition_sweep.hpp"

namespace nb = nanobind;
using namespace nb::literals;

namespace hpc_qlstm {

void check_members(const PartitionSweep& sweep, std::size_t state, std::size_t x,
                   std::size_t weights) {
    for (const Member& member : sweep.members()) {
        const auto own = static_cast<std::size_t>(member.program().weights);
        require(inside(member.weights_begin, sweep.sets(), own, weights));
        for (const Pick& pick : member.picks) require(pick.column < (pick.from_x ? x : state));
    }
}

void check_gradients(const PartitionSweep& sweep, std::size_t rows, std::size_t weights,
                     std::size_t hidden) {
    for (const Member& member : sweep.members()) {
        const auto own = static_cast<std::size_t>(member.program().weights);
        const auto outputs = static_cast<std::size_t>(member.program().outputs);
        require(inside(member.rows_begin, sweep.sets(), own, rows) &&
                inside(member.weights_begin, sweep.sets(), own, weights) &&
                inside(member.output_begin, 1, outputs, hidden));
    }
}

}  // namespace hpc_qlstm

namespace {

using namespace hpc_qlstm;

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

void forward(OwnedSweep& sweep, std::size_t t, std::size_t threads, const Input<2>& state,
             const Input<3>& x, const Input<1>& weights, const Output<3>& outputs) {
    require(threads > 0 && t < sweep.steps() && t < x.shape(1) && state.shape(0) == sweep.samples() &&
            x.shape(0) == sweep.samples() && outputs.shape(0) == sweep.sets() &&
            outputs.shape(1) == sweep.samples() && outputs.shape(2) >= sweep.outputs());
    check_members(sweep, state.shape(1), x.shape(2), weights.size());
    const StepInput in{state.data(), state.shape(1), x.data() + t * x.shape(2),
                       x.shape(1) * x.shape(2), weights.data()};
    const nb::gil_scoped_release without_gil;
    sweep.forward(t, threads, in, outputs.data(), outputs.shape(2));
}

void reverse(OwnedSweep& sweep, std::size_t t, std::size_t threads,
             const Input<1>& weights, const Input<3>& cotangents, const Output<2>& rows,
             const Output<2>& grad_inputs) {
    if (!sweep.back()) throw nb::value_error("the sweep was begun without a way back");
    require(threads > 0 && t < sweep.steps() && cotangents.shape(0) == sweep.sets() &&
            cotangents.shape(1) == sweep.samples() && rows.shape(0) == sweep.samples() &&
            grad_inputs.shape(0) == sweep.samples() && grad_inputs.shape(1) >= sweep.features());
    check_gradients(sweep, rows.shape(1), weights.size(), cotangents.shape(2));
    const StepGradient gradient{weights.data(), cotangents.data(), cotangents.shape(2),
                                rows.data(), rows.shape(1), grad_inputs.data(), grad_inputs.shape(1)};
    const nb::gil_scoped_release without_gil;
    sweep.reverse(t, threads, gradient);
}

// parts (parts, .., rows, width): all but the first and the last dimension count as rows.
std::size_t rows_of(const Plain& parts) {
    require(parts.ndim() >= 2 && parts.shape(0) > 0 && parts.shape(parts.ndim() - 1) > 0);
    return parts.size() / parts.shape(0) / parts.shape(parts.ndim() - 1);
}

}  // namespace

void define_sweeps(nb::module_& m) {
    nb::class_<OwnedSweep>(m, "PartitionSweep",
                           "The VQCs of one process's partitions over the time steps.")
        .def("__init__",
             [](OwnedSweep* self, const Kernel& kernel, const std::vector<MemberTuple>& given,
                std::size_t sets) {
                 std::vector<Member> members;
                 std::vector<nb::object> plans;
                 for (const MemberTuple& each : given) {
                     members.push_back(member_of(each));
                     plans.push_back(std::get<0>(each));
                 }
                 new (self) OwnedSweep(kernel, std::move(members), sets, std::move(plans));
             },
             "kernel"_a, "members"_a, "sets"_a,
             "Each member: plan, columns, offsets of weights, gradients, outputs.")
        .def("begin", [](OwnedSweep& sweep, std::size_t steps, std::size_t samples, bool back) {
                 sweep.begin(steps, samples, back);
             }, "steps"_a, "samples"_a, "back"_a = true)
        .def_rw("seconds", &OwnedSweep::seconds, "Spent in forward and reverse.")
        .def("forward", &forward, "t"_a, "threads"_a, "state"_a, "x"_a, "weights"_a,
             "outputs"_a.noconvert(), "Fill outputs (sets, B, width) of step t.")
        .def("reverse", &reverse, "t"_a, "threads"_a, "weights"_a, "cotangents"_a,
             "rows"_a.noconvert(), "grad_inputs"_a.noconvert(),
             "Add to rows (B, n), fill grad_inputs (B, width).");
    m.def("merge_columns",
          [](const Plain& parts, const std::vector<std::size_t>& counts, const PlainOutput& merged) {
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
                 for (const auto& [part, from, to] : given) self->add(part, from, to);
             },
             "list"_a);
    m.def("add_columns",
          [](const Plain& parts, const ColumnList& list, const Output<2>& sums) {
              const std::size_t rows = rows_of(parts), width = parts.shape(parts.ndim() - 1);
              require(sums.shape(0) == rows);
              require(list.fits(parts.shape(0), width, sums.shape(1)));
              add_columns(parts.data(), rows, width, list, sums.data(), sums.shape(1));
          },
          "parts"_a, "list"_a, "sums"_a.noconvert(), "Add columns of the parts, in that order.");
}
