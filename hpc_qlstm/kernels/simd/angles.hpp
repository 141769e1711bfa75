// From features to half-angle cosines and sines, and the slopes of the transforms.
#pragma once

#include "../batch_kernel.hpp"
#include "lanes.hpp"
#include "sincos.hpp"

namespace hpc_qlstm {
namespace {

// Half-angle (cos, sin) of the angle scale * transform(x).
inline void half_angle(const LaneAngle& angle, Lanes x, Lanes& c, Lanes& s) {
    if (angle.transform == Transform::identity || angle.scale != 1.0) {
        Lanes value = x;
        if (angle.transform == Transform::arctan_square) value = x * x;
        if (angle.transform != Transform::identity) {
            for (std::size_t n = 0; n < kLanes; ++n) value[n] = __builtin_atan(value[n]);
        }
        sincos(0.5 * angle.scale * value, s, c);
        return;
    }
    // angle = arctan(u): cos = 1 / sqrt(1 + u^2) > 0, sin = u cos, then the half-angle formulas.
    // Beyond 1e150, where u^2 would overflow, arctan no longer changes.
    const Lanes u = angle.transform == Transform::arctan ? x : x * x;
    const Lanes limit = splat(1e150);
    Lanes t = u > limit ? limit : u;
    t = t < -limit ? -limit : t;
    const Lanes cosine = 1.0 / root(1.0 + t * t);
    c = root(0.5 + 0.5 * cosine);
    s = t * cosine / (c + c);
}

// The derivative of scale * transform(x) by x.
HPC_QLSTM_INLINE Lanes slope(const LaneAngle& angle, Lanes x) {
    switch (angle.transform) {
        case Transform::arctan: return angle.scale / (1.0 + x * x);
        case Transform::arctan_square: {
            const Lanes square = x * x;
            return angle.scale * (2.0 * x / (1.0 + square * square));
        }
        default: return splat(angle.scale);
    }
}

}  // namespace
}  // namespace hpc_qlstm
