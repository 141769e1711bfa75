// The paper's equations 1 to 5 and 8, and their derivatives. Compiled once for each instruction
// set, HPC_QLSTM_ISA, in double precision.
#include "lstm/cell_kernel.hpp"

#include "simd/lanes.hpp"
#include "simd/tanh.hpp"

namespace hpc_qlstm {
namespace {

// Elements [at, at + count) of an array; lanes from `count` on are 0, and not written.
HPC_QLSTM_INLINE Lanes load(const double* from, std::size_t count) {
    Lanes v{};
    if (count == kLanes) {
        __builtin_memcpy(&v, from, sizeof(v));
    } else {
        for (std::size_t lane = 0; lane < count; ++lane) v[lane] = from[lane];
    }
    return v;
}

HPC_QLSTM_INLINE void store(Lanes v, std::size_t count, double* to) {
    if (count == kLanes) {
        __builtin_memcpy(to, &v, sizeof(v));
    } else {
        for (std::size_t lane = 0; lane < count; ++lane) to[lane] = v[lane];
    }
}

// 1 / (1 + e^-z) cannot overflow this way.
HPC_QLSTM_INLINE Lanes sigmoid(Lanes z) { return 0.5 * hyperbolic_tangent(0.5 * z) + 0.5; }

template <typename F>
HPC_QLSTM_INLINE void for_vectors(std::size_t n, F f) {
    std::size_t at = 0;
    for (; at + kLanes <= n; at += kLanes) f(at, kLanes);
    if (at < n) f(at, n - at);
}

HPC_QLSTM_ONE_COPY void forward_vector(std::size_t n, std::size_t at, std::size_t count,
                                       const double* z, const double* previous, double* activations,
                                       double* cell, double* tanh_cell, double* hidden) {
    const Lanes forget = sigmoid(load(z + at, count));
    const Lanes take = sigmoid(load(z + n + at, count));
    const Lanes candidate = hyperbolic_tangent(load(z + 2 * n + at, count));
    const Lanes output = sigmoid(load(z + 3 * n + at, count));
    const Lanes c = forget * load(previous + at, count) + take * candidate;
    const Lanes t = hyperbolic_tangent(c);
    store(forget, count, activations + at);
    store(take, count, activations + n + at);
    store(candidate, count, activations + 2 * n + at);
    store(output, count, activations + 3 * n + at);
    store(c, count, cell + at);
    store(t, count, tanh_cell + at);
    store(output * t, count, hidden + at);
}

void forward(std::size_t n, const double* z, const double* previous, double* activations,
             double* cell, double* tanh_cell, double* hidden) {
    for_vectors(n, [=](std::size_t at, std::size_t count) {
        forward_vector(n, at, count, z, previous, activations, cell, tanh_cell, hidden);
    });
}

HPC_QLSTM_ONE_COPY void reverse_vector(std::size_t n, std::size_t at, std::size_t count,
                                       const double* activations, const double* previous,
                                       const double* tanh_cell, const double* grad_hidden,
                                       double* grad_cell, double* grad_z) {
    const Lanes forget = load(activations + at, count);
    const Lanes take = load(activations + n + at, count);
    const Lanes candidate = load(activations + 2 * n + at, count);
    const Lanes output = load(activations + 3 * n + at, count);
    const Lanes t = load(tanh_cell + at, count), h = load(grad_hidden + at, count);
    const Lanes c = load(grad_cell + at, count) + h * (output * (1.0 - t * t));
    store(c * (load(previous + at, count) * forget * (1.0 - forget)), count, grad_z + at);
    store(c * (candidate * take * (1.0 - take)), count, grad_z + n + at);
    store(c * (take * (1.0 - candidate * candidate)), count, grad_z + 2 * n + at);
    store(h * (t * output * (1.0 - output)), count, grad_z + 3 * n + at);
    store(c * forget, count, grad_cell + at);
}

void reverse(std::size_t n, const double* activations, const double* previous,
             const double* tanh_cell, const double* grad_hidden, double* grad_cell,
             double* grad_z) {
    for_vectors(n, [=](std::size_t at, std::size_t count) {
        reverse_vector(n, at, count, activations, previous, tanh_cell, grad_hidden, grad_cell,
                       grad_z);
    });
}

}  // namespace

extern const CellKernel HPC_QLSTM_KERNEL(cell);
const CellKernel HPC_QLSTM_KERNEL(cell) = {forward, reverse};

}  // namespace hpc_qlstm
