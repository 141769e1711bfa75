// The steps of a group, applied to one tile of a large state: vectors of neighbouring amplitudes.
//
// A step pairs local indices n and n ^ flip. Most flips leave the lanes alone, so that the pair is
// two whole vectors; two such steps are applied to four vectors at once, which saves the traffic
// between cache and registers. The few other flips permute lanes.
//
// Which amplitude of a pair has the qubit at 0 (its role) is the parity of some bits of the local
// index. The lanes' part of it is a sign in the lanes of the matrix: with the roles exchanged
// [[a, -conj b], [b, conj a]] becomes the same with ai and br negated.
#pragma once

#include "simd/lanes.hpp"
#include "simd/pairs.hpp"
#include "simd/su2.hpp"
#include "state/state_kernel.hpp"

namespace hpc_qlstm {
namespace {

constexpr std::uint32_t kLaneBits = kLanes == 16 ? 4 : kLanes == 8 ? 3 : kLanes == 4 ? 2 : 1;
static_assert(std::size_t{1} << kLaneBits == kLanes, "lanes are 2, 4, 8 or 16");

HPC_QLSTM_INLINE bool odd(std::uint32_t bits) { return __builtin_parity(bits) != 0; }

// -1 in the lanes whose number has an odd parity under `mask`.
inline Lanes lane_signs(std::uint32_t mask) {
    Lanes signs;
    for (std::uint32_t lane = 0; lane < kLanes; ++lane) signs[lane] = odd(mask & lane) ? -1 : 1;
    return signs;
}

// Lane l of the result is lane l ^ flip of x.
HPC_QLSTM_INLINE Lanes exchange(Lanes x, std::uint32_t flip) {
#if defined(__GNUC__) && !defined(__clang__)
    Bits from;
    for (std::size_t lane = 0; lane < kLanes; ++lane) from[lane] = static_cast<Integer>(lane);
    return __builtin_shuffle(x, from ^ (static_cast<Integer>(flip) - Bits{}));
#else
    Lanes y;
    for (std::size_t lane = 0; lane < kLanes; ++lane) y[lane] = x[lane ^ flip];
    return y;
#endif
}

// A `rotate` step on one tile; flip and role count vectors here.
struct Rotation {
    Su2<Lanes> u;
    Lanes sign;  // of the lanes' roles
    std::uint32_t flip, lane_flip, role;
    bool constant;  // of the tile's role
    Shape shape;
    bool gradient;

    bool whole_vectors() const { return lane_flip == 0; }
};

inline Rotation rotation_of(const TileStep& step, const double* matrix, std::uint32_t tile) {
    Rotation r;
    r.sign = lane_signs(step.roles[0] & (kLanes - 1));
    r.u = {splat(matrix[0]), splat(matrix[1]) * r.sign, splat(matrix[2]) * r.sign,
           splat(matrix[3])};
    r.flip = step.flip >> kLaneBits;
    r.lane_flip = step.flip & (kLanes - 1);
    r.role = step.roles[0] >> kLaneBits;
    r.constant = odd(step.bits[0].mask & tile) != step.bits[0].constant;
    r.shape = step.shape;
    r.gradient = step.gradient;
    return r;
}

// Whether two rotations act on different qubits of the same instant, so that they may share a pass.
// The flips of such rotations are linearly independent.
HPC_QLSTM_INLINE bool independent(const Rotation& a, const Rotation& b) {
    return a.flip != b.flip && !odd(a.role & b.flip) && !odd(b.role & a.flip);
}

// Numbers the sets {v ^ any sum of the flips} of K rotations, and finds the members' roles.
template <unsigned K>
class Sets {
  public:
    explicit Sets(const Rotation* r) : r_(r) {
        std::uint32_t reduced[K];
        for (unsigned i = 0; i < K; ++i) {
            reduced[i] = r[i].flip;
            for (unsigned j = 0; j < i; ++j) {
                if (reduced[i] & top(reduced[j])) reduced[i] ^= reduced[j];
            }
            unsigned at = i;  // insertion into the ascending list
            for (; at > 0 && low_[at - 1] >= top(reduced[i]); --at) low_[at] = low_[at - 1];
            low_[at] = top(reduced[i]) - 1;
        }
        for (unsigned m = 0; m < 1u << K; ++m) {
            offset_[m] = 0;
            for (unsigned i = 0; i < K; ++i) offset_[m] ^= (m >> i & 1) ? r[i].flip : 0;
        }
    }

    // The member of set g in which all K qubits are 0.
    HPC_QLSTM_INLINE std::uint32_t first(std::uint32_t g) const {
        std::uint32_t v = g;
        for (unsigned i = 0; i < K; ++i) v += v & ~low_[i];
        const std::uint32_t at = v;
        for (unsigned i = 0; i < K; ++i) {
            v ^= (odd(r_[i].role & at) != r_[i].constant) ? r_[i].flip : 0;
        }
        return v;
    }

    HPC_QLSTM_INLINE std::uint32_t offset(unsigned member) const { return offset_[member]; }

  private:
    static std::uint32_t top(std::uint32_t v) { return 1u << (31 - __builtin_clz(v)); }

    const Rotation* r_;
    std::uint32_t low_[K];  // the bits below each of K bits that tell the members apart, ascending
    std::uint32_t offset_[1u << K];
};

template <unsigned K, Shape shape>
void rotate(const Rotation* r, std::uint32_t vectors, Lanes* state) {
    const Sets<K> sets(r);
    Su2<Lanes> u[K];
    for (unsigned i = 0; i < K; ++i) u[i] = r[i].u;
    for (std::uint32_t g = 0; g < vectors >> K; ++g) {
        const std::uint32_t v = sets.first(g);
        Lanes x[1u << K][2];
        for (unsigned m = 0; m < 1u << K; ++m) {
            const Lanes* from = state + 2 * (v ^ sets.offset(m));
            x[m][0] = from[0];
            x[m][1] = from[1];
        }
        for (unsigned i = 0; i < K; ++i) {
            for (unsigned m = 0; m < 1u << K; ++m) {
                if ((m >> i & 1) == 0) apply<shape>(u[i], x[m], x[m | 1u << i]);
            }
        }
        for (unsigned m = 0; m < 1u << K; ++m) {
            Lanes* to = state + 2 * (v ^ sets.offset(m));
            to[0] = x[m][0];
            to[1] = x[m][1];
        }
    }
}

// Overlaps after the K rotations, which are then taken off psi and bra.
template <unsigned K, Shape shape>
void reverse(const Rotation* r, std::uint32_t vectors, Lanes* psi, Lanes* bra, Lanes (*sums)[3]) {
    const Sets<K> sets(r);
    Su2<Lanes> u[K];
    Lanes v3[K][3] = {};
    for (unsigned i = 0; i < K; ++i) u[i] = adjoint(r[i].u);
    for (std::uint32_t g = 0; g < vectors >> K; ++g) {
        const std::uint32_t v = sets.first(g);
        Lanes p[1u << K][2], l[1u << K][2];
        for (unsigned m = 0; m < 1u << K; ++m) {
            const std::uint32_t at = 2 * (v ^ sets.offset(m));
            p[m][0] = psi[at], p[m][1] = psi[at + 1];
            l[m][0] = bra[at], l[m][1] = bra[at + 1];
        }
        for (unsigned i = 0; i < K; ++i) {
            for (unsigned m = 0; m < 1u << K; ++m) {
                if (m >> i & 1) continue;
                const unsigned n = m | 1u << i;
                overlap<shape>(l[m], l[n], p[m], p[n], v3[i][0], v3[i][1], v3[i][2]);
                apply<shape>(u[i], p[m], p[n]);
                apply<shape>(u[i], l[m], l[n]);
            }
        }
        for (unsigned m = 0; m < 1u << K; ++m) {
            const std::uint32_t at = 2 * (v ^ sets.offset(m));
            psi[at] = p[m][0], psi[at + 1] = p[m][1];
            bra[at] = l[m][0], bra[at + 1] = l[m][1];
        }
    }
    for (unsigned i = 0; i < K; ++i) {
        sums[i][0] += v3[i][0];
        sums[i][1] += v3[i][1] * r[i].sign;
        sums[i][2] += v3[i][2] * r[i].sign;
    }
}

// The same for one rotation that permutes lanes, of psi alone (no bra) or of both. A flip within
// the vector meets every pair twice, once from either lane.
template <bool backward>
void rotate_lanes(const Rotation& r, std::uint32_t vectors, Lanes* psi, Lanes* bra, Lanes sums[3]) {
    const std::uint32_t pivot = r.flip == 0 ? 0 : 1u << (31 - __builtin_clz(r.flip));
    const Su2<Lanes> of[2] = {r.u, {r.u.ar, -r.u.ai, -r.u.br, r.u.bi}};
    Lanes x{}, y{}, z{};
    for (std::uint32_t v = 0; v < vectors; ++v) {
        if (v & pivot) continue;
        const bool exchanged = odd(r.role & v) != r.constant;
        const Su2<Lanes> u = backward ? adjoint(of[exchanged]) : of[exchanged];
        const std::uint32_t w = v ^ r.flip;
        const auto both = [&](Lanes* state, Lanes* x0, Lanes* x1) {
            apply<Shape::general>(u, x0, x1);
            state[2 * v] = x0[0], state[2 * v + 1] = x0[1];
            if (pivot == 0) return;
            state[2 * w] = exchange(x1[0], r.lane_flip);
            state[2 * w + 1] = exchange(x1[1], r.lane_flip);
        };
        Lanes p0[2] = {psi[2 * v], psi[2 * v + 1]};
        Lanes p1[2] = {exchange(psi[2 * w], r.lane_flip), exchange(psi[2 * w + 1], r.lane_flip)};
        if constexpr (backward) {
            Lanes l0[2] = {bra[2 * v], bra[2 * v + 1]};
            Lanes l1[2] = {exchange(bra[2 * w], r.lane_flip),
                           exchange(bra[2 * w + 1], r.lane_flip)};
            Lanes here[3] = {};
            overlap<Shape::general>(l0, l1, p0, p1, here[0], here[1], here[2]);
            const Real sign = exchanged ? -1 : 1;
            x += here[0];
            y += sign * here[1];
            z += sign * here[2];
            both(bra, l0, l1);
        }
        both(psi, p0, p1);
    }
    if constexpr (backward) {
        const Real each = pivot == 0 ? Real(0.5) : Real{1};
        sums[0] += each * x;
        sums[1] += each * y * r.sign;
        sums[2] += each * z * r.sign;
    }
}

// CZ: changes the sign where both bits are 1.
inline void negate_tile(const TileStep& step, std::uint32_t tile, std::uint32_t vectors,
                        Lanes* state) {
    Lanes signs[2];
    bool constants[2];
    for (int i = 0; i < 2; ++i) {
        signs[i] = lane_signs(step.roles[i] & (kLanes - 1));
        constants[i] = odd(step.bits[i].mask & tile) != step.bits[i].constant;
    }
    for (std::uint32_t v = 0; v < vectors; ++v) {
        const Real a = odd(step.roles[0] >> kLaneBits & v) != constants[0] ? -1 : 1;
        const Real b = odd(step.roles[1] >> kLaneBits & v) != constants[1] ? -1 : 1;
        // (1 + sa + sb - sa sb) / 2 is -1 where both signs are -1, else 1.
        const Lanes sa = a * signs[0], sb = b * signs[1];
        const Lanes sign = Real(0.5) * (Real{1} + sa + sb - sa * sb);
        state[2 * v] *= sign;
        state[2 * v + 1] *= sign;
    }
}

}  // namespace
}  // namespace hpc_qlstm
