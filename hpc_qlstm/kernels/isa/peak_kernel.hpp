// What one core can do at best, for comparison: one for each instruction set and precision.
#pragma once

#include <cstddef>

namespace hpc_qlstm {

template <typename Real>
struct PeakKernel {
    // Fused multiplications and additions in registers alone; returns how many operations that was.
    double (*multiply_add)(std::size_t rounds, Real* result);
    // x = a x + b in place on n numbers, a multiple of 64, `rounds` times: reads and writes as the
    // passes over a state do.
    void (*update)(std::size_t rounds, std::size_t n, Real* x);
};

}  // namespace hpc_qlstm
