// A persistent pool of threads for work that is split into a few equal parts.
#pragma once

#include <cstddef>
#include <functional>

namespace hpc_qlstm {

// Runs task(0) .. task(parts - 1), part 0 on the calling thread, and returns when all are done.
//
// The threads are started when first needed and kept; between calls they spin for 0.1 ms, then
// sleep. A call that finds the pool busy with another caller's work, or no threads to be had, runs
// all its parts itself. After a fork the child starts a pool of its own: the parent's threads do
// not exist there. If parts throw, one of the exceptions is thrown again here after all have ended.
void run_parallel(std::size_t parts, const std::function<void(std::size_t)>& task);

}  // namespace hpc_qlstm
