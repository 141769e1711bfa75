// Compiled once for each instruction set HPC_QLSTM_ISA and precision HPC_QLSTM_REAL.
#include "isa/peak_kernel.hpp"

#include "simd/lanes.hpp"

namespace hpc_qlstm {
namespace {

// Enough independent chains to hide the latency of an FMA, few enough for 16 registers.
constexpr std::size_t kChains = 12;

double multiply_add(std::size_t rounds, Real* result) {
    const Lanes a = splat(0.999), b = splat(1e-3);
    Lanes x[kChains];
    for (std::size_t n = 0; n < kChains; ++n) x[n] = splat(static_cast<double>(n));
    for (std::size_t round = 0; round < rounds; ++round) {
#pragma GCC unroll 12
        for (std::size_t n = 0; n < kChains; ++n) x[n] = a * x[n] + b;
    }
    Lanes sum{};
    for (std::size_t n = 0; n < kChains; ++n) sum += x[n];
    *result = sum[0];
    return 2.0 * static_cast<double>(rounds * kChains * kLanes);
}

void update(std::size_t rounds, std::size_t n, Real* x) {
    const Lanes a = splat(0.999), b = splat(1e-3);
    for (std::size_t round = 0; round < rounds; ++round) {
        Lanes* v = reinterpret_cast<Lanes*>(x);
#pragma GCC unroll 4
        for (std::size_t k = 0; k < n / kLanes; ++k) v[k] = a * v[k] + b;
    }
}

}  // namespace

extern const PeakKernel<Real> HPC_QLSTM_KERNEL(peak);
const PeakKernel<Real> HPC_QLSTM_KERNEL(peak) = {multiply_add, update};

}  // namespace hpc_qlstm
