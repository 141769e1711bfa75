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
    template <typename T>
    T* get(std::size_t count) {
        return static_cast<T*>(bytes(count * sizeof(T)));
    }

    // Large states are given back: an idle thread should not hold gigabytes.
    void release_if_large() {
        constexpr std::size_t limit = std::size_t{64} << 20;
        if (size_ > limit) release();
    }

  private:
    void* bytes(std::size_t wanted) {
        if (wanted > size_) {
            release();
            // A large state is read in strides: with 4 KiB pages every chunk would cost a walk
            // through the page tables.
            constexpr std::size_t huge = std::size_t{2} << 20;
            const std::size_t alignment = wanted >= 2 * huge ? huge : 64;
            const std::size_t size = (wanted + alignment - 1) / alignment * alignment;
            data_ = std::aligned_alloc(alignment, size);
            if (data_ == nullptr) throw std::bad_alloc();
#ifdef MADV_HUGEPAGE
            if (alignment == huge) madvise(data_, size, MADV_HUGEPAGE);
#endif
            size_ = size;
        }
        return data_;
    }

    void release() {
        std::free(data_);
        data_ = nullptr;
        size_ = 0;
    }

    void* data_ = nullptr;
    std::size_t size_ = 0;  // bytes
};

}  // namespace hpc_qlstm
