#include "isa/dispatch.hpp"

namespace hpc_qlstm {

#define HPC_QLSTM_DECLARE_PRECISION(isa, real)           \
    extern const BatchKernel<real> batch_##isa##_##real; \
    extern const StateKernel<real> state_##isa##_##real; \
    extern const PeakKernel<real> peak_##isa##_##real;

#define HPC_QLSTM_DECLARE(isa)               \
    HPC_QLSTM_DECLARE_PRECISION(isa, double) \
    HPC_QLSTM_DECLARE_PRECISION(isa, float)  \
    extern const CellKernel cell_##isa##_double;

#define HPC_QLSTM_KERNELS_OF(isa, real) \
    {&batch_##isa##_##real, &state_##isa##_##real, &peak_##isa##_##real}

#define HPC_QLSTM_ADD(to, isa)                                                  \
    for (Precision precision : {Precision::float64, Precision::float32}) {      \
        to.push_back({#isa, precision, HPC_QLSTM_KERNELS_OF(isa, double),       \
                      HPC_QLSTM_KERNELS_OF(isa, float), &cell_##isa##_double}); \
    }

HPC_QLSTM_DECLARE(plain)
#if defined(HPC_QLSTM_X86)
HPC_QLSTM_DECLARE(avx2)
HPC_QLSTM_DECLARE(avx512)
#elif defined(HPC_QLSTM_ARM64)
HPC_QLSTM_DECLARE(neon)
#endif

const std::vector<Kernel>& available_kernels() {
    static const std::vector<Kernel> kernels = [] {
        std::vector<Kernel> found;
        HPC_QLSTM_ADD(found, plain)
#if defined(HPC_QLSTM_X86)
        __builtin_cpu_init();
        const bool fma = __builtin_cpu_supports("fma") != 0;
        if (fma && __builtin_cpu_supports("avx2")) {
            HPC_QLSTM_ADD(found, avx2)
        }
        if (fma && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
            __builtin_cpu_supports("avx512vl")) {
            HPC_QLSTM_ADD(found, avx512)
        }
#elif defined(HPC_QLSTM_ARM64)
        HPC_QLSTM_ADD(found, neon)  // every 64-bit Arm processor that runs Linux has it
#endif
        return found;
    }();
    return kernels;
}

const Kernel* find_kernel(const std::string& isa, Precision precision) {
    for (const Kernel& kernel : available_kernels()) {
        if (isa == kernel.isa && precision == kernel.precision) return &kernel;
    }
    return nullptr;
}

}  // namespace hpc_qlstm
