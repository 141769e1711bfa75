// One vector of samples. All of simd/ has internal linkage: each instruction set and precision has
// its own copy.
#pragma once

#include <cstddef>

#if !defined(HPC_QLSTM_LANES) || !defined(HPC_QLSTM_REAL)
#error "HPC_QLSTM_REAL and HPC_QLSTM_LANES, how many make a vector, come from CMakeLists.txt"
#endif

// name_isa_real, such as batch_avx2_float
#define HPC_QLSTM_JOIN_(a, b, c) a##_##b##_##c
#define HPC_QLSTM_JOIN(a, b, c) HPC_QLSTM_JOIN_(a, b, c)
#define HPC_QLSTM_KERNEL(name) HPC_QLSTM_JOIN(name, HPC_QLSTM_ISA, HPC_QLSTM_REAL)

#define HPC_QLSTM_INLINE inline __attribute__((always_inline))
// For what calls with and without gradients share: two inlined copies might fuse different products
// and sums, and differ in the last bit.
#if defined(__GNUC__) && !defined(__clang__)
#define HPC_QLSTM_ONE_COPY inline __attribute__((noinline, noclone))
#else
#define HPC_QLSTM_ONE_COPY inline __attribute__((noinline))
#endif

namespace hpc_qlstm {
namespace {

typedef HPC_QLSTM_REAL Real;
constexpr std::size_t kLanes = HPC_QLSTM_LANES;
#ifdef HPC_QLSTM_COUNTING_LANES
typedef HPC_QLSTM_COUNTING_LANES Lanes;  // a class that counts operations: tests/cpp
#else
typedef Real Lanes __attribute__((vector_size(kLanes * sizeof(Real))));
#endif

template <typename T>
struct IntegerOf {
    typedef long long type;
};
template <>
struct IntegerOf<float> {
    typedef int type;
};
typedef IntegerOf<Real>::type Integer;  // of the same size
typedef Integer Bits __attribute__((vector_size(sizeof(Lanes))));

HPC_QLSTM_INLINE Lanes splat(double value) { return static_cast<Real>(value) - Lanes{}; }

HPC_QLSTM_INLINE Lanes root(Lanes v) {
    for (std::size_t lane = 0; lane < kLanes; ++lane) {
        if constexpr (sizeof(Real) == sizeof(float)) {
            v[lane] = __builtin_sqrtf(v[lane]);
        } else {
            v[lane] = __builtin_sqrt(v[lane]);
        }
    }
    return v;
}

}  // namespace
}  // namespace hpc_qlstm
