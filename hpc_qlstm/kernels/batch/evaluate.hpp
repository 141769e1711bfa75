// One call of the engine: memory, the split into parts, the kernel.
#pragma once

#include <cstddef>

#include "batch/batch_kernel.hpp"
#include "batch/batch_plan.hpp"
#include "compile/program.hpp"
#include "isa/dispatch.hpp"

namespace hpc_qlstm {

// The program as the kernels read it; it points into `program`.
ProgramView view_of(const Program& program);

// Evaluates a batch on at most `threads` threads; see Batch for the arrays. The results have the
// same bits whatever `threads` is. Throws std::bad_alloc when the states do not fit in memory:
// for each thread 2 (4 with a cotangent) * 2^q * lanes numbers, and up to 16 MiB.
void evaluate(const BatchPlan& plan, const Kernel& kernel, const Batch& batch, std::size_t threads);

}  // namespace hpc_qlstm
