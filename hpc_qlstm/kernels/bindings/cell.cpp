// Bindings of the LSTM cell, alone and together with the gates' circuits: checks arguments, drops
// the GIL where circuits are evaluated, calls.
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/vector.h>

#include <algorithm>
#include <cstddef>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "bindings/arrays.hpp"
#include "bindings/checks.hpp"
#include "bindings/module.hpp"
#include "bindings/sweep.hpp"
#include "lstm/cell.hpp"
#include "lstm/cell_sweep.hpp"

namespace nb = nanobind;
using namespace nb::literals;

namespace hpc_qlstm {
namespace {

constexpr std::size_t kLstmGates = 4;

// A CellSweep and what it points to, which lives as long.
class TiedSweep {
  public:
    TiedSweep(OwnedSweep& gates, const Kernel& kernel)
        : gates_(nb::find(gates)), partitions_(gates), sweep_(gates, kernel) {}

    void start(std::size_t threads, const Input<3>& x, const Input<1>& weights,
               const Output<3>& outputs, const Input<4>& gathered,
               const std::vector<std::size_t>& counts, const Output<2>& state,
               const Output<3>& read, bool sequence, bool updates) {
        const std::size_t samples = partitions_.samples(), steps = sweep_.steps();
        const std::size_t hidden = state.shape(1), width = outputs.shape(2);
        check_threads(threads);
        if (partitions_.sets() != kLstmGates) {
            refuse("sets are " + std::to_string(partitions_.sets()), "4, one for each LSTM gate");
        }
        check("x has", x, {samples, steps, any("d_x")});
        check("outputs have", outputs, {kLstmGates, samples, at_least(partitions_.outputs())});
        check("gathered has", gathered, {counts.size(), kLstmGates, samples, width});
        const std::size_t total = checked_sum(counts, width);
        if (total != hidden) {
            refuse("counts have the sum " + std::to_string(total),
                   std::to_string(hidden) + ", the columns of state");
        }
        check("state has", state, {samples, hidden});
        check("read has", read, {sequence ? steps : 1, samples, hidden});
        check_members(partitions_, hidden, x.shape(2), weights.size());
        x_ = x, weights_ = weights, outputs_ = outputs, gathered_ = gathered;
        state_ = state, read_ = read;
        hidden_ = hidden, inputs_ = x.shape(2), sequence_ = sequence;
        CellForward arrays;
        arrays.threads = threads;
        arrays.x = x.data();
        arrays.inputs = inputs_;
        arrays.weights = weights.data();
        arrays.outputs = outputs.data();
        arrays.width = width;
        arrays.gathered = gathered.data();
        arrays.counts = counts;
        arrays.state = state.data();
        arrays.hidden = hidden;
        arrays.read = read.data();
        arrays.sequence = sequence;
        arrays.updates = updates;
        sweep_.start(std::move(arrays));
        going_back_ = false;
        generation_ = partitions_.generation();
    }

    void start_back(const Input<3>& grad_read, const Output<2>& rows, const Output<2>& grad_inputs,
                    const Input<3>& gathered, const ColumnList& columns, std::size_t hidden_begin,
                    const Output<3>& cotangents, const std::optional<Output<3>>& grad_x) {
        check_back(partitions_.back());
        check_ready(false, false);
        const std::size_t samples = partitions_.samples(), steps = sweep_.steps();
        const std::size_t width = grad_inputs.shape(1);
        check("grad_read has", grad_read, {sequence_ ? steps : 1, samples, hidden_});
        check("rows have", rows, {samples, any("numbers of a sample")});
        check("grad_inputs have", grad_inputs, {samples, at_least(partitions_.features())});
        check("gathered has", gathered, {any("parts"), samples, width});
        check("cotangents have", cotangents, {kLstmGates, samples, hidden_});
        check_gradients(partitions_, rows.shape(1), weights_.size(), hidden_);
        check_columns(columns, gathered.shape(0), width, inputs_ + hidden_);
        if (hidden_begin != 0 && hidden_begin != inputs_) {
            refuse("hidden_begin is " + std::to_string(hidden_begin),
                   "0 or " + std::to_string(inputs_));
        }
        if (grad_x) check("grad_x has", *grad_x, {samples, steps, inputs_});
        grad_read_ = grad_read, rows_ = rows, grad_inputs_ = grad_inputs, parts_ = gathered;
        columns_ = nb::find(columns), cotangents_ = cotangents, grad_x_ = grad_x;
        CellReverse arrays;
        arrays.grad_read = grad_read.data();
        arrays.rows = rows.data();
        arrays.row_size = rows.shape(1);
        arrays.grad_inputs = grad_inputs.data();
        arrays.width = width;
        arrays.gathered = gathered.data();
        arrays.columns = &columns;
        arrays.hidden_begin = hidden_begin;
        arrays.inputs_begin = hidden_begin == 0 ? hidden_ : 0;
        arrays.cotangents = cotangents.data();
        arrays.grad_x = grad_x ? grad_x->data() : nullptr;
        sweep_.start_back(arrays);
        going_back_ = true;
    }

    void set_state(const Input<2>& h0, const Input<2>& c0) {
        check_ready(false, false);
        check_state("h0 has", h0);
        check_state("c0 has", c0);
        sweep_.set_state(h0.data(), c0.data());
    }

    void state(const Output<2>& c) const {
        check_ready(false, true);
        check_state("c has", c);
        std::copy_n(sweep_.state(), c.size(), c.data());
    }

    void set_grad_state(const Input<2>& grad_h, const Input<2>& grad_c) {
        check_ready(true, true);
        check_state("grad_h has", grad_h);
        check_state("grad_c has", grad_c);
        sweep_.set_grad_state(grad_h.data(), grad_c.data());
    }

    void grad_state(const Output<2>& grad_h, const Output<2>& grad_c) const {
        check_ready(true, true);
        check_state("grad_h has", grad_h);
        check_state("grad_c has", grad_c);
        sweep_.grad_state(grad_h.data(), grad_c.data());
    }

    // One of the steps' calls: on the way back or before it, and of those that update the cell.
    template <void (CellSweep::*call)(std::size_t), bool back, bool cell>
    void run(std::size_t t) {
        check_ready(back, cell);
        check_below("t is", t, sweep_.steps());
        const nb::gil_scoped_release without_gil;
        (sweep_.*call)(t);
    }

  private:
    // back: whether the call is one of the way back; cell: whether it needs the cell.
    void check_ready(bool back, bool cell) const {
        if (!state_.is_valid() || generation_ != partitions_.generation()) {
            throw nb::value_error("start comes first, again whenever the gates begin anew");
        }
        if (back && !going_back_) throw nb::value_error("start_back comes before steps back");
        if (cell && !sweep_.updates()) throw nb::value_error("this sweep does not update the cell");
    }

    template <typename Array>
    void check_state(const char* name, const Array& array) const {
        check(name, array, {partitions_.samples(), hidden_});
    }

    nb::object gates_, columns_;
    PartitionSweep& partitions_;
    CellSweep sweep_;
    std::size_t hidden_ = 0, inputs_ = 0, generation_ = 0;
    bool sequence_ = false, going_back_ = false;
    Input<3> x_, grad_read_, parts_;
    Input<1> weights_;
    Input<4> gathered_;
    Output<3> outputs_, read_, cotangents_;
    Output<2> state_, rows_, grad_inputs_;
    std::optional<Output<3>> grad_x_;
};

void begin(Cell& cell, const std::optional<Plain>& c0) {
    if (c0) check_size("c0 has", *c0, cell.size());
    cell.begin(c0 ? c0->data() : nullptr);
}

void begin_reverse(Cell& cell, const std::optional<Plain>& grad_c) {
    if (grad_c) check_size("grad_c has", *grad_c, cell.size());
    cell.begin_reverse(grad_c ? grad_c->data() : nullptr);
}

void state(const Cell& cell, const PlainOutput& c) {
    check_size("c has", c, cell.size());
    std::copy_n(cell.state(), c.size(), c.data());
}

void grad_state(const Cell& cell, const PlainOutput& grad_c) {
    check_size("grad_c has", grad_c, cell.size());
    std::copy_n(cell.grad_state(), grad_c.size(), grad_c.data());
}

void forward(Cell& cell, std::size_t t, const Plain& z, const PlainOutput& hidden) {
    check_below("t is", t, cell.steps());
    check_size("z has", z, kLstmGates * cell.size());
    check_size("hidden has", hidden, cell.size());
    cell.forward(t, z.data(), hidden.data());
}

void reverse(Cell& cell, std::size_t t, const Plain& grad_hidden, const PlainOutput& grad_z) {
    check_back(cell.back());
    check_below("t is", t, cell.steps());
    check_size("grad_hidden has", grad_hidden, cell.size());
    check_size("grad_z has", grad_z, kLstmGates * cell.size());
    cell.reverse(t, grad_hidden.data(), grad_z.data());
}

}  // namespace

void define_cell(nb::module_& m) {
    nb::class_<Cell>(m, "Cell", "The LSTM cell over the time steps of a batch.")
        .def(nb::init<const Kernel&, std::size_t, std::size_t, bool>(), "kernel"_a, "steps"_a,
             "size"_a, "back"_a = true)
        .def("begin", &begin, "c0"_a.none() = nb::none(),
             "A sweep follows, from c_0 (B, d_h) or zeros.")
        .def("begin_reverse", &begin_reverse, "grad_c"_a.none() = nb::none(),
             "The way back follows, from the cotangent of c_T (B, d_h) or zeros.")
        .def("state", &state, "c"_a.noconvert(), "Copy c_T (B, d_h).")
        .def("grad_state", &grad_state, "grad_c"_a.noconvert(),
             "Copy the cotangent of c_0 (B, d_h), after the way back.")
        .def("forward", &forward, "t"_a, "z"_a, "hidden"_a.noconvert(),
             "From z (4, B, d_h) to h_t (B, d_h).")
        .def("reverse", &reverse, "t"_a, "grad_hidden"_a, "grad_z"_a.noconvert(),
             "From the cotangent of h_t (B, d_h) to that of z (4, B, d_h).");
    nb::class_<TiedSweep>(m, "CellSweep",
                          "Cell and circuits of one process, tied to the arrays of an exchange.")
        .def(nb::init<OwnedSweep&, const Kernel&>(), "gates"_a, "kernel"_a)
        .def("start", &TiedSweep::start, "threads"_a, "x"_a, "weights"_a, "outputs"_a.noconvert(),
             "gathered"_a.noconvert(), "counts"_a, "state"_a.noconvert(), "read"_a.noconvert(),
             "sequence"_a, "updates"_a, "Tie the arrays of the way forward; h_0 = 0.")
        .def("start_back", &TiedSweep::start_back, "grad_read"_a, "rows"_a.noconvert(),
             "grad_inputs"_a.noconvert(), "gathered"_a.noconvert(), "columns"_a, "hidden_begin"_a,
             "cotangents"_a.noconvert(), "grad_x"_a.noconvert().none(),
             "Tie the arrays of the way back.")
        .def("set_state", &TiedSweep::set_state, "h0"_a, "c0"_a,
             "h_0 and c_0 (B, d_h) instead of zeros; after start.")
        .def("state", &TiedSweep::state, "c"_a.noconvert(), "Copy c_T (B, d_h).")
        .def("set_grad_state", &TiedSweep::set_grad_state, "grad_h"_a, "grad_c"_a,
             "The cotangents of h_T and c_T instead of zeros; after start_back.")
        .def("grad_state", &TiedSweep::grad_state, "grad_h"_a.noconvert(), "grad_c"_a.noconvert(),
             "Copy the cotangents of h_0 and c_0, after the way back.")
        .def("evaluate", &TiedSweep::run<&CellSweep::evaluate, false, false>, "t"_a,
             "Outputs of step t from the state.")
        .def("update", &TiedSweep::run<&CellSweep::update, false, true>, "t"_a,
             "The state after step t.")
        .def("forward_step", &TiedSweep::run<&CellSweep::forward_step, false, true>, "t"_a,
             "update(t - 1), and evaluate(t).")
        .def("cell_backward", &TiedSweep::run<&CellSweep::cell_backward, true, true>, "t"_a,
             "Cotangents of step t's outputs.")
        .def("reverse", &TiedSweep::run<&CellSweep::reverse, true, false>, "t"_a,
             "Gradients by weights and what is read.")
        .def("scatter_input_gradients",
             &TiedSweep::run<&CellSweep::scatter_input_gradients, true, true>, "t"_a,
             "Add up the gathered gradients of v_t.")
        .def("backward_step", &TiedSweep::run<&CellSweep::backward_step, true, true>, "t"_a,
             "scatter_input_gradients(t + 1), cell_backward(t) and reverse(t).");
}

}  // namespace hpc_qlstm
