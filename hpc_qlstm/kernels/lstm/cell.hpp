// The LSTM cell over the time steps of a batch; remembers what the reverse sweep needs.
#pragma once

#include <algorithm>
#include <cstddef>
#include <vector>

#include "isa/dispatch.hpp"

namespace hpc_qlstm {

// `size` is the number of elements of one gate at one step: samples times hidden units.
class Cell {
  public:
    // back: whether `reverse` follows; without it only one step is remembered.
    Cell(const Kernel& kernel, std::size_t steps, std::size_t size, bool back = true)
        : kernel_(*kernel.cell) {
        resize(steps, size, back);
    }

    // Starts another sweep in the same memory; c_0 = 0, and the way back begins with zeros.
    void resize(std::size_t steps, std::size_t size, bool back) {
        const std::size_t kept = back ? steps : 1;
        steps_ = steps;
        size_ = size;
        back_ = back;
        activations_.resize(4 * kept * size);
        cells_.resize((kept + 1) * size);
        tanh_cells_.resize(kept * size);
        grad_cell_.resize(size);
        begin();
        begin_reverse();
    }

    // c_0 of the sweep that follows: the given values, or zeros.
    void begin(const double* c0 = nullptr) { fill(cells_, c0); }

    // Where the way back begins: the cotangent of c_T, or zeros.
    void begin_reverse(const double* grad_c = nullptr) { fill(grad_cell_, grad_c); }

    // c_T, after the last step.
    const double* state() const { return cells_.data() + (back_ ? steps_ * size_ : 0); }

    // The cotangent of c_0, after the way back.
    const double* grad_state() const { return grad_cell_.data(); }

    bool back() const { return back_; }

    std::size_t steps() const { return steps_; }
    std::size_t size() const { return size_; }

    // Steps t = 0 .. T - 1 in this order: from z [4][size] to h_t [size].
    void forward(std::size_t t, const double* z, double* hidden) {
        if (!back_) {  // c_t overwrites c_{t-1}, element by element
            kernel_.forward(size_, z, cells_.data(), activations_.data(), cells_.data(),
                            tanh_cells_.data(), hidden);
            return;
        }
        kernel_.forward(size_, z, cells_.data() + t * size_, activations_.data() + 4 * t * size_,
                        cells_.data() + (t + 1) * size_, tanh_cells_.data() + t * size_, hidden);
    }

    // Steps t = T - 1 .. 0, in this order: from the cotangent of h_t to that of z.
    void reverse(std::size_t t, const double* grad_hidden, double* grad_z) {
        kernel_.reverse(size_, activations_.data() + 4 * t * size_, cells_.data() + t * size_,
                        tanh_cells_.data() + t * size_, grad_hidden, grad_cell_.data(), grad_z);
    }

  private:
    void fill(std::vector<double>& to, const double* from) {
        if (from) {
            std::copy_n(from, size_, to.begin());
        } else {
            std::fill_n(to.begin(), size_, 0.0);
        }
    }

    const CellKernel& kernel_;
    std::size_t steps_ = 0, size_ = 0;
    bool back_ = true;
    std::vector<double> activations_, cells_, tanh_cells_, grad_cell_;
};

}  // namespace hpc_qlstm
