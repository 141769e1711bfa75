// Memory that a thread keeps between calls, so that small calls allocate nothing.
#pragma once

#include <sys/mman.h>

#include <cstddef>
#include <cstdlib>
#include <new>

namespace hpc_qlstm {

class Buffer {
  public:
    Buffer() = default;
    Buffer(const Buffer&) = delete;
    Buffer& operator=(const Buffer&) = delete;
    ~Buffer() { std::free(data_); }

    // Uninitialised, aligned to a cache line. Throws std::bad_alloc.
    double* get(std::size_t doubles) {
        if (doubles > size_) {
            release();
            // A large state is read in strides: with 4 KiB pages every chunk would cost a walk
            // through the page tables.
            constexpr std::size_t huge = std::size_t{2} << 20;
            const std::size_t wanted = doubles * sizeof(double);
            const std::size_t alignment = wanted >= 2 * huge ? huge : 64;
            const std::size_t bytes = (wanted + alignment - 1) / alignment * alignment;
            data_ = static_cast<double*>(std::aligned_alloc(alignment, bytes));
            if (data_ == nullptr) throw std::bad_alloc();
#ifdef MADV_HUGEPAGE
            if (alignment == huge) madvise(data_, bytes, MADV_HUGEPAGE);
#endif
            size_ = doubles;
        }
        return data_;
    }

    // Large states go back: a thread that is idle, or ends, should not hold gigabytes.
    void release_if_large() {
        constexpr std::size_t limit = std::size_t{64} << 20;
        if (size_ * sizeof(double) > limit) release();
    }

  private:
    void release() {
        std::free(data_);
        data_ = nullptr;
        size_ = 0;
    }

    double* data_ = nullptr;
    std::size_t size_ = 0;
};

}  // namespace hpc_qlstm
