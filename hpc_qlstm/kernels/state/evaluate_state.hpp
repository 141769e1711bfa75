// One call of the engine on large states: each row's state is swept by itself.
#pragma once

#include <cstddef>

#include "batch/batch_kernel.hpp"
#include "isa/dispatch.hpp"
#include "state/state_plan.hpp"

namespace hpc_qlstm {

// As evaluate(), with the registers over the amplitudes of one state instead of over samples.
// Rows are swept one after another, all threads working on one state; where states are small and
// rows many enough, each thread takes a row of its own. The results have the same bits either way.
// Memory: one state of 16 * 2^q bytes (8 * 2^q in single precision), a second one with a cotangent,
// and less than a tenth of one in addition.
void evaluate_state(const StatePlan& plan, const Kernel& kernel, const Batch& batch,
                    std::size_t threads);

}  // namespace hpc_qlstm
