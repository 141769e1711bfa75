// One vector of samples. All of simd/ has internal linkage: each instruction set has its own copy.
#pragma once

#include <cstddef>

#ifndef HPC_QLSTM_LANES
#error "HPC_QLSTM_LANES, the doubles in one register, is set by CMakeLists.txt"
#endif

#define HPC_QLSTM_INLINE inline __attribute__((always_inline))

namespace hpc_qlstm {
namespace {

constexpr std::size_t kLanes = HPC_QLSTM_LANES;
typedef double Lanes __attribute__((vector_size(kLanes * sizeof(double))));

HPC_QLSTM_INLINE Lanes splat(double value) { return value - Lanes{}; }

HPC_QLSTM_INLINE Lanes root(Lanes v) {
    for (std::size_t lane = 0; lane < kLanes; ++lane) v[lane] = __builtin_sqrt(v[lane]);
    return v;
}

}  // namespace
}  // namespace hpc_qlstm
