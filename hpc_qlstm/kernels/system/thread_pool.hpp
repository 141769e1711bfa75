// A pool of threads for the whole process, kept between calls.
#pragma once

#include <cstddef>
#include <functional>

namespace hpc_qlstm {

// Calls task(n) once for every n < tasks, on at most `threads` threads including the caller's.
// Which thread takes which task is not fixed; a thread that starts late does less, and one that
// does not start is not waited for. The first exception of a task is thrown again at the end. Safe
// to call from several threads: a caller that finds the pool in use does its tasks alone. Tasks
// must not call it.
void run_parallel(std::size_t threads, std::size_t tasks,
                  const std::function<void(std::size_t)>& task);

}  // namespace hpc_qlstm
