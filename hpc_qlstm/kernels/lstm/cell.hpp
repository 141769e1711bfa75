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

    // Starts another sweep in the same memory; c_0 = 0.
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
    }

    // Sets c_0 = 0 again, which a sweep without `reverse` overwrites.
    void begin() { std::fill_n(cells_.begin(), size_, 0.0); }

    bool back() const { return back_; }

    std::size_t steps() const { return steps_; }
    std::size_t size() const { return size_; }

    // Steps t = 0 .. T - 1 in this order: from z [4][size] to h_t [size].
    void forward(std::size_t t, const double* z, double* hidden) {
        if (!back_) {  // c_t overwrites c_{t-1}, element by element
            if (t == 0) begin();
            kernel_.forward(size_, z, cells_.data(), activations_.data(), cells_.data(),
                            tanh_cells_.data(), hidden);
            return;
        }
        kernel_.forward(size_, z, cells_.data() + t * size_, activations_.data() + 4 * t * size_,
                        cells_.data() + (t + 1) * size_, tanh_cells_.data() + t * size_, hidden);
    }

    // Steps t = T - 1 .. 0, in this order: from the cotangent of h_t to that of z.
    void reverse(std::size_t t, const double* grad_hidden, double* grad_z) {
        if (t + 1 == steps_) grad_cell_.assign(size_, 0.0);
        kernel_.reverse(size_, activations_.data() + 4 * t * size_, cells_.data() + t * size_,
                        tanh_cells_.data() + t * size_, grad_hidden, grad_cell_.data(), grad_z);
    }

  private:
    const CellKernel& kernel_;
    std::size_t steps_ = 0, size_ = 0;
    bool back_ = true;
    std::vector<double> activations_, cells_, tanh_cells_, grad_cell_;
};

}  // namespace hpc_qlstm
