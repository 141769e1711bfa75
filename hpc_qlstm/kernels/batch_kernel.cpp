// The sweep over the groups of a batch: forward, and backward by the adjoint method
// (Jones and Gacon, arXiv 2009.02823). Compiled once for each instruction set, HPC_QLSTM_ISA.
//
// With a diagonal observable sum_k w_k Z_k one reverse sweep gives the whole vector-Jacobian
// product: dE/dangle = Im <bra| P |psi> after the rotation exp(-i angle P / 2).
#include "batch_kernel.hpp"

#include "simd/angles.hpp"
#include "simd/lanes.hpp"
#include "simd/product.hpp"
#include "simd/readout.hpp"
#include "simd/sincos.hpp"
#include "simd/state.hpp"
#include "simd/su2.hpp"

namespace hpc_qlstm {
namespace {

// One thread's work, group after group.
class Sweep {
  public:
    Sweep(const ProgramView& program, const Batch& batch, const Scratch& at,
          const double* uniform, double* scratch)
        : p_(program), batch_(batch), uniform_of_sets_(uniform),
          memory_(reinterpret_cast<Lanes*>(scratch)), psi_(memory_ + at.psi),
          bra_(memory_ + at.bra), table_(memory_ + at.table), uniform_(memory_ + at.uniform),
          x_(memory_ + at.x), lane_angles_(memory_ + at.angles),
          matrices_(memory_ + at.matrices), sums_(memory_ + at.sums),
          feature_sums_(memory_ + at.feature_sums), results_(memory_ + at.results),
          angles_{uniform_, lane_angles_} {}

    void run(std::size_t group) {
        load(group);
        forward();
        expectations(*p_.readout, p_.outputs, psi_, table_, results_);
        scatter(results_, p_.outputs, batch_.outputs);
        if (batch_.cotangent != nullptr) backward();
    }

  private:
    void load(std::size_t group) {
        const std::size_t rows = batch_.samples * batch_.sets;
        first_row_ = group * kLanes;
        lanes_ = rows - first_row_ < kLanes ? rows - first_row_ : kLanes;
        const double *features[kLanes], *sets[kLanes];
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

    void load_uniform(const double* const sets[kLanes]) {
        if (sets[0] != sets[kLanes - 1]) {
            for (std::size_t n = 0; n < p_.uniform_size; ++n) gather(sets, n, uniform_[n]);
            loaded_set_ = nullptr;
        } else if (sets[0] != loaded_set_) {
            for (std::size_t n = 0; n < p_.uniform_size; ++n) uniform_[n] = splat(sets[0][n]);
            loaded_set_ = sets[0];
        }
    }

    static void gather(const double* const rows[kLanes], std::size_t column, Lanes& to) {
        Lanes v;
        for (std::size_t lane = 0; lane < kLanes; ++lane) v[lane] = rows[lane][column];
        to = v;
    }

    // Lanes [width] to the rows (samples, width) of an array.
    void scatter(const Lanes* from, std::size_t width, double* array) const {
        double* rows = array + first_row_ * width;
        for (std::size_t lane = 0; lane < lanes_; ++lane) {
            for (std::size_t n = 0; n < width; ++n) rows[lane * width + n] = from[n][lane];
        }
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
        return [this](std::size_t k) { return matrix(p_.leading[k]); };
    }

    void forward() {
        for (std::size_t k = 0; k < p_.qubits; ++k) make_matrix(p_.leading[k]);
        product_state(p_.qubits, leading_matrix(), psi_);
        for (std::size_t n = 0; n < p_.step_count; ++n) {
            const Step& step = p_.steps[n];
            if (step.kind == StepKind::negate) {
                negate(step, psi_);
                continue;
            }
            make_matrix(step.run);
            const Su2<Lanes> u = matrix(step.run);
            switch (step.run.shape) {
                case Shape::general: forward_pass<Shape::general>(step, u, psi_); break;
                case Shape::real: forward_pass<Shape::real>(step, u, psi_); break;
                case Shape::diagonal: forward_pass<Shape::diagonal>(step, u, psi_); break;
            }
        }
    }

    void backward() {
        Lanes* cotangent = results_ + p_.outputs;
        const double* rows[kLanes];
        for (std::size_t lane = 0; lane < kLanes; ++lane) {
            const std::size_t row = first_row_ + (lane < lanes_ ? lane : lanes_ - 1);
            rows[lane] = batch_.cotangent + row * p_.outputs;
        }
        for (std::size_t k = 0; k < p_.outputs; ++k) gather(rows, k, cotangent[k]);
        weighted_bra(*p_.readout, p_.outputs, cotangent, psi_, table_, bra_);

        const std::size_t sums = p_.weights + p_.lane_angle_count;
        for (std::size_t n = 0; n < sums; ++n) sums_[n] = Lanes{};
        for (std::size_t n = p_.step_count; n-- > p_.reverse_end;) {
            reverse_step(p_.steps[n], n > p_.reverse_end);
        }
        if (p_.leading_gradient) {
            product_gradient(p_.qubits, leading_matrix(), bra_, psi_,
                             [this](std::size_t k, Lanes v[3]) {
                                 pull_back(p_.leading[k], p_.turns, angles_, v, sums_);
                             });
        }
        store_gradients();
    }

    // Before the earliest step psi is needed no more: the leading runs know it as a product.
    void reverse_step(const Step& step, bool with_psi) {
        if (step.kind == StepKind::negate) {
            negate(step, bra_);
            if (with_psi) negate(step, psi_);
            return;
        }
        switch (step.run.shape) {
            case Shape::general: reverse_shape<Shape::general>(step, with_psi); break;
            case Shape::real: reverse_shape<Shape::real>(step, with_psi); break;
            case Shape::diagonal: reverse_shape<Shape::diagonal>(step, with_psi); break;
        }
    }

    template <Shape shape>
    void reverse_shape(const Step& step, bool with_psi) {
        const Su2<Lanes> u = matrix(step.run);
        Lanes v[3];
        if (step.run.first_gradient == step.run.first + step.run.count) {
            reverse_pass<shape, false, true>(step, u, psi_, bra_, v);
            return;
        }
        if (with_psi) {
            reverse_pass<shape, true, true>(step, u, psi_, bra_, v);
        } else {
            reverse_pass<shape, true, false>(step, u, psi_, bra_, v);
        }
        pull_back(step.run, p_.turns, angles_, v, sums_);
    }

    void store_gradients() {
        scatter(sums_, p_.weights, batch_.weight_rows);
        for (std::size_t f = 0; f < p_.features; ++f) feature_sums_[f] = Lanes{};
        for (std::size_t s = 0; s < p_.lane_angle_count; ++s) {
            const LaneAngle& angle = p_.lane_angles[s];
            feature_sums_[angle.feature] +=
                slope(angle, x_[angle.feature]) * sums_[p_.weights + s];
        }
        scatter(feature_sums_, p_.features, batch_.feature_rows);
    }

    const ProgramView& p_;
    const Batch& batch_;
    const double* uniform_of_sets_;
    Lanes* memory_;
    Lanes *psi_, *bra_, *table_, *uniform_, *x_, *lane_angles_, *matrices_, *sums_,
        *feature_sums_, *results_;
    Angles angles_;
    const double* loaded_set_ = nullptr;  // whose values `uniform_` holds in all lanes
    std::size_t first_row_ = 0, lanes_ = 0;
};

void prepare(const ProgramView& p, const double* weights, double* uniform) {
    for (std::size_t n = 0; n < p.uniform_angle_count; n += kLanes) {
        const std::size_t count =
            p.uniform_angle_count - n < kLanes ? p.uniform_angle_count - n : kLanes;
        const UniformAngle* angles = p.uniform_angles + n;
        Lanes half{}, s, c;
        for (std::size_t j = 0; j < count; ++j) {
            if (angles[j].is_weight) half[j] = 0.5 * weights[angles[j].weight];
        }
        sincos(half, s, c);
        for (std::size_t j = 0; j < count; ++j) {
            uniform[2 * (n + j)] = angles[j].is_weight ? c[j] : angles[j].cos_half;
            uniform[2 * (n + j) + 1] = angles[j].is_weight ? s[j] : angles[j].sin_half;
        }
    }
    double* matrices = uniform + 2 * p.uniform_angle_count;
    const auto store = [&](const Run& run) {
        if (run.count == 0 || run.per_lane) return;
        const Su2<double> u = uniform_matrix(run, p.turns, uniform);
        double* m = matrices + 4 * run.matrix;
        m[0] = u.ar, m[1] = u.ai, m[2] = u.br, m[3] = u.bi;
    };
    for (std::size_t k = 0; k < p.qubits; ++k) store(p.leading[k]);
    for (std::size_t n = 0; n < p.step_count; ++n) {
        if (p.steps[n].kind == StepKind::rotate) store(p.steps[n].run);
    }
}

void sweep(const ProgramView& p, const Batch& batch, const Scratch& at, const double* uniform,
           double* scratch, std::size_t begin, std::size_t end) {
    Sweep groups(p, batch, at, uniform, scratch);
    for (std::size_t n = begin; n < end; ++n) groups.run(n);
}

}  // namespace

#define HPC_QLSTM_JOIN_(a, b) a##b
#define HPC_QLSTM_JOIN(a, b) HPC_QLSTM_JOIN_(a, b)
#define HPC_QLSTM_TEXT_(a) #a
#define HPC_QLSTM_TEXT(a) HPC_QLSTM_TEXT_(a)

extern const Kernel HPC_QLSTM_JOIN(kernel_, HPC_QLSTM_ISA);
const Kernel HPC_QLSTM_JOIN(kernel_, HPC_QLSTM_ISA) = {HPC_QLSTM_TEXT(HPC_QLSTM_ISA), kLanes,
                                                       prepare, sweep};

}  // namespace hpc_qlstm
