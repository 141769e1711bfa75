// Passes over the states of one group of samples. A state is [2^q][parts] of Lanes.
//
// A pass takes K rotations of different qubits at once: 2^K amplitudes are loaded, all K rotations
// act on them, and they are stored. Two are what 32 registers hold.
#pragma once

#include "batch/batch_plan.hpp"
#include "simd/index.hpp"
#include "simd/lanes.hpp"
#include "simd/pairs.hpp"
#include "simd/su2.hpp"

namespace hpc_qlstm {
namespace {

// The members of a set: member m has qubit i at bit i of m.
template <unsigned K, unsigned parts>
struct Members {
    std::uint32_t offset[1u << K];

    explicit Members(const Pass& pass) {
        for (std::uint32_t m = 0; m < 1u << K; ++m) {
            offset[m] = 0;
            for (unsigned i = 0; i < K; ++i) offset[m] ^= (m >> i & 1) ? pass.flips[i] : 0;
        }
    }

    HPC_QLSTM_INLINE void load(const Lanes* state, std::uint32_t n, Lanes (*x)[parts]) const {
        for (std::uint32_t m = 0; m < 1u << K; ++m) {
            for (unsigned j = 0; j < parts; ++j) x[m][j] = state[parts * (n ^ offset[m]) + j];
        }
    }

    HPC_QLSTM_INLINE void store(const Lanes (*x)[parts], std::uint32_t n, Lanes* state) const {
        for (std::uint32_t m = 0; m < 1u << K; ++m) {
            for (unsigned j = 0; j < parts; ++j) state[parts * (n ^ offset[m]) + j] = x[m][j];
        }
    }
};

// Calls f(i, m, n) for the pairs (m, n) of each rotation i.
template <unsigned K, typename F>
HPC_QLSTM_INLINE void for_pairs(F f) {
    for (unsigned i = 0; i < K; ++i) {
        for (unsigned m = 0; m < 1u << K; ++m) {
            if ((m >> i & 1) == 0) f(i, m, m | 1u << i);
        }
    }
}

// to = the rotations of `from`, which may be the same state.
template <unsigned K, Shape shape, unsigned parts>
inline void rotate(const Pass& pass, const Su2<Lanes>* matrices, const Lanes* from, Lanes* to) {
    const Members<K, parts> members(pass);
    Su2<Lanes> u[K];
    for (unsigned i = 0; i < K; ++i) u[i] = matrices[i];
    for_each(pass.map, [&](std::uint32_t n) {
        Lanes x[1u << K][parts];
        members.load(from, n, x);
        for_pairs<K>(
            [&](unsigned i, unsigned a, unsigned b) { apply<shape, parts>(u[i], x[a], x[b]); });
        members.store(x, n, to);
    });
}

// Reads off v[i] = Im <bra| (X, Y, Z)_i |psi> after the layer; with `undo` also takes the rotations
// off the bra.
template <unsigned K, Shape shape, unsigned parts, bool undo>
inline void read_overlaps(const Pass& pass, const Su2<Lanes>* matrices, const Lanes* psi,
                          Lanes* bra, Lanes (*v)[3]) {
    const Members<K, parts> members(pass);
    Lanes sums[K][3];
    for (unsigned i = 0; i < K; ++i) sums[i][0] = sums[i][1] = sums[i][2] = Lanes{};
    Su2<Lanes> u[K];
    for (unsigned i = 0; undo && i < K; ++i) u[i] = adjoint(matrices[i]);
    for_each(pass.map, [&](std::uint32_t n) {
        Lanes p[1u << K][parts], l[1u << K][parts];
        members.load(psi, n, p);
        members.load(bra, n, l);
        for_pairs<K>([&](unsigned i, unsigned a, unsigned b) {
            overlap<shape, parts>(l[a], l[b], p[a], p[b], sums[i][0], sums[i][1], sums[i][2]);
        });
        if constexpr (undo) {
            for_pairs<K>(
                [&](unsigned i, unsigned a, unsigned b) { apply<shape, parts>(u[i], l[a], l[b]); });
            members.store(l, n, bra);
        }
    });
    for (unsigned i = 0; i < K; ++i) {
        for (unsigned axis = 0; axis < 3; ++axis) v[i][axis] = sums[i][axis];
    }
}

// r[i] = (<X_i>, <Y_i>) and, with a bra, bra += (w[i][0] X_i + w[i][1] Y_i) psi. Rotations about Y
// alone need no Y.
template <unsigned K, Shape shape, unsigned parts, bool with_bra>
inline void measure(const Pass& pass, const Lanes (*weights)[2], const Lanes* psi, Lanes* bra,
                    Lanes (*r)[2]) {
    constexpr bool y = shape != Shape::real;
    const Members<K, parts> members(pass);
    Lanes sums[K][2], w[K][2];
    for (unsigned i = 0; i < K; ++i) {
        sums[i][0] = sums[i][1] = Lanes{};
        if constexpr (!with_bra) continue;
        w[i][0] = weights[i][0];
        w[i][1] = weights[i][1];
    }
    for_each(pass.map, [&](std::uint32_t n) {
        Lanes p[1u << K][parts], l[1u << K][parts];
        members.load(psi, n, p);
        if constexpr (with_bra) members.load(bra, n, l);
        for_pairs<K>([&](unsigned i, unsigned a, unsigned b) {
            for (unsigned j = 0; j < parts; ++j) sums[i][0] += p[a][j] * p[b][j];
            if constexpr (y) {
                sums[i][1] += p[a][0] * p[b][1];
                sums[i][1] -= p[a][1] * p[b][0];
            }
            if constexpr (with_bra) {
                for (unsigned j = 0; j < parts; ++j) {
                    l[a][j] += w[i][0] * p[b][j];
                    l[b][j] += w[i][0] * p[a][j];
                }
                if constexpr (y) {
                    l[a][0] += w[i][1] * p[b][1];
                    l[a][1] -= w[i][1] * p[b][0];
                    l[b][0] -= w[i][1] * p[a][1];
                    l[b][1] += w[i][1] * p[a][0];
                }
            }
        });
        if constexpr (with_bra) members.store(l, n, bra);
    });
    for (unsigned i = 0; i < K; ++i) {
        r[i][0] = sums[i][0] + sums[i][0];
        r[i][1] = sums[i][1] + sums[i][1];
    }
}

template <unsigned count, Shape common>
struct Kind {
    static constexpr unsigned K = count;
    static constexpr Shape shape = common;
};

// Calls f(Kind) with the pass's number of rotations and shape. Real states know real passes only.
template <unsigned parts, unsigned K, typename F>
HPC_QLSTM_INLINE void by_shape(Shape shape, F f) {
    if constexpr (parts == 1) {
        f(Kind<K, Shape::real>{});
    } else {
        switch (shape) {
            case Shape::general: return f(Kind<K, Shape::general>{});
            case Shape::real: return f(Kind<K, Shape::real>{});
            case Shape::diagonal: return f(Kind<K, Shape::diagonal>{});
        }
    }
}

template <unsigned parts, typename F>
HPC_QLSTM_INLINE void by_kind(const Pass& pass, F f) {
    if (pass.count == 2) {
        by_shape<parts, 2>(pass.shape, f);
    } else {
        by_shape<parts, 1>(pass.shape, f);
    }
}

// CZ.
template <unsigned parts>
inline void negate(const Pass& pass, Lanes* state) {
    for (std::uint32_t k = 0; k < pass.negated_count; ++k) {
        Lanes* amplitude = state + parts * pass.negated[k];
        for (unsigned j = 0; j < parts; ++j) amplitude[j] = -amplitude[j];
    }
}

}  // namespace
}  // namespace hpc_qlstm
