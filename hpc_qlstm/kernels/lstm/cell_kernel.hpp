// The LSTM cell update and its derivative, element by element, one for each instruction set.
//
// Gates are in the order forget, input, candidate, output, n numbers of each. No arithmetic
// crosses elements, so an element's bits do not depend on those beside it.
#pragma once

#include <cstddef>

namespace hpc_qlstm {

struct CellKernel {
    // From z [4][n] and the cell c_{t-1} [n]: activations [4][n], c_t, tanh(c_t) and h_t [n]. c_t
    // may overwrite c_{t-1}.
    void (*forward)(std::size_t n, const double* z, const double* previous, double* activations,
                    double* cell, double* tanh_cell, double* hidden);
    // From the cotangents of h_t and c_t (`grad_cell`) and the forward values: the cotangent of
    // z [4][n], and that of c_{t-1}, which overwrites `grad_cell`.
    void (*reverse)(std::size_t n, const double* activations, const double* previous,
                    const double* tanh_cell, const double* grad_hidden, double* grad_cell,
                    double* grad_z);
};

}  // namespace hpc_qlstm
