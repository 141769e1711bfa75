#include "lstm/cell_sweep.hpp"

#include <algorithm>
#include <utility>

#include "lstm/columns.hpp"

namespace hpc_qlstm {

void CellSweep::start(CellForward arrays) {
    in_ = std::move(arrays);
    const std::size_t size = gates_.samples() * in_.hidden;
    if (in_.updates) cell_.resize(steps(), size, gates_.back());
    std::fill_n(in_.state, size, 0.0);
}

void CellSweep::evaluate(std::size_t t) {
    const std::size_t inputs = in_.inputs;
    StepInput in;
    in.state = in_.state;
    in.state_width = in_.hidden;
    in.x = in_.x + t * inputs;
    in.x_stride = steps() * inputs;
    in.weights = in_.weights;
    gates_.forward(t, in_.threads, in, in_.outputs, in_.width);
}

const double* CellSweep::merged() {
    if (in_.counts.size() == 1 && in_.width == in_.hidden) return in_.gathered;
    const std::size_t rows = gates_.sets() * gates_.samples();
    z_.resize(rows * in_.hidden);
    merge_columns(in_.gathered, rows, in_.width, in_.counts, z_.data());
    return z_.data();
}

void CellSweep::update(std::size_t t) {
    cell_.forward(t, merged(), in_.state);
    const std::size_t size = gates_.samples() * in_.hidden;
    if (in_.sequence) {
        std::copy_n(in_.state, size, in_.read + t * size);
    } else if (t + 1 == steps()) {
        std::copy_n(in_.state, size, in_.read);
    }
}

void CellSweep::forward_step(std::size_t t) {
    if (t > 0) update(t - 1);
    evaluate(t);
}

void CellSweep::start_back(const CellReverse& arrays) {
    back_ = arrays;
    grad_v_.assign(gates_.samples() * (in_.inputs + in_.hidden), 0.0);
    grad_state_.resize(gates_.samples() * in_.hidden);
    if (in_.updates) cell_.begin_reverse();
}

void CellSweep::set_state(const double* h0, const double* c0) {
    std::copy_n(h0, gates_.samples() * in_.hidden, in_.state);
    if (in_.updates) cell_.begin(c0);
}

void CellSweep::set_grad_state(const double* grad_h, const double* grad_c) {
    copy_columns(grad_h, in_.hidden, gates_.samples(), in_.hidden,
                 grad_v_.data() + back_.hidden_begin, in_.inputs + in_.hidden);
    cell_.begin_reverse(grad_c);
}

void CellSweep::grad_state(double* grad_h, double* grad_c) const {
    copy_columns(grad_v_.data() + back_.hidden_begin, in_.inputs + in_.hidden, gates_.samples(),
                 in_.hidden, grad_h, in_.hidden);
    std::copy_n(cell_.grad_state(), gates_.samples() * in_.hidden, grad_c);
}

void CellSweep::cell_backward(std::size_t t) {
    const std::size_t samples = gates_.samples(), hidden = in_.hidden;
    copy_columns(grad_v_.data() + back_.hidden_begin, in_.inputs + hidden, samples, hidden,
                 grad_state_.data(), hidden);
    if (in_.sequence || t + 1 == steps()) {
        const double* seen = back_.grad_read + (in_.sequence ? t * samples * hidden : 0);
        for (std::size_t n = 0; n < samples * hidden; ++n) grad_state_[n] += seen[n];
    }
    cell_.reverse(t, grad_state_.data(), back_.cotangents);
}

void CellSweep::reverse(std::size_t t) {
    StepGradient gradient;
    gradient.weights = in_.weights;
    gradient.cotangents = back_.cotangents;
    gradient.hidden = in_.hidden;
    gradient.rows = back_.rows;
    gradient.row_size = back_.row_size;
    gradient.grad_inputs = back_.grad_inputs;
    gradient.width = back_.width;
    gates_.reverse(t, in_.threads, gradient);
}

void CellSweep::scatter_input_gradients(std::size_t t) {
    const std::size_t samples = gates_.samples(), size = in_.inputs + in_.hidden;
    std::fill(grad_v_.begin(), grad_v_.end(), 0.0);
    add_columns(back_.gathered, samples, back_.width, *back_.columns, grad_v_.data(), size);
    if (back_.grad_x == nullptr) return;
    copy_columns(grad_v_.data() + back_.inputs_begin, size, samples, in_.inputs,
                 back_.grad_x + t * in_.inputs, steps() * in_.inputs);
}

void CellSweep::backward_step(std::size_t t) {
    if (t + 1 < steps()) scatter_input_gradients(t + 1);
    cell_backward(t);
    reverse(t);
}

}  // namespace hpc_qlstm
