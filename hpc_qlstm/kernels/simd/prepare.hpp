// What depends on one weight set alone: half-angles, and matrices of runs without features.
#pragma once

#include "batch/batch_kernel.hpp"
#include "simd/lanes.hpp"
#include "simd/sincos.hpp"
#include "simd/su2.hpp"

namespace hpc_qlstm {
namespace {

// Fills the uniform_size numbers of a set.
inline void prepare(const ProgramView& p, const double* weights, Real* uniform) {
    for (std::size_t n = 0; n < p.uniform_angle_count; n += kLanes) {
        const std::size_t count =
            p.uniform_angle_count - n < kLanes ? p.uniform_angle_count - n : kLanes;
        const UniformAngle* angles = p.uniform_angles + n;
        Lanes half{}, s, c;
        for (std::size_t j = 0; j < count; ++j) {
            if (!angles[j].is_weight) continue;
            half[j] = static_cast<Real>(0.5 * angles[j].scale * weights[angles[j].weight]);
        }
        sincos(half, s, c);
        for (std::size_t j = 0; j < count; ++j) {
            uniform[2 * (n + j)] =
                angles[j].is_weight ? c[j] : static_cast<Real>(angles[j].cos_half);
            uniform[2 * (n + j) + 1] =
                angles[j].is_weight ? s[j] : static_cast<Real>(angles[j].sin_half);
        }
    }
    Real* matrices = uniform + 2 * p.uniform_angle_count;
    const auto store = [&](const Run& run) {
        if (run.count == 0 || run.per_lane) return;
        const Su2<Real> u = uniform_matrix(run, p.turns, uniform);
        Real* m = matrices + 4 * run.matrix;
        m[0] = u.ar, m[1] = u.ai, m[2] = u.br, m[3] = u.bi;
    };
    for (std::size_t k = 0; k < p.qubits; ++k) store(p.leading[k]);
    for (std::size_t n = 0; n < p.step_count; ++n) {
        if (p.steps[n].kind == StepKind::rotate) store(p.steps[n].run);
    }
}

}  // namespace
}  // namespace hpc_qlstm
