#include "system/thread_pool.hpp"

#include <unistd.h>

#include <algorithm>
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

inline void pause() {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ __volatile__("yield");
#endif
}

// Spins a little for `ready` before the caller sleeps: waking a sleeping thread takes ten
// microseconds, a hundred in a virtual machine, and training makes call after call. At first
// without a pause, as yielding the processor costs a microsecond; then with yields.
template <typename Ready>
void spin(Ready ready) {
    using Clock = std::chrono::steady_clock;
    constexpr auto impatience = std::chrono::microseconds(20);
    constexpr auto patience = std::chrono::microseconds(100);
    const auto begin = Clock::now();
    auto waited = Clock::duration::zero();
    while (!ready() && waited < patience) {
        if (waited < impatience) {
            for (int n = 0; n < 16 && !ready(); ++n) pause();
        } else {
            std::this_thread::yield();
        }
        waited = Clock::now() - begin;
    }
}

class Pool {
  public:
    explicit Pool(pid_t owner) : owner_(owner) {}

    pid_t owner() const { return owner_; }

    // False when another caller has the pool or the system gives no more threads; nothing has run
    // then.
    bool try_run(std::size_t threads, std::size_t tasks, const Task& task) {
        std::unique_lock<std::mutex> caller(caller_, std::try_to_lock);
        if (!caller.owns_lock()) return false;
        try {
            grow(threads - 1);
        } catch (const std::system_error&) {
            return false;
        }
        {
            const std::lock_guard<std::mutex> lock(mutex_);
            task_ = &task;
            tasks_ = tasks;
            wanted_ = threads - 1;
            next_ = 0;
            error_ = nullptr;
            ++round_;
        }
        start_.notify_all();
        run_tasks(task);
        {
            // A thread that has not begun by now has nothing to do and is not waited for.
            const std::lock_guard<std::mutex> lock(mutex_);
            task_ = nullptr;
        }
        spin([this] { return active_ == 0; });
        std::unique_lock<std::mutex> lock(mutex_);
        done_.wait(lock, [this] { return active_ == 0; });
        if (error_) std::rethrow_exception(error_);
        return true;
    }

  private:
    void grow(std::size_t helpers) {
        for (; helpers_ < helpers; ++helpers_) {
            // Detached, and the pool is never destroyed: at exit the threads just end with the
            // process, whatever order the libraries are unloaded in.
            const std::size_t number = helpers_, seen = round_;
            std::thread([this, number, seen] { work(number, seen); }).detach();
        }
    }

    void work(std::size_t number, std::size_t seen) {
        for (;;) {
            spin([&] { return round_ != seen; });
            std::unique_lock<std::mutex> lock(mutex_);
            start_.wait(lock, [&] { return round_ != seen; });
            seen = round_;
            if (task_ == nullptr || number >= wanted_) continue;
            ++active_;
            const Task& task = *task_;
            lock.unlock();
            run_tasks(task);
            lock.lock();
            if (--active_ == 0) done_.notify_one();
        }
    }

    void run_tasks(const Task& task) {
        for (std::size_t n = next_++; n < tasks_; n = next_++) {
            try {
                task(n);
            } catch (...) {
                const std::lock_guard<std::mutex> lock(mutex_);
                if (!error_) error_ = std::current_exception();
            }
        }
    }

    const pid_t owner_;
    std::mutex caller_;        // held for the whole of one call
    std::size_t helpers_ = 0;  // under caller_
    std::mutex mutex_;         // guards all below; the atomics are also read without it, to spin
    std::condition_variable start_, done_;
    const Task* task_ = nullptr;  // null when no one may begin any more
    std::size_t tasks_ = 0, wanted_ = 0;
    std::atomic<std::size_t> next_{0}, active_{0}, round_{0};
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

void run_parallel(std::size_t threads, std::size_t tasks, const Task& task) {
    threads = std::min(threads, tasks);
    if (threads > 1 && current_pool().try_run(threads, tasks, task)) return;
    for (std::size_t n = 0; n < tasks; ++n) task(n);
}

}  // namespace hpc_qlstm
