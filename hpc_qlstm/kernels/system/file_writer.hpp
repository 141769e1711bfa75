// Writes files so that a name never stands for an incomplete one, in a thread without Python: a
// Python thread that waits for the disk would slow down training at every system call.
#pragma once

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdio>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace hpc_qlstm {

// The system calls; tests have their own.
struct Posix {
    static int open(const char* path, int flags) { return ::open(path, flags | O_CLOEXEC, 0666); }
    static ssize_t write(int file, const void* bytes, std::size_t size) {
        return ::write(file, bytes, size);
    }
    static int fsync(int file) { return ::fsync(file); }
    static int close(int file) { return ::close(file); }
    static int rename(const char* from, const char* to) { return std::rename(from, to); }
    static int unlink(const char* path) { return ::unlink(path); }
};

struct FileJob {
    std::string folder, temporary, path;  // the folder of both files; written first; the final name
    std::string content;
    std::vector<std::string> retired;  // files to remove once the new one is there
};

// What became of a job. error: errno of what failed up to the directory's fsync, or 0; placed: the
// file has its name, durable or not; cleanup: errno of an old file that cannot be removed, or 0.
struct FileOutcome {
    int error = 0;
    bool placed = false;
    int cleanup = 0;
    double seconds = 0.0;
};

// 0, or errno of the step that failed.
template <class System>
int sync_file(const char* path, int flags, const std::string& content) {
    const int file = System::open(path, flags);
    if (file < 0) return errno;
    int error = 0;
    for (std::size_t done = 0; done < content.size() && !error;) {
        const ssize_t count = System::write(file, content.data() + done, content.size() - done);
        if (count == 0) {
            error = ENOSPC;
        } else if (count > 0) {
            done += static_cast<std::size_t>(count);
        } else if (errno != EINTR) {
            error = errno;
        }
    }
    if (!error && System::fsync(file) != 0) error = errno;
    // Some network file systems report only here that the disk is full.
    if (System::close(file) != 0 && !error) error = errno;
    return error;
}

// Old files are removed only when the new one is durable.
template <class System>
FileOutcome replace_file(const FileJob& job) {
    FileOutcome outcome;
    outcome.error =
        sync_file<System>(job.temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC, job.content);
    if (!outcome.error && System::rename(job.temporary.c_str(), job.path.c_str()) != 0) {
        outcome.error = errno;
    }
    if (outcome.error) {
        System::unlink(job.temporary.c_str());
        return outcome;
    }
    outcome.placed = true;
    outcome.error = sync_file<System>(job.folder.c_str(), O_RDONLY | O_DIRECTORY, {});
    // Some file systems do not support fsync of a directory.
    if (outcome.error == EINVAL || outcome.error == ENOTSUP || outcome.error == ENOSYS) {
        outcome.error = 0;
    }
    if (outcome.error) return outcome;
    for (const std::string& old : job.retired) {
        if (System::unlink(old.c_str()) != 0 && errno != ENOENT) outcome.cleanup = errno;
    }
    return outcome;
}

// One job at a time.
template <class System = Posix>
class FileWriter {
  public:
    FileWriter() : thread_([this] { run(); }) {}
    FileWriter(const FileWriter&) = delete;
    FileWriter& operator=(const FileWriter&) = delete;

    // Waits for the job under way.
    ~FileWriter() {
        {
            const std::lock_guard<std::mutex> lock(mutex_);
            stopped_ = true;
        }
        wake_.notify_all();
        thread_.join();
    }

    // Takes a job; false while another is under way.
    bool start(FileJob job) {
        {
            const std::lock_guard<std::mutex> lock(mutex_);
            if (state_ == State::busy) return false;
            job_ = std::move(job);
            state_ = State::busy;
        }
        wake_.notify_all();
        return true;
    }

    bool busy() {
        const std::lock_guard<std::mutex> lock(mutex_);
        return state_ == State::busy;
    }

    // Waits for the job under way; what became of the last one.
    FileOutcome wait() {
        std::unique_lock<std::mutex> lock(mutex_);
        wake_.wait(lock, [this] { return state_ != State::busy; });
        return outcome_;
    }

  private:
    enum class State { idle, busy };

    void run() {
        std::unique_lock<std::mutex> lock(mutex_);
        while (true) {
            wake_.wait(lock, [this] { return stopped_ || state_ == State::busy; });
            if (state_ != State::busy) return;
            lock.unlock();
            const auto begin = std::chrono::steady_clock::now();
            FileOutcome outcome = replace_file<System>(job_);
            const std::chrono::duration<double> taken = std::chrono::steady_clock::now() - begin;
            outcome.seconds = taken.count();
            lock.lock();
            outcome_ = outcome;
            state_ = State::idle;
            wake_.notify_all();
        }
    }

    std::mutex mutex_;
    std::condition_variable wake_;
    State state_ = State::idle;
    bool stopped_ = false;
    FileJob job_;
    FileOutcome outcome_;
    std::thread thread_;  // last: it uses all the others
};

}  // namespace hpc_qlstm
