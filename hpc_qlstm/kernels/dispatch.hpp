// Which kernel runs: the instruction sets that this build has and this processor understands.
#pragma once

#include <string>
#include <vector>

#include "batch_kernel.hpp"
#include "state_kernel.hpp"

namespace hpc_qlstm {

// From the plainest to the widest; never empty.
const std::vector<const Kernel*>& available_kernels();

// The kernel of that name; nullptr if this build or this processor does not have it.
const Kernel* find_kernel(const std::string& name);

// The kernel for one large state with the same instruction set.
const StateKernel& state_kernel_of(const Kernel& kernel);

}  // namespace hpc_qlstm
