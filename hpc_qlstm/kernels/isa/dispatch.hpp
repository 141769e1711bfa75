// Which kernel runs: the instruction sets that this build has and this processor understands.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "batch/batch_kernel.hpp"
#include "isa/peak_kernel.hpp"
#include "lstm/cell_kernel.hpp"
#include "state/state_kernel.hpp"

namespace hpc_qlstm {

enum class Precision { float32, float64 };

template <typename Real>
struct KernelsOf {
    const BatchKernel<Real>* batch;
    const StateKernel<Real>* state;
    const PeakKernel<Real>* peak;
};

// The kernels of one instruction set, in one precision.
struct Kernel {
    const char* isa;
    Precision precision;
    KernelsOf<double> of_double;
    KernelsOf<float> of_float;
    const CellKernel* cell;  // always in double precision

    // Numbers in one register.
    std::size_t lanes() const {
        return precision == Precision::float32 ? of_float.batch->lanes : of_double.batch->lanes;
    }
};

// From the narrowest registers to the widest, each in both precisions; never empty.
const std::vector<Kernel>& available_kernels();

// nullptr if this build or this processor does not have it.
const Kernel* find_kernel(const std::string& isa, Precision precision);

}  // namespace hpc_qlstm
