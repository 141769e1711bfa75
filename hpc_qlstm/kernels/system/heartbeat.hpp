// A sign of life from a process, sent by a thread without Python: a process in a library that holds
// the interpreter's lock for minutes still sends it, a stopped process does not.
#pragma once

#include <sys/socket.h>

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <string>
#include <thread>
#include <utility>

namespace hpc_qlstm {

class Heartbeat {
  public:
    // Sends `message` to the connected datagram socket `descriptor` every `period` until destroyed.
    // The socket is the caller's and must outlive this object.
    Heartbeat(int descriptor, std::string message, std::chrono::milliseconds period)
        : message_(std::move(message)),
          thread_([this, descriptor, period] { beat(descriptor, period); }) {}

    Heartbeat(const Heartbeat&) = delete;
    Heartbeat& operator=(const Heartbeat&) = delete;

    ~Heartbeat() {
        {
            const std::lock_guard<std::mutex> lock(mutex_);
            stopped_ = true;
        }
        wake_.notify_all();
        thread_.join();
    }

  private:
    void beat(int descriptor, std::chrono::milliseconds period) {
        std::unique_lock<std::mutex> lock(mutex_);
        while (!stopped_) {
            // A lost or refused datagram does not matter: the next one follows soon.
            (void)::send(descriptor, message_.data(), message_.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
            wake_.wait_for(lock, period, [this] { return stopped_; });
        }
    }

    std::string message_;
    std::mutex mutex_;
    std::condition_variable wake_;
    bool stopped_ = false;
    std::thread thread_;  // last: it uses all the others
};

}  // namespace hpc_qlstm
