// Bindings of the LSTM cell, alone and together with the gates' circuits: checks shapes, drops the
// GIL where circuits are evaluated, calls.
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/vector.h>

#include <algorithm>
#include <cstddef>
#include <optional>
#include <vector>

#include "bindings.hpp"
#include "cell.hpp"
#include "cell_sweep.hpp"

namespace nb = nanobind;
using namespace nb::literals;

namespace {

using namespace hpc_qlstm;

void check_cell(const Cell& cell, std::size_t t, std::size_t gates, std::size_t hidden) {
    require(t < cell.steps() && gates == 4 * cell.size() && hidden == cell.size());
}

void check_back(bool back) {
    if (!back) throw nb::value_error("the sweep was begun without a way back");
}

// A CellSweep and what it points to, which lives as long.
class TiedSweep {
  public:
    TiedSweep(nb::object gates, const Kernel& kernel)
        : gates_(gates), partitions_(nb::cast<OwnedSweep&>(gates)),
          sweep_(partitions_, kernel) {}

    void start(std::size_t threads, const Input<3>& x, const Input<1>& weights,
               const Output<3>& outputs, const Input<4>& gathered,
               const std::vector<std::size_t>& counts, const Output<2>& state,
               const Output<3>& read, bool sequence, bool updates) {
        const std::size_t samples = partitions_.samples(), hidden = state.shape(1);
        const std::size_t width = outputs.shape(2);
        require(threads > 0 && x.shape(0) == samples && x.shape(1) == sweep_.steps());
        require(outputs.shape(0) == 4 && partitions_.sets() == 4 && outputs.shape(1) == samples &&
                width >= partitions_.outputs());
        require(gathered.shape(0) == counts.size() && gathered.shape(1) == 4 &&
                gathered.shape(2) == samples && gathered.shape(3) == width);
        std::size_t total = 0;
        for (const std::size_t count : counts) {
            require(count <= width);
            total += count;
        }
        require(total == hidden && state.shape(0) == samples);
        require(read.shape(0) == (sequence ? sweep_.steps() : 1) && read.shape(1) == samples &&
                read.shape(2) == hidden);
        check_members(partitions_, hidden, x.shape(2), weights.size());
        x_ = x, weights_ = weights, outputs_ = outputs, gathered_ = gathered;
        state_ = state, read_ = read;
        hidden_ = hidden, inputs_ = x.shape(2), sequence_ = sequence;
        sweep_.start({threads, x.data(), inputs_, weights.data(), outputs.data(), width,
                      gathered.data(), counts, state.data(), hidden, read.data(), sequence,
                      updates});
        going_back_ = false;
        generation_ = partitions_.generation();
    }

    void start_back(const Input<3>& grad_read, const Output<2>& rows, const Output<2>& grad_inputs,
                    const Input<3>& gathered, nb::object columns, std::size_t hidden_begin,
                    const Output<3>& cotangents, const std::optional<Output<3>>& grad_x) {
        check_back(partitions_.back());
        const std::size_t samples = partitions_.samples();
        const auto& list = nb::cast<const ColumnList&>(columns);
        require(started() && grad_read.shape(0) == (sequence_ ? sweep_.steps() : 1) &&
                grad_read.shape(1) == samples && grad_read.shape(2) == hidden_);
        require(rows.shape(0) == samples && grad_inputs.shape(0) == samples &&
                grad_inputs.shape(1) >= partitions_.features());
        check_gradients(partitions_, rows.shape(1), weights_.size(), hidden_);
        require(gathered.shape(1) == samples && gathered.shape(2) == grad_inputs.shape(1) &&
                (hidden_begin == 0 || hidden_begin == inputs_));
        require(list.fits(gathered.shape(0), gathered.shape(2), inputs_ + hidden_));
        require(cotangents.shape(0) == 4 && cotangents.shape(1) == samples &&
                cotangents.shape(2) == hidden_);
        require(!grad_x || (grad_x->shape(0) == samples && grad_x->shape(1) == sweep_.steps() &&
                          grad_x->shape(2) == inputs_));
        grad_read_ = grad_read, rows_ = rows, grad_inputs_ = grad_inputs, parts_ = gathered;
        columns_ = columns, cotangents_ = cotangents, grad_x_ = grad_x;
        sweep_.start_back({grad_read.data(), rows.data(), rows.shape(1), grad_inputs.data(),
                           grad_inputs.shape(1), gathered.data(), &list, hidden_begin,
                           hidden_begin == 0 ? hidden_ : 0, cotangents.data(),
                           grad_x ? grad_x->data() : nullptr});
        going_back_ = true;
    }

    void set_state(const Input<2>& h0, const Input<2>& c0) {
        check_state(started(), h0, c0);
        sweep_.set_state(h0.data(), c0.data());
    }

    void state(const Output<2>& c) const {
        check_state(started() && sweep_.updates(), c, c);
        std::copy_n(sweep_.state(), c.size(), c.data());
    }

    void set_grad_state(const Input<2>& grad_h, const Input<2>& grad_c) {
        check_state(started() && going_back_ && sweep_.updates(), grad_h, grad_c);
        sweep_.set_grad_state(grad_h.data(), grad_c.data());
    }

    void grad_state(const Output<2>& grad_h, const Output<2>& grad_c) const {
        check_state(started() && going_back_ && sweep_.updates(), grad_h, grad_c);
        sweep_.grad_state(grad_h.data(), grad_c.data());
    }

    // One of the steps' calls: on the way back or before it, and of those that update the cell.
    template <void (CellSweep::*call)(std::size_t), bool back, bool cell>
    void run(std::size_t t) {
        require(started() && going_back_ >= back && sweep_.updates() >= cell && t < sweep_.steps());
        const nb::gil_scoped_release without_gil;
        (sweep_.*call)(t);
    }

  private:
    template <typename A>
    void check_state(bool possible, const A& h, const A& c) const {
        require(possible && h.shape(0) == partitions_.samples() && h.shape(1) == hidden_ &&
                c.shape(0) == h.shape(0) && c.shape(1) == h.shape(1));
    }

    // Tied, and the gates were not begun anew with other sizes since.
    bool started() const {
        return state_.is_valid() && generation_ == partitions_.generation();
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

}  // namespace

void define_cell(nb::module_& m) {
    nb::class_<Cell>(m, "Cell", "The LSTM cell over the time steps of a batch.")
        .def(nb::init<const Kernel&, std::size_t, std::size_t, bool>(), "kernel"_a, "steps"_a,
             "size"_a, "back"_a = true)
        .def("begin",
             [](Cell& cell, const std::optional<Plain>& c0) {
                 require(!c0 || c0->size() == cell.size());
                 cell.begin(c0 ? c0->data() : nullptr);
             },
             "c0"_a.none() = nb::none(), "A sweep follows, from c_0 (B, d_h) or zeros.")
        .def("begin_reverse",
             [](Cell& cell, const std::optional<Plain>& grad_c) {
                 require(!grad_c || grad_c->size() == cell.size());
                 cell.begin_reverse(grad_c ? grad_c->data() : nullptr);
             },
             "grad_c"_a.none() = nb::none(),
             "The way back follows, from the cotangent of c_T (B, d_h) or zeros.")
        .def("state",
             [](const Cell& cell, const PlainOutput& c) {
                 require(c.size() == cell.size());
                 std::copy_n(cell.state(), c.size(), c.data());
             },
             "c"_a.noconvert(), "Copy c_T (B, d_h).")
        .def("grad_state",
             [](const Cell& cell, const PlainOutput& grad_c) {
                 require(grad_c.size() == cell.size());
                 std::copy_n(cell.grad_state(), grad_c.size(), grad_c.data());
             },
             "grad_c"_a.noconvert(), "Copy the cotangent of c_0 (B, d_h), after the way back.")
        .def("forward",
             [](Cell& cell, std::size_t t, const Plain& z, const PlainOutput& hidden) {
                 check_cell(cell, t, z.size(), hidden.size());
                 cell.forward(t, z.data(), hidden.data());
             },
             "t"_a, "z"_a, "hidden"_a.noconvert(), "From z (4, B, d_h) to h_t (B, d_h).")
        .def("reverse",
             [](Cell& cell, std::size_t t, const Plain& grad_hidden, const PlainOutput& grad_z) {
                 check_cell(cell, t, grad_z.size(), grad_hidden.size());
                 check_back(cell.back());
                 cell.reverse(t, grad_hidden.data(), grad_z.data());
             },
             "t"_a, "grad_hidden"_a, "grad_z"_a.noconvert(),
             "From the cotangent of h_t (B, d_h) to that of z (4, B, d_h).");
    nb::class_<TiedSweep>(m, "CellSweep",
                          "Cell and circuits of one process, tied to the arrays of an exchange.")
        .def(nb::init<nb::object, const Kernel&>(), "gates"_a, "kernel"_a)
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
        .def("scatter_input_gradients", &TiedSweep::run<&CellSweep::scatter_input_gradients, true, true>, "t"_a,
             "Add up the gathered gradients of v_t.")
        .def("backward_step", &TiedSweep::run<&CellSweep::backward_step, true, true>, "t"_a,
             "scatter_input_gradients(t + 1), cell_backward(t) and reverse(t).");
}
