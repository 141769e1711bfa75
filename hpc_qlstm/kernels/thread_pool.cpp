#include "thread_pool.hpp"

#include <unistd.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <exception>
#include <mutex>
#include <system_error>
#include <thread>

namespace hpc_qlstm {
namespace {

using Task = std::function<void(std::size_t)>;

// Waits a little for `ready` before the caller sleeps: waking a sleeping thread takes from ten
// microseconds to, in a virtual machine, a hundred, and training makes call after call. The
// processor is offered to others all the while.
template <typename Ready>
void spin(Ready ready) {
    constexpr auto patience = std::chrono::microseconds(100);
    const auto end = std::chrono::steady_clock::now() + patience;
    while (!ready() && std::chrono::steady_clock::now() < end) std::this_thread::yield();
}

class Pool {
  public:
    explicit Pool(pid_t owner) : owner_(owner) {}

    pid_t owner() const { return owner_; }

    // False when another caller has the pool or the system gives no more threads; nothing has run
    // then.
    bool try_run(std::size_t parts, const Task& task) {
        std::unique_lock<std::mutex> caller(caller_, std::try_to_lock);
        if (!caller.owns_lock()) return false;
        try {
            grow(parts - 1);
        } catch (const std::system_error&) {
            return false;
        }
        {
            const std::lock_guard<std::mutex> lock(mutex_);
            task_ = &task;
            parts_ = parts;
            pending_ = parts - 1;
            error_ = nullptr;
            ++round_;
        }
        start_.notify_all();
        run_part(0, task);
        spin([this] { return pending_ == 0; });
        std::unique_lock<std::mutex> lock(mutex_);
        done_.wait(lock, [this] { return pending_ == 0; });
        task_ = nullptr;
        if (error_) std::rethrow_exception(error_);
        return true;
    }

  private:
    void grow(std::size_t helpers) {
        for (; helpers_ < helpers; ++helpers_) {
            // Detached, and the pool is never destroyed: at exit the threads just end with the
            // process, whatever order the libraries are unloaded in.
            const std::size_t part = helpers_ + 1, seen = round_;
            std::thread([this, part, seen] { work(part, seen); }).detach();
        }
    }

    void work(std::size_t part, std::size_t seen) {
        for (;;) {
            spin([&] { return round_ != seen; });
            std::unique_lock<std::mutex> lock(mutex_);
            start_.wait(lock, [&] { return round_ != seen; });
            seen = round_;
            if (part >= parts_) continue;
            const Task& task = *task_;
            lock.unlock();
            run_part(part, task);
            lock.lock();
            if (--pending_ == 0) done_.notify_one();
        }
    }

    void run_part(std::size_t part, const Task& task) {
        try {
            task(part);
        } catch (...) {
            const std::lock_guard<std::mutex> lock(mutex_);
            error_ = std::current_exception();
        }
    }

    const pid_t owner_;
    std::mutex caller_;  // held for the whole of one call
    std::size_t helpers_ = 0;  // under caller_
    std::mutex mutex_;  // guards all below; the atomics are also read without it, to spin
    std::condition_variable start_, done_;
    const Task* task_ = nullptr;
    std::size_t parts_ = 0;
    std::atomic<std::size_t> pending_{0}, round_{0};
    std::exception_ptr error_;
};

// No lock here: a lock that another thread holds during a fork stays locked in the child.
Pool& current_pool() {
    static std::atomic<Pool*> current{nullptr};
    const pid_t process = getpid();
    Pool* pool = current.load();
    while (pool == nullptr || pool->owner() != process) {
        Pool* fresh = new Pool(process);
        if (current.compare_exchange_strong(pool, fresh)) return *fresh;
        delete fresh;
    }
    return *pool;
}

}  // namespace

void run_parallel(std::size_t parts, const Task& task) {
    if (parts > 1 && current_pool().try_run(parts, task)) return;
    for (std::size_t part = 0; part < parts; ++part) task(part);
}

}  // namespace hpc_qlstm
