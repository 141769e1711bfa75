// One rotation on one pair of amplitudes. An amplitude is `parts` vectors: [re, im], or [re]
// alone where the whole circuit is real.
#pragma once

#include "compile/program.hpp"
#include "simd/lanes.hpp"
#include "simd/su2.hpp"

namespace hpc_qlstm {
namespace {

// (x0, x1) = u (x0, x1). A real matrix has ai = bi = 0, a diagonal one b = 0.
template <Shape shape, unsigned parts = 2>
HPC_QLSTM_INLINE void apply(const Su2<Lanes>& u, Lanes* x0, Lanes* x1) {
    if constexpr (parts == 1) {
        static_assert(shape == Shape::real, "a real state");
        const Lanes r0 = x0[0], r1 = x1[0];
        x0[0] = u.ar * r0 - u.br * r1;
        x1[0] = u.br * r0 + u.ar * r1;
        return;
    } else {
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
}

// v += Im <bra| (X, Y, Z) |psi> of one pair; of a real or diagonal run only its own axis is used.
template <Shape shape, unsigned parts = 2>
HPC_QLSTM_INLINE void overlap(const Lanes* l0, const Lanes* l1, const Lanes* p0, const Lanes* p1,
                              Lanes& x, Lanes& y, Lanes& z) {
    if constexpr (parts == 1) {
        y += l1[0] * p0[0];
        y -= l0[0] * p1[0];
        return;
    } else {
        // One product at a time: each is one fused multiplication and addition.
        if constexpr (shape == Shape::general) {
            x += l0[0] * p1[1];
            x -= l0[1] * p1[0];
            x += l1[0] * p0[1];
            x -= l1[1] * p0[0];
        }
        if constexpr (shape != Shape::diagonal) {
            y += l1[0] * p0[0];
            y += l1[1] * p0[1];
            y -= l0[0] * p1[0];
            y -= l0[1] * p1[1];
        }
        if constexpr (shape != Shape::real) {
            z += l0[0] * p0[1];
            z -= l0[1] * p0[0];
            z -= l1[0] * p1[1];
            z += l1[1] * p1[0];
        }
    }
}

}  // namespace
}  // namespace hpc_qlstm
