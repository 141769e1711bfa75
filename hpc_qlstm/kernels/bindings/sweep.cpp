// Bindings of the sweeps over partitions and time steps: checks arguments, drops the GIL, calls.
#include "bindings/sweep.hpp"

#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/tuple.h>
#include <nanobind/stl/variant.h>
#include <nanobind/stl/vector.h>

#include <cstdint>
#include <string>
#include <tuple>
#include <utility>
#include <variant>
#include <vector>

#include "bindings/arrays.hpp"
#include "bindings/checks.hpp"
#include "bindings/module.hpp"

namespace nb = nanobind;
using namespace nb::literals;

namespace hpc_qlstm {
namespace {

std::size_t weights_of(const Member& member) {
    return static_cast<std::size_t>(member.program().weights);
}

// `sets` times `size` numbers of member m, from `begin` on, lie in so many of the named array.
void check_section(const char* name, std::size_t numbers, std::size_t m, std::size_t begin,
                   std::size_t sets, std::size_t size) {
    if (inside(begin, sets, size, numbers)) return;
    refuse(name + (" " + std::to_string(numbers)),
           "room for " + std::to_string(sets) + " times " + std::to_string(size) + " from " +
               std::to_string(begin) + " on, for member " + std::to_string(m));
}

// A member as Python declares it, with the plan that it points to.
struct OwnedMember : Member {
    nb::object plan;
};

OwnedMember member_of(const AnyPlan& plan, const std::vector<std::int64_t>& picks,
                      std::size_t weights_begin, std::size_t rows_begin, std::size_t output_begin) {
    OwnedMember member;
    std::visit([&](const auto* given) { member.plan = nb::find(*given); }, plan);
    if (const auto* batch = std::get_if<const BatchPlan*>(&plan)) member.batch = *batch;
    if (const auto* state = std::get_if<const StatePlan*>(&plan)) member.state = *state;
    for (const std::int64_t pick : picks) {
        const bool from_x = pick < 0;
        member.picks.push_back({from_x, static_cast<std::uint32_t>(from_x ? -1 - pick : pick)});
    }
    member.weights_begin = weights_begin;
    member.rows_begin = rows_begin;
    member.output_begin = output_begin;
    const auto features = static_cast<std::size_t>(member.program().features);
    if (picks.size() != features) {
        refuse("picks are " + std::to_string(picks.size()),
               std::to_string(features) + ", one for each feature of the circuit");
    }
    return member;
}

std::vector<std::int64_t> picks_of(const OwnedMember& member) {
    std::vector<std::int64_t> picks;
    for (const Pick& pick : member.picks) {
        const auto column = static_cast<std::int64_t>(pick.column);
        picks.push_back(pick.from_x ? -1 - column : column);
    }
    return picks;
}

void make_sweep(OwnedSweep* self, const Kernel& kernel, const std::vector<OwnedMember>& members,
                std::size_t sets) {
    std::vector<nb::object> plans;
    for (const OwnedMember& member : members) plans.push_back(member.plan);
    new (self) OwnedSweep(kernel, {members.begin(), members.end()}, sets, std::move(plans));
}

void forward(OwnedSweep& sweep, std::size_t t, std::size_t threads, const Input<2>& state,
             const Input<3>& x, const Input<1>& weights, const Output<3>& outputs) {
    check_threads(threads);
    check_below("t is", t, sweep.steps());
    check("state has", state, {sweep.samples(), any("columns")});
    check("x has", x, {sweep.samples(), at_least(t + 1), any("d_x")});
    check("outputs have", outputs, {sweep.sets(), sweep.samples(), at_least(sweep.outputs())});
    check_members(sweep, state.shape(1), x.shape(2), weights.size());
    StepInput in;
    in.state = state.data();
    in.state_width = state.shape(1);
    in.x = x.data() + t * x.shape(2);
    in.x_stride = x.shape(1) * x.shape(2);
    in.weights = weights.data();
    const nb::gil_scoped_release without_gil;
    sweep.forward(t, threads, in, outputs.data(), outputs.shape(2));
}

void reverse(OwnedSweep& sweep, std::size_t t, std::size_t threads, const Input<1>& weights,
             const Input<3>& cotangents, const Output<2>& rows, const Output<2>& grad_inputs) {
    check_back(sweep.back());
    check_threads(threads);
    check_below("t is", t, sweep.steps());
    check("cotangents have", cotangents, {sweep.sets(), sweep.samples(), any("d_h")});
    check("rows have", rows, {sweep.samples(), any("numbers of a sample")});
    check("grad_inputs have", grad_inputs, {sweep.samples(), at_least(sweep.features())});
    check_gradients(sweep, rows.shape(1), weights.size(), cotangents.shape(2));
    StepGradient gradient;
    gradient.weights = weights.data();
    gradient.cotangents = cotangents.data();
    gradient.hidden = cotangents.shape(2);
    gradient.rows = rows.data();
    gradient.row_size = rows.shape(1);
    gradient.grad_inputs = grad_inputs.data();
    gradient.width = grad_inputs.shape(1);
    const nb::gil_scoped_release without_gil;
    sweep.reverse(t, threads, gradient);
}

// parts (parts, .., rows, width): all but the first and the last dimension count as rows.
std::size_t rows_of(const Plain& parts) {
    const std::size_t last = parts.ndim() - 1;
    if (parts.ndim() < 2 || parts.shape(0) == 0 || parts.shape(last) == 0) {
        refuse("parts have", parts, "(parts, .., width), neither of which is 0");
    }
    return parts.size() / parts.shape(0) / parts.shape(last);
}

void merge(const Plain& parts, const std::vector<std::size_t>& counts, const PlainOutput& merged) {
    const std::size_t rows = rows_of(parts), width = parts.shape(parts.ndim() - 1);
    const std::size_t total = checked_sum(counts, width);
    if (counts.size() != parts.shape(0)) {
        refuse("parts have", parts, "(" + std::to_string(counts.size()) + ", ..), one each count");
    }
    check_size("merged has", merged, rows * total);
    merge_columns(parts.data(), rows, width, counts, merged.data());
}

void make_column_list(
    ColumnList* self,
    const std::vector<std::tuple<std::uint32_t, std::uint32_t, std::uint32_t>>& columns) {
    new (self) ColumnList();
    for (const auto& [part, from, to] : columns) self->add(part, from, to);
}

void add(const Plain& parts, const ColumnList& columns, const Output<2>& sums) {
    const std::size_t rows = rows_of(parts), width = parts.shape(parts.ndim() - 1);
    check("sums have", sums, {rows, any("sums")});
    check_columns(columns, parts.shape(0), width, sums.shape(1));
    add_columns(parts.data(), rows, width, columns, sums.data(), sums.shape(1));
}

}  // namespace

void check_members(const PartitionSweep& sweep, std::size_t state, std::size_t x,
                   std::size_t weights) {
    for (std::size_t m = 0; m < sweep.members().size(); ++m) {
        const Member& member = sweep.members()[m];
        check_section("weights have size", weights, m, member.weights_begin, sweep.sets(),
                      weights_of(member));
        for (const Pick& pick : member.picks) {
            const std::size_t columns = pick.from_x ? x : state;
            if (pick.column < columns) continue;
            refuse((pick.from_x ? "x has width " : "state has width ") + std::to_string(columns),
                   "more than " + std::to_string(pick.column) + ", which member " +
                       std::to_string(m) + " picks");
        }
    }
}

void check_gradients(const PartitionSweep& sweep, std::size_t rows, std::size_t weights,
                     std::size_t hidden) {
    for (std::size_t m = 0; m < sweep.members().size(); ++m) {
        const Member& member = sweep.members()[m];
        const std::size_t own = weights_of(member), sets = sweep.sets();
        const auto outputs = static_cast<std::size_t>(member.program().outputs);
        check_section("weights have size", weights, m, member.weights_begin, sets, own);
        check_section("rows have width", rows, m, member.rows_begin, sets, own);
        check_section("cotangents have width", hidden, m, member.output_begin, 1, outputs);
    }
}

void check_columns(const ColumnList& columns, std::size_t parts, std::size_t width,
                   std::size_t sums) {
    if (columns.fits(parts, width, sums)) return;
    refuse("columns lie outside their arrays", std::to_string(parts) + " parts of " +
                                                   std::to_string(width) + " columns, " +
                                                   std::to_string(sums) + " sums");
}

void check_back(bool back) {
    if (!back) throw nb::value_error("the sweep was begun without a way back");
}

void define_sweeps(nb::module_& m) {
    nb::class_<OwnedMember>(m, "Member",
                            "One partition of a sweep: VQCs with circuit and features in common.")
        .def(
            "__init__",
            [](OwnedMember* self, const AnyPlan& plan, const std::vector<std::int64_t>& picks,
               std::size_t weights_begin, std::size_t rows_begin, std::size_t output_begin) {
                new (self)
                    OwnedMember(member_of(plan, picks, weights_begin, rows_begin, output_begin));
            },
            nb::kw_only(), "plan"_a, "picks"_a, "weights_begin"_a, "rows_begin"_a, "output_begin"_a)
        .def_prop_ro(
            "plan",
            [](const OwnedMember& member) {
                return member.batch ? AnyPlan(member.batch) : AnyPlan(member.state);
            },
            nb::rv_policy::reference, "The compiled circuit.")
        .def_prop_ro("picks", &picks_of,
                     "For each feature its column of the state, or -1 - k for column k of x_t.")
        .def_ro("weights_begin", &OwnedMember::weights_begin,
                "Where its weight sets begin in the flat vector.")
        .def_ro("rows_begin", &OwnedMember::rows_begin,
                "Where their gradients begin in a sample's row.")
        .def_ro("output_begin", &OwnedMember::output_begin,
                "Where its outputs begin in the hidden vector.");
    nb::class_<OwnedSweep>(m, "PartitionSweep",
                           "The VQCs of one process's partitions over the time steps.")
        .def("__init__", &make_sweep, "kernel"_a, "members"_a, "sets"_a)
        .def("begin", &OwnedSweep::begin, "steps"_a, "samples"_a, "back"_a = true)
        .def_rw("seconds", &OwnedSweep::seconds, "Spent in forward and reverse.")
        .def("forward", &forward, "t"_a, "threads"_a, "state"_a, "x"_a, "weights"_a,
             "outputs"_a.noconvert(), "Fill outputs (sets, B, width) of step t.")
        .def("reverse", &reverse, "t"_a, "threads"_a, "weights"_a, "cotangents"_a,
             "rows"_a.noconvert(), "grad_inputs"_a.noconvert(),
             "Add to rows (B, n), fill grad_inputs (B, width).");
    m.def("merge_columns", &merge, "parts"_a, "counts"_a, "merged"_a.noconvert(),
          "The first columns of every part side by side.");
    nb::class_<ColumnList>(m, "ColumnList", "Which column of which part goes to which.")
        .def("__init__", &make_column_list, "columns"_a);
    m.def("add_columns", &add, "parts"_a, "columns"_a, "sums"_a.noconvert(),
          "Add columns of the parts, in that order.");
}

}  // namespace hpc_qlstm
