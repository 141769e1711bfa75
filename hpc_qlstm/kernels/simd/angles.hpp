// From features to half-angle cosines and sines, and the slopes of the transforms.
#pragma once

#include "compile/program.hpp"
#include "simd/arctan.hpp"
#include "simd/lanes.hpp"
#include "simd/sincos.hpp"

namespace hpc_qlstm {
namespace {

// Half-angle (cos, sin) of the angle scale * transform(x).
inline void half_angle(const LaneAngle& angle, Lanes x, Lanes& c, Lanes& s) {
    if (angle.transform == Transform::identity || angle.scale != 1.0) {
        Lanes value = x;
        if (angle.transform == Transform::arctan_square) value = x * x;
        if (angle.transform != Transform::identity) value = arctan(value);
        sincos(static_cast<Real>(0.5 * angle.scale) * value, s, c);
        return;
    }
    // angle = arctan(u): with w = sqrt(1 + u^2) the tangent of half the angle is u / (w + 1), so
    // that cos and sin are w + 1 and u over their norm, sqrt(2 w (w + 1)).
    // Beyond the limit, where u^2 would overflow, arctan no longer changes.
    const Lanes u = angle.transform == Transform::arctan ? x : x * x;
    const Lanes limit = splat(sizeof(Real) == 8 ? 1e150 : 1e18);
    Lanes t = u > limit ? limit : u;
    t = t < -limit ? -limit : t;
    const Lanes w = root(Real{1} + t * t);
    const Lanes r = Real{1} / root((w + w) * (w + Real{1}));
    c = (w + Real{1}) * r;
    s = t * r;
}

// The derivative of scale * transform(x) by x.
HPC_QLSTM_INLINE Lanes slope(const LaneAngle& angle, Lanes x) {
    const Real scale = static_cast<Real>(angle.scale);
    switch (angle.transform) {
        case Transform::arctan: return scale / (Real{1} + x * x);
        case Transform::arctan_square: {
            const Lanes square = x * x;
            return scale * ((x + x) / (Real{1} + square * square));
        }
        default: return splat(angle.scale);
    }
}

}  // namespace
}  // namespace hpc_qlstm
