// Passes over the tiles of one large state; state_plan.hpp says what a tile is. Forward, and
// backward by the adjoint method (Jones and Gacon, arXiv 2009.02823). Compiled once for each
// instruction set HPC_QLSTM_ISA and precision HPC_QLSTM_REAL.
#include "state/state_kernel.hpp"

#include "simd/angles.hpp"
#include "simd/lanes.hpp"
#include "simd/sincos.hpp"
#include "simd/su2.hpp"
#include "simd/tile_chunks.hpp"
#include "simd/tile_steps.hpp"

namespace hpc_qlstm {
namespace {

// Rotations that share one pass over the tile: 2^K vectors of psi at once. Backward psi, bra and
// the sums of two rotations no longer fit in 32 registers: 20% slower than one by one (Zen 4); so
// are three rotations forward.
constexpr unsigned kForward = 2;
constexpr unsigned kBackward = 1;

class TileSweep {
  public:
    TileSweep(const StateRow<Real>& row, const StatePass& pass, const BlockResults& at, Real* tiles,
              Real* results)
        : row_(row), pass_(pass), at_(at), tile_(row.plan.tiles[pass.group]), chunks_(row, tile_),
          vectors_((1u << row.plan.tile_bits) / kLanes), psi_(reinterpret_cast<Lanes*>(tiles)),
          bra_(psi_ + 2 * vectors_), results_(reinterpret_cast<Lanes*>(results)) {
        for (std::size_t n = 0; n < at.total; ++n) results_[n] = Lanes{};
    }

    void run(std::size_t number) {
        origin_ = chunks_.origin(number);
        if (pass_.generate) {
            chunks_.generate(origin_, psi_);
        } else {
            chunks_.load(origin_, row_.psi, psi_);
        }
        if (pass_.forward) forward();
        if (pass_.readout) chunks_.readout(origin_, psi_, results_ + at_.outputs);
        if (pass_.make_bra) {
            chunks_.make_bra(origin_, psi_, bra_);
        } else if (pass_.reverse) {
            chunks_.load(origin_, row_.bra, bra_);
        }
        if (pass_.reverse) backward();
        if (pass_.contract) chunks_.contract(origin_, bra_, results_ + at_.chunk);
        if (pass_.store_psi) chunks_.store(origin_, psi_, row_.psi);
        if (pass_.store_bra) chunks_.store(origin_, bra_, row_.bra);
    }

  private:
    bool is_rotation(std::uint32_t n) const { return tile_.steps[n].kind == StepKind::rotate; }

    Rotation rotation(std::uint32_t n) const {
        const TileStep& step = tile_.steps[n];
        return rotation_of(step, row_.matrices + 4 * step.matrix, origin_);
    }

    // Rotations n, n + by, .. (by is 1 or -1) that can share a pass; at most `most`.
    unsigned gather(std::uint32_t n, int by, unsigned most, Rotation* r) const {
        r[0] = rotation(n);
        if (!r[0].whole_vectors()) return 1;
        for (unsigned count = 1; count < most; ++count) {
            n += static_cast<std::uint32_t>(by);
            if (n >= tile_.step_count || !is_rotation(n)) return count;
            r[count] = rotation(n);
            if (!r[count].whole_vectors()) return count;
            for (unsigned i = 0; i < count; ++i) {
                if (!independent(r[i], r[count])) return count;
            }
        }
        return most;
    }

    static bool all_real(const Rotation* r, unsigned count) {
        for (unsigned i = 0; i < count; ++i) {
            if (r[i].shape != Shape::real) return false;
        }
        return true;
    }

    void forward() {
        for (std::uint32_t n = 0; n < tile_.step_count;) {
            if (!is_rotation(n)) {
                negate_tile(tile_.steps[n++], origin_, vectors_, psi_);
                continue;
            }
            Rotation r[kForward];
            const unsigned count = gather(n, 1, kForward, r);
            const bool real = all_real(r, count);
            n += count;
            if (!r[0].whole_vectors()) {
                rotate_lanes<false>(r[0], vectors_, psi_, nullptr, nullptr);
            } else if (count == 1) {
                real ? rotate<1, Shape::real>(r, vectors_, psi_)
                     : rotate<1, Shape::general>(r, vectors_, psi_);
            } else {
                real ? rotate<kForward, Shape::real>(r, vectors_, psi_)
                     : rotate<kForward, Shape::general>(r, vectors_, psi_);
            }
        }
    }

    void backward() {
        Lanes* overlaps = results_ + at_.overlaps;
        for (std::uint32_t n = tile_.step_count; n > 0;) {
            if (!is_rotation(n - 1)) {
                --n;
                negate_tile(tile_.steps[n], origin_, vectors_, psi_);
                negate_tile(tile_.steps[n], origin_, vectors_, bra_);
                continue;
            }
            Rotation r[kBackward];
            const unsigned count = gather(n - 1, -1, kBackward, r);
            const bool real = all_real(r, count);
            Lanes sums[kBackward][3] = {};
            if (!r[0].whole_vectors()) {
                rotate_lanes<true>(r[0], vectors_, psi_, bra_, sums[0]);
            } else {
                real ? reverse<kBackward, Shape::real>(r, vectors_, psi_, bra_, sums)
                     : reverse<kBackward, Shape::general>(r, vectors_, psi_, bra_, sums);
            }
            for (unsigned i = 0; i < count; ++i) {
                --n;
                for (int axis = 0; axis < 3; ++axis) overlaps[3 * n + axis] += sums[i][axis];
            }
        }
    }

    const StateRow<Real>& row_;
    const StatePass& pass_;
    const BlockResults& at_;
    const Tile& tile_;
    const Chunks chunks_;
    std::uint32_t vectors_, origin_ = 0;
    Lanes *psi_, *bra_, *results_;
};

void tiles(const StateRow<Real>& row, const StatePass& pass, const BlockResults& at,
           std::size_t begin, std::size_t end, Real* memory, Real* results) {
    TileSweep sweep(row, pass, at, memory, results);
    for (std::size_t n = begin; n < end; ++n) sweep.run(n);
}

Angles angles_of(const ProgramView& p, const Real* memory) {
    const Lanes* uniform = reinterpret_cast<const Lanes*>(memory);
    return {uniform, uniform + 2 * p.uniform_angle_count};
}

void matrices(const ProgramView& p, const double* features, const Real* uniform, Real* memory,
              double* to) {
    Lanes* angles = reinterpret_cast<Lanes*>(memory);
    for (std::size_t n = 0; n < 2 * p.uniform_angle_count; ++n) angles[n] = splat(uniform[n]);
    Lanes* of_lanes = angles + 2 * p.uniform_angle_count;
    for (std::size_t s = 0; s < p.lane_angle_count; ++s) {
        const LaneAngle& angle = p.lane_angles[s];
        half_angle(angle, splat(features[angle.feature]), of_lanes[2 * s], of_lanes[2 * s + 1]);
    }
    const Real* prepared = uniform + 2 * p.uniform_angle_count;
    const auto make = [&](const Run& run) {
        if (run.count == 0) return;
        double* m = to + 4 * run.matrix;
        for (int n = 0; n < 4; ++n) m[n] = prepared[4 * run.matrix + n];
        if (!run.per_lane) return;
        const Su2<Lanes> u = lane_matrix(run, p.turns, angles_of(p, memory));
        m[0] = u.ar[0], m[1] = u.ai[0], m[2] = u.br[0], m[3] = u.bi[0];
    };
    for (std::size_t k = 0; k < p.qubits; ++k) make(p.leading[k]);
    for (std::size_t n = 0; n < p.step_count; ++n) {
        if (p.steps[n].kind == StepKind::rotate) make(p.steps[n].run);
    }
}

void gradients(const ProgramView& p, const double* features, const Real* memory,
               const double* overlaps, Real* sums_memory, double* weight_row, double* feature_row) {
    Lanes* sums = reinterpret_cast<Lanes*>(sums_memory);
    for (std::size_t n = 0; n < p.weights + p.lane_angle_count; ++n) sums[n] = Lanes{};
    const auto add = [&](const Run& run) {
        if (run.count == 0) return;
        const double* from = overlaps + 3 * run.matrix;
        Lanes v[3] = {splat(from[0]), splat(from[1]), splat(from[2])};
        pull_back(run, p.turns, angles_of(p, memory), v, sums);
    };
    for (std::size_t k = 0; k < p.qubits; ++k) add(p.leading[k]);
    for (std::size_t n = 0; n < p.step_count; ++n) {
        if (p.steps[n].kind == StepKind::rotate) add(p.steps[n].run);
    }
    for (std::size_t w = 0; w < p.weights; ++w) weight_row[w] = sums[w][0];
    for (std::size_t f = 0; f < p.features; ++f) feature_row[f] = 0.0;
    for (std::size_t s = 0; s < p.lane_angle_count; ++s) {
        const LaneAngle& angle = p.lane_angles[s];
        const Lanes change = slope(angle, splat(features[angle.feature])) * sums[p.weights + s];
        feature_row[angle.feature] += change[0];
    }
}

}  // namespace

extern const StateKernel<Real> HPC_QLSTM_KERNEL(state);
const StateKernel<Real> HPC_QLSTM_KERNEL(state) = {kLanes, matrices, gradients, tiles};

}  // namespace hpc_qlstm
