// Passes over the state vectors of one group of samples. A state is [2^q][re, im] of Lanes.
#pragma once

#include "../batch_kernel.hpp"
#include "index.hpp"
#include "lanes.hpp"
#include "su2.hpp"

namespace hpc_qlstm {
namespace {

// (x0, x1) = u (x0, x1). A real matrix has ai = bi = 0, a diagonal one b = 0.
template <Shape shape>
HPC_QLSTM_INLINE void apply(const Su2<Lanes>& u, Lanes* x0, Lanes* x1) {
    const Lanes r0 = x0[0], i0 = x0[1], r1 = x1[0], i1 = x1[1];
    if constexpr (shape == Shape::general) {
        x0[0] = u.ar * r0 - u.ai * i0 - u.br * r1 - u.bi * i1;
        x0[1] = u.ar * i0 + u.ai * r0 - u.br * i1 + u.bi * r1;
        x1[0] = u.br * r0 - u.bi * i0 + u.ar * r1 + u.ai * i1;
        x1[1] = u.br * i0 + u.bi * r0 + u.ar * i1 - u.ai * r1;
    } else if constexpr (shape == Shape::real) {
        x0[0] = u.ar * r0 - u.br * r1;
        x0[1] = u.ar * i0 - u.br * i1;
        x1[0] = u.br * r0 + u.ar * r1;
        x1[1] = u.br * i0 + u.ar * i1;
    } else {
        x0[0] = u.ar * r0 - u.ai * i0;
        x0[1] = u.ar * i0 + u.ai * r0;
        x1[0] = u.ar * r1 + u.ai * i1;
        x1[1] = u.ar * i1 - u.ai * r1;
    }
}

template <Shape shape>
inline void forward_pass(const Step& step, const Su2<Lanes>& u, Lanes* psi) {
    const Su2<Lanes> m = u;
    const std::uint32_t flip = step.flip;
    for_each(step.map, [&](std::uint32_t n) {
        apply<shape>(m, psi + 2 * n, psi + 2 * (n ^ flip));
    });
}

// v += Im <bra| (X, Y, Z) |psi> of one pair; of a real or diagonal run only its own axis is used.
template <Shape shape>
HPC_QLSTM_INLINE void overlap(const Lanes* l0, const Lanes* l1, const Lanes* p0, const Lanes* p1,
                              Lanes& x, Lanes& y, Lanes& z) {
    if constexpr (shape == Shape::general) {
        x += l0[0] * p1[1] - l0[1] * p1[0] + l1[0] * p0[1] - l1[1] * p0[0];
    }
    if constexpr (shape != Shape::diagonal) {
        y += l1[0] * p0[0] + l1[1] * p0[1] - l0[0] * p1[0] - l0[1] * p1[1];
    }
    if constexpr (shape != Shape::real) {
        z += l0[0] * p0[1] - l0[1] * p0[0] - l1[0] * p1[1] + l1[1] * p1[0];
    }
}

// One pass that reads v off and takes the run off the bra, and off psi where it is still needed.
template <Shape shape, bool gradient, bool with_psi>
inline void reverse_pass(const Step& step, const Su2<Lanes>& u, Lanes* psi, Lanes* bra,
                         Lanes v[3]) {
    const Su2<Lanes> m = adjoint(u);
    const std::uint32_t flip = step.flip;
    Lanes x{}, y{}, z{};
    for_each(step.map, [&](std::uint32_t n) {
        Lanes *p0 = psi + 2 * n, *p1 = psi + 2 * (n ^ flip);
        Lanes *l0 = bra + 2 * n, *l1 = bra + 2 * (n ^ flip);
        if constexpr (gradient) overlap<shape>(l0, l1, p0, p1, x, y, z);
        apply<shape>(m, l0, l1);
        if constexpr (with_psi) apply<shape>(m, p0, p1);
    });
    v[0] = x;
    v[1] = y;
    v[2] = z;
}

inline void negate(const Step& step, Lanes* state) {
    for_each(step.map, [&](std::uint32_t n) {
        state[2 * n] = -state[2 * n];
        state[2 * n + 1] = -state[2 * n + 1];
    });
}

}  // namespace
}  // namespace hpc_qlstm
