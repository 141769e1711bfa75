// The 2x2 algebra of one run of rotations, for scalars (weights) and for lanes (features).
#pragma once

#include "compile/program.hpp"
#include "simd/lanes.hpp"

namespace hpc_qlstm {
namespace {

// The matrix [[a, -conj b], [b, conj a]] with a = ar + i ai, b = br + i bi, |a|^2 + |b|^2 = 1.
template <typename T>
struct Su2 {
    T ar, ai, br, bi;
};

// exp(-i angle P / 2) u, with c = cos(angle / 2), s = sin(angle / 2).
template <typename T, typename C>
HPC_QLSTM_INLINE Su2<T> turned(Axis axis, C c, C s, const Su2<T>& u) {
    switch (axis) {
        case Axis::x:
            return {c * u.ar + s * u.bi, c * u.ai - s * u.br, c * u.br + s * u.ai,
                    c * u.bi - s * u.ar};
        case Axis::y:
            return {c * u.ar - s * u.br, c * u.ai - s * u.bi, c * u.br + s * u.ar,
                    c * u.bi + s * u.ai};
        default:
            return {c * u.ar + s * u.ai, c * u.ai - s * u.ar, c * u.br - s * u.bi,
                    c * u.bi + s * u.br};
    }
}

// U^+ P U = n . (X, Y, Z) for the Pauli matrix P: what P measures after the rotation U.
struct Axes {
    Lanes x, y, z;
};

HPC_QLSTM_ONE_COPY Axes before(Axis axis, const Su2<Lanes>& u) {
    const Lanes a2r = u.ar * u.ar - u.ai * u.ai, a2i = (u.ar + u.ar) * u.ai;
    const Lanes b2r = u.br * u.br - u.bi * u.bi, b2i = (u.br + u.br) * u.bi;
    const Lanes re = u.ar * u.br + u.ai * u.bi, im = u.ar * u.bi - u.ai * u.br;  // conj(a) b
    switch (axis) {
        case Axis::x: return {a2r - b2r, a2i - b2i, re + re};
        case Axis::y: return {-a2i - b2i, a2r + b2r, im + im};
        default: {
            const Lanes abr = u.ar * u.br - u.ai * u.bi, abi = u.ar * u.bi + u.ai * u.br;
            return {-abr - abr, -abi - abi, u.ar * u.ar + u.ai * u.ai - u.br * u.br - u.bi * u.bi};
        }
    }
}

// n . (xy[0], xy[1], z)
HPC_QLSTM_ONE_COPY Lanes along(const Axes& n, const Lanes xy[2], const Lanes& z) {
    return n.x * xy[0] + n.y * xy[1] + n.z * z;
}

HPC_QLSTM_INLINE Su2<Lanes> adjoint(const Su2<Lanes>& u) { return {u.ar, -u.ai, -u.br, -u.bi}; }

// Half-angle (cos, sin) of all angles of one group: `uniform` by uniform slot, `lane` by lane slot.
struct Angles {
    const Lanes* uniform;
    const Lanes* lane;

    HPC_QLSTM_INLINE const Lanes* of(const Turn& turn) const {
        return (turn.per_lane ? lane : uniform) + 2 * turn.slot;
    }
};

// The matrix of a run whose angles are weights and constants.
inline Su2<Real> uniform_matrix(const Run& run, const Turn* turns, const Real* uniform) {
    Su2<Real> u{1, 0, 0, 0};
    for (std::uint32_t n = run.first; n < run.first + run.count; ++n) {
        const Real* angle = uniform + 2 * turns[n].slot;
        u = turned(turns[n].axis, angle[0], angle[1], u);
    }
    return u;
}

inline Su2<Lanes> lane_matrix(const Run& run, const Turn* turns, const Angles& angles) {
    Su2<Lanes> u{splat(1.0), Lanes{}, Lanes{}, Lanes{}};
    for (std::uint32_t n = run.first; n < run.first + run.count; ++n) {
        const Lanes* angle = angles.of(turns[n]);
        u = turned(turns[n].axis, angle[0], angle[1], u);
    }
    return u;
}

// Derivatives by all angles of a run from v = Im <bra| (X, Y, Z) |psi> after the run.
//
// The derivative by the last angle is the component of v along its axis. Before that turn G the
// vector is Im <bra| G P G^-1 |psi>, which rotates v back by the turn's angle.
inline void pull_back(const Run& run, const Turn* turns, const Angles& angles, const Lanes v[3],
                      Lanes* sums) {
    Lanes x = v[0], y = v[1], z = v[2];
    for (std::uint32_t n = run.first + run.count; n-- > run.first_gradient;) {
        const Turn& turn = turns[n];
        if (turn.gradient >= 0) {
            const Lanes& by_angle = turn.axis == Axis::x ? x : turn.axis == Axis::y ? y : z;
            sums[turn.gradient] += static_cast<Real>(turn.scale) * by_angle;
        }
        if (n == run.first_gradient) break;
        const Lanes c = angles.of(turn)[0], s = angles.of(turn)[1];
        const Lanes cosine = c * c - s * s, sine = (c + c) * s;
        const auto turn_back = [&](Lanes& p, Lanes& q) __attribute__((always_inline)) {
            const Lanes turned_p = cosine * p + sine * q;
            q = cosine * q - sine * p;
            p = turned_p;
        };
        switch (turn.axis) {
            case Axis::x: turn_back(y, z); break;
            case Axis::y: turn_back(z, x); break;
            default: turn_back(x, y); break;
        }
    }
}

}  // namespace
}  // namespace hpc_qlstm
