// The sweep over the groups of a batch: forward, and backward by the adjoint method
// (Jones and Gacon, arXiv 2009.02823). Compiled once for each instruction set HPC_QLSTM_ISA and
// precision HPC_QLSTM_REAL.
//
// With a diagonal observable sum_k w_k Z_k one reverse sweep gives the whole vector-Jacobian
// product: dE/dangle = Im <bra| P |psi> after the rotation exp(-i angle P / 2).
#include "batch/batch_kernel.hpp"

#include "simd/angles.hpp"
#include "simd/lanes.hpp"
#include "simd/passes.hpp"
#include "simd/prepare.hpp"
#include "simd/product.hpp"
#include "simd/readout.hpp"
#include "simd/rows.hpp"
#include "simd/su2.hpp"

namespace hpc_qlstm {
namespace {

// One thread's work, group after group. An amplitude is [re, im], or in a real program [re].
template <unsigned parts>
class Sweep {
  public:
    Sweep(const ProgramView& program, const BatchView& plan, const Batch& batch, const Scratch& at,
          const Real* uniform, Real* scratch)
        : p_(program), plan_(plan), batch_(batch), at_(at), uniform_of_sets_(uniform),
          memory_(reinterpret_cast<Lanes*>(scratch)), state_(std::size_t{parts} << program.qubits),
          psi_(memory_ + at.psi), bra_(memory_ + at.bra), table_(memory_ + at.table),
          uniform_(memory_ + at.uniform), x_(memory_ + at.x), lane_angles_(memory_ + at.angles),
          matrices_(memory_ + at.matrices), sums_(memory_ + at.sums),
          feature_sums_(memory_ + at.feature_sums), outputs_(memory_ + at.results),
          cotangent_(outputs_ + p_.outputs), z_(cotangent_ + p_.outputs),
          weight_z_(z_ + p_.outputs), angles_{uniform_, lane_angles_} {}

    void run(std::size_t group) {
        load(group);
        if (batch_.cotangent == nullptr) {
            forward<false>();
            measure_all<false>();
            store(outputs_, p_.outputs, batch_.outputs);
            return;
        }
        load_cotangent();
        forward<true>();
        for (std::size_t n = 0; n < p_.weights + p_.lane_angle_count; ++n) sums_[n] = Lanes{};
        measure_all<true>();
        backward();
        store(outputs_, p_.outputs, batch_.outputs);
        store_gradients();
    }

  private:
    HPC_QLSTM_ONE_COPY void load(std::size_t group) {
        const std::size_t rows = batch_.samples * batch_.sets;
        first_row_ = group * kLanes;
        lanes_ = rows - first_row_ < kLanes ? rows - first_row_ : kLanes;
        const double* features[kLanes];
        const Real* sets[kLanes];
        for (std::size_t lane = 0; lane < kLanes; ++lane) {
            // Padding repeats the last row; nobody reads its results.
            const std::size_t row = first_row_ + (lane < lanes_ ? lane : lanes_ - 1);
            features[lane] = batch_.features + row % batch_.samples * p_.features;
            sets[lane] = uniform_of_sets_ + row / batch_.samples * p_.uniform_size;
        }
        for (std::size_t f = 0; f < p_.features; ++f) gather(features, f, x_[f]);
        for (std::size_t s = 0; s < p_.lane_angle_count; ++s) {
            const LaneAngle& angle = p_.lane_angles[s];
            half_angle(angle, x_[angle.feature], lane_angles_[2 * s], lane_angles_[2 * s + 1]);
        }
        load_uniform(sets);
    }

    HPC_QLSTM_ONE_COPY void load_uniform(const Real* const sets[kLanes]) {
        if (sets[0] != sets[kLanes - 1]) {
            for (std::size_t n = 0; n < p_.uniform_size; ++n) gather(sets, n, uniform_[n]);
            loaded_set_ = nullptr;
        } else if (sets[0] != loaded_set_) {
            for (std::size_t n = 0; n < p_.uniform_size; ++n) uniform_[n] = sets[0][n] - Lanes{};
            loaded_set_ = sets[0];
        }
    }

    void load_cotangent() {
        const double* rows[kLanes];
        for (std::size_t lane = 0; lane < kLanes; ++lane) {
            const std::size_t row = first_row_ + (lane < lanes_ ? lane : lanes_ - 1);
            rows[lane] = batch_.cotangent + row * p_.outputs;
        }
        for (std::size_t k = 0; k < p_.outputs; ++k) gather(rows, k, cotangent_[k]);
    }

    void store(const Lanes* from, std::size_t width, double* array) const {
        scatter(from, width, lanes_, array + first_row_ * width);
    }

    void make_matrix(const Run& run) {
        if (!run.per_lane) return;
        const Su2<Lanes> u = lane_matrix(run, p_.turns, angles_);
        Lanes* m = matrices_ + 4 * run.matrix;
        m[0] = u.ar, m[1] = u.ai, m[2] = u.br, m[3] = u.bi;
    }

    HPC_QLSTM_INLINE Su2<Lanes> matrix(const Run& run) const {
        if (run.count == 0) return {splat(1.0), Lanes{}, Lanes{}, Lanes{}};
        const Lanes* of_weights = uniform_ + 2 * p_.uniform_angle_count;
        const Lanes* m = (run.per_lane ? matrices_ : of_weights) + 4 * run.matrix;
        return {m[0], m[1], m[2], m[3]};
    }

    HPC_QLSTM_INLINE auto leading_matrix() const {
        return [this](std::size_t k)
                   __attribute__((always_inline)) { return matrix(p_.leading[k]); };
    }

    template <typename F>
    HPC_QLSTM_INLINE void for_passes(const Layer& layer, F f) {
        for (std::uint32_t n = layer.begin; n < layer.end; ++n) f(plan_.passes[n]);
    }

    bool is_kept(const Layer& layer) const { return layer.kept != 0 && layer.kept <= at_.kept; }

    template <bool gradient>
    void forward() {
        psi_ = memory_ + at_.psi;
        for (std::size_t k = 0; k < p_.qubits; ++k) make_matrix(p_.leading[k]);
        product_state<parts>(p_.qubits, leading_matrix(), psi_);
        for (std::size_t l = 0; l < plan_.layer_count; ++l) {
            const Layer& layer = plan_.layers[l];
            if (!layer.rotations) {
                for_passes(layer, [&](const Pass& pass) { negate<parts>(pass, psi_); });
                continue;
            }
            const Lanes* from = psi_;
            if (gradient && is_kept(layer)) psi_ += state_;
            for_passes(layer, [&](const Pass& pass) {
                for (std::uint32_t i = 0; i < pass.count; ++i) make_matrix(pass.runs[i]);
                rotate_pass<false>(pass, from, psi_);
                from = psi_;
            });
        }
    }

    template <bool adjoints>
    void rotate_pass(const Pass& pass, const Lanes* from, Lanes* to) const {
        Su2<Lanes> u[2];
        for (std::uint32_t i = 0; i < pass.count; ++i) {
            u[i] = matrix(pass.runs[i]);
            if (adjoints) u[i] = adjoint(u[i]);
        }
        by_kind<parts>(pass,
                       [&](auto kind) { rotate<kind.K, kind.shape, parts>(pass, u, from, to); });
    }

    // The outputs; with a gradient also the bra and the derivatives by the last rotations.
    template <bool gradient>
    void measure_all() {
        expectations<parts>(*plan_.readout, p_.outputs, psi_, table_, z_);
        for (std::size_t k = 0; k < p_.outputs; ++k) {
            outputs_[k] = z_[k];
            if (gradient) weight_z_[k] = cotangent_[k];
        }
        for (std::size_t n = 0; n < plan_.last_count; ++n) {
            const Pass& pass = plan_.last[n];
            for (std::uint32_t i = 0; i < pass.count; ++i) {
                make_matrix(pass.runs[i]);
                if (!gradient) continue;
                const std::int32_t k = pass.outputs[i];
                weight_z_[k] = cotangent_[k] * before(Axis::z, matrix(pass.runs[i])).z;
            }
        }
        if (gradient) {
            weighted_bra<parts>(*plan_.readout, p_.outputs, weight_z_, psi_, table_, bra_);
        }
        for (std::size_t n = 0; n < plan_.last_count; ++n) measure_pass<gradient>(plan_.last[n]);
    }

    template <bool gradient>
    void measure_pass(const Pass& pass) {
        Axes n[2];
        Lanes weights[2][2], r[2][2];
        for (std::uint32_t i = 0; i < pass.count; ++i) {
            n[i] = before(Axis::z, matrix(pass.runs[i]));
            if (!gradient) continue;
            weights[i][0] = cotangent_[pass.outputs[i]] * n[i].x;
            weights[i][1] = cotangent_[pass.outputs[i]] * n[i].y;
        }
        by_kind<parts>(pass, [&](auto kind) {
            measure<kind.K, kind.shape, parts, gradient>(pass, weights, psi_, bra_, r);
        });
        for (std::uint32_t i = 0; i < pass.count; ++i) {
            const std::int32_t k = pass.outputs[i];
            outputs_[k] = along(n[i], r[i], z_[k]);
            if (!gradient || !has_gradient(pass.runs[i])) continue;
            // With the bra c Z psi, Im <bra| (X, Y, Z) |psi> is c (<Y>, -<X>, 0).
            const Su2<Lanes> u = matrix(pass.runs[i]);
            Lanes v[3] = {cotangent_[k] * along(before(Axis::y, u), r[i], z_[k]),
                          -cotangent_[k] * along(before(Axis::x, u), r[i], z_[k]), Lanes{}};
            pull_back(pass.runs[i], p_.turns, angles_, v, sums_);
        }
    }

    void backward() {
        for (std::size_t l = plan_.layer_count; l-- > plan_.reverse_end;) {
            const Layer& layer = plan_.layers[l];
            if (!layer.rotations) {
                for_passes(layer, [&](const Pass& pass) {
                    negate<parts>(pass, bra_);
                    if (layer.psi_before) negate<parts>(pass, psi_);
                });
                continue;
            }
            // Before the earliest layer the bra is needed for the leading runs alone.
            reverse_layer(layer, l > plan_.reverse_end || p_.leading_gradient);
            if (!layer.psi_before) continue;
            if (is_kept(layer)) {
                psi_ -= state_;
            } else {
                for_passes(layer, [&](const Pass& p) { rotate_pass<true>(p, psi_, psi_); });
            }
        }
        if (!p_.leading_gradient) return;
        product_gradient<parts>(p_.qubits, leading_matrix(), bra_, psi_,
                                [this](std::size_t k, Lanes v[3]) {
                                    pull_back(p_.leading[k], p_.turns, angles_, v, sums_);
                                });
    }

    // Reads off all overlaps while psi and bra are both as they are after the layer, the last of
    // them in one pass with the first rotations that are taken off the bra.
    HPC_QLSTM_ONE_COPY void reverse_layer(const Layer& layer, bool bra_before) {
        const std::uint32_t last = layer.end - 1;
        for (std::uint32_t n = layer.begin; layer.gradient && n < layer.end; ++n) {
            read_off(plan_.passes[n], bra_before && n == last);
        }
        for (std::uint32_t n = layer.end; bra_before && n-- > layer.begin;) {
            if (!layer.gradient || n != last) rotate_pass<true>(plan_.passes[n], bra_, bra_);
        }
    }

    void read_off(const Pass& pass, bool and_reverse) {
        Lanes v[2][3];
        Su2<Lanes> u[2];
        for (std::uint32_t i = 0; i < pass.count; ++i) u[i] = matrix(pass.runs[i]);
        by_kind<parts>(pass, [&](auto kind) {
            if (and_reverse) {
                read_overlaps<kind.K, kind.shape, parts, true>(pass, u, psi_, bra_, v);
            } else {
                read_overlaps<kind.K, kind.shape, parts, false>(pass, u, psi_, bra_, v);
            }
        });
        for (std::uint32_t i = 0; i < pass.count; ++i) {
            pull_back(pass.runs[i], p_.turns, angles_, v[i], sums_);
        }
    }

    void store_gradients() {
        if (batch_.weight_sums != nullptr) {
            add_rows(sums_, p_.weights, lanes_,
                     batch_.weight_sums + first_row_ / kLanes * p_.weights);
        } else {
            store(sums_, p_.weights, batch_.weight_rows);
        }
        for (std::size_t f = 0; f < p_.features; ++f) feature_sums_[f] = Lanes{};
        for (std::size_t s = 0; s < p_.lane_angle_count; ++s) {
            const LaneAngle& angle = p_.lane_angles[s];
            feature_sums_[angle.feature] += slope(angle, x_[angle.feature]) * sums_[p_.weights + s];
        }
        store(feature_sums_, p_.features, batch_.feature_rows);
    }

    const ProgramView& p_;
    const BatchView& plan_;
    const Batch& batch_;
    const Scratch& at_;
    const Real* uniform_of_sets_;
    Lanes* memory_;
    const std::size_t state_;  // vectors in one
    Lanes *psi_, *bra_, *table_, *uniform_, *x_, *lane_angles_, *matrices_, *sums_, *feature_sums_,
        *outputs_, *cotangent_, *z_, *weight_z_;
    Angles angles_;
    const Real* loaded_set_ = nullptr;  // whose values `uniform_` holds in all lanes
    std::size_t first_row_ = 0, lanes_ = 0;
};

template <unsigned parts>
void sweep_groups(const ProgramView& p, const BatchView& plan, const Batch& batch,
                  const Scratch& at, const Real* uniform, Real* scratch, std::size_t begin,
                  std::size_t end) {
    Sweep<parts> groups(p, plan, batch, at, uniform, scratch);
    for (std::size_t n = begin; n < end; ++n) groups.run(n);
}

void sweep(const ProgramView& p, const BatchView& plan, const Batch& batch, const Scratch& at,
           const Real* uniform, Real* scratch, std::size_t begin, std::size_t end) {
    const auto groups = plan.real ? sweep_groups<1> : sweep_groups<2>;
    groups(p, plan, batch, at, uniform, scratch, begin, end);
}

}  // namespace

extern const BatchKernel<Real> HPC_QLSTM_KERNEL(batch);
const BatchKernel<Real> HPC_QLSTM_KERNEL(batch) = {kLanes, prepare, sweep};

}  // namespace hpc_qlstm
