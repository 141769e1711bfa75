#include "dispatch.hpp"

namespace hpc_qlstm {

extern const Kernel kernel_plain;
extern const StateKernel state_kernel_plain;
#ifdef HPC_QLSTM_X86
extern const Kernel kernel_avx2;
extern const Kernel kernel_avx512;
extern const StateKernel state_kernel_avx2;
extern const StateKernel state_kernel_avx512;
#endif

const std::vector<const Kernel*>& available_kernels() {
    static const std::vector<const Kernel*> kernels = [] {
        std::vector<const Kernel*> found{&kernel_plain};
#ifdef HPC_QLSTM_X86
        __builtin_cpu_init();
        const bool fma = __builtin_cpu_supports("fma") != 0;
        if (fma && __builtin_cpu_supports("avx2")) found.push_back(&kernel_avx2);
        if (fma && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
            __builtin_cpu_supports("avx512vl")) {
            found.push_back(&kernel_avx512);
        }
#endif
        return found;
    }();
    return kernels;
}

const Kernel* find_kernel(const std::string& name) {
    for (const Kernel* kernel : available_kernels()) {
        if (name == kernel->name) return kernel;
    }
    return nullptr;
}

const StateKernel& state_kernel_of(const Kernel& kernel) {
#ifdef HPC_QLSTM_X86
    if (&kernel == &kernel_avx512) return state_kernel_avx512;
    if (&kernel == &kernel_avx2) return state_kernel_avx2;
#endif
    static_cast<void>(kernel);
    return state_kernel_plain;
}

}  // namespace hpc_qlstm
