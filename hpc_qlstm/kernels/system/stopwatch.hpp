// Adds the time until it goes out of scope.
#pragma once

#include <chrono>

namespace hpc_qlstm {

class Stopwatch {
  public:
    explicit Stopwatch(double& seconds) : seconds_(seconds), begin_(Clock::now()) {}
    Stopwatch(const Stopwatch&) = delete;
    Stopwatch& operator=(const Stopwatch&) = delete;
    ~Stopwatch() { seconds_ += std::chrono::duration<double>(Clock::now() - begin_).count(); }

  private:
    using Clock = std::chrono::steady_clock;
    double& seconds_;
    const Clock::time_point begin_;
};

}  // namespace hpc_qlstm
