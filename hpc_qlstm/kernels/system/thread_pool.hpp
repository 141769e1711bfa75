// A pool of threads for the whole process, kept between calls.
#pragma once

#include <cstddef>
#include <functional>

namespace hpc_qlstm {

// Calls task(n) for every n < tasks, each once, on at most `threads` threads, the caller's among
// them. Which thread takes which task is open; a thread that comes late finds less to do, and one
// that does not come at all is not waited for. The first exception of a task is thrown again at
// the end. Safe to call from several threads: a caller that finds the pool taken does its tasks
// alone. Tasks must not call it.
void run_parallel(std::size_t threads, std::size_t tasks,
                  const std::function<void(std::size_t)>& task);

}  // namespace hpc_qlstm
