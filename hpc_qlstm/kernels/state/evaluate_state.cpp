#include "state/evaluate_state.hpp"

#include <algorithm>

#include "batch/evaluate.hpp"
#include "state/product_overlaps.hpp"
#include "system/buffer.hpp"
#include "system/thread_pool.hpp"

namespace hpc_qlstm {
namespace {

thread_local Buffer uniform_buffer;
thread_local Buffer state_buffer;
thread_local Buffer small_buffer;
thread_local Buffer tile_buffer;

// Fixed, so that sums are added in the same order by any number of threads.
constexpr std::size_t kMostBlocks = 64;
// Up to this size (1 MiB a state) a thread works on a row of its own, not on part of one.
constexpr std::uint32_t kMostBitsForRows = 16;

// One row after another, in memory of the calling thread.
template <typename Real>
class Worker {
  public:
    Worker(const StatePlan& plan, const StateKernel<Real>& kernel, const Batch& batch,
           const Real* uniform, std::size_t threads)
        : plan_(plan), view_(plan.view()), program_(view_of(plan.program())), kernel_(kernel),
          batch_(batch), uniform_of_sets_(uniform), threads_(threads),
          gradient_(batch.cotangent != nullptr) {
        const std::size_t lanes = kernel.lanes;
        chunk_ = std::size_t{1} << view_.chunk_bits;
        const std::size_t chunks = std::size_t{1} << (view_.bits - view_.chunk_bits);
        tiles_ = std::size_t{1} << (view_.bits - view_.tile_bits);
        blocks_ = std::min(tiles_, kMostBlocks);
        row_.middle_bits = std::min<std::uint32_t>(view_.bits - view_.chunk_bits, 11);

        at_.outputs = 0;
        at_.overlaps = program_.outputs;
        at_.chunk = at_.overlaps + (gradient_ ? 3 * plan.most_steps() : 0);
        at_.total = at_.chunk + (gradient_ ? 2 * chunk_ / lanes : 0);

        const std::size_t state = std::size_t{2} << view_.bits;
        const bool contract = gradient_ && program_.leading_gradient;
        const std::size_t bytes = (gradient_ ? 2 : 1) * state * sizeof(Real);
        Real* states =
            reinterpret_cast<Real*>(state_buffer.get<char>(bytes + (contract ? 16 * chunks : 0)));
        row_.psi = states;
        row_.bra = gradient_ ? states + state : nullptr;
        row_.contracted = contract ? reinterpret_cast<double*>(states + 2 * state) : nullptr;
        row_.program = &program_;
        row_.plan = view_;

        std::size_t total = 0;
        const auto take = [&](std::size_t bytes) {
            const std::size_t start = total;
            total += (bytes + 63) / 64 * 64;  // keeps the alignment of vectors
            return start;
        };
        const std::size_t vector = lanes * sizeof(Real), number = sizeof(double);
        const std::size_t sums = program_.weights + program_.lane_angle_count;
        const std::size_t results = take(blocks_ * at_.total * vector);
        const std::size_t angles =
            take(2 * (program_.uniform_angle_count + program_.lane_angle_count) * vector);
        const std::size_t sum = take(sums * vector), low = take(2 * chunk_ * sizeof(Real));
        const std::size_t matrices = take(4 * program_.matrices * number);
        const std::size_t overlaps = take(3 * program_.matrices * number);
        const std::size_t middle = take((std::size_t{2} << row_.middle_bits) * number);
        const std::size_t top = take(2 * (chunks >> row_.middle_bits) * number);
        const std::size_t chunk_sums = take(2 * chunk_ * number);
        const std::size_t work = take(2 * chunk_ * number);
        char* small = small_buffer.get<char>(total);
        const auto numbers = [&](std::size_t at) { return reinterpret_cast<double*>(small + at); };
        const auto reals = [&](std::size_t at) { return reinterpret_cast<Real*>(small + at); };
        results_ = reals(results);
        angles_ = reals(angles);
        sums_ = reals(sum);
        low_ = reals(low);
        matrices_ = numbers(matrices);
        overlaps_ = numbers(overlaps);
        middle_ = numbers(middle);
        top_ = numbers(top);
        chunk_sums_ = numbers(chunk_sums);
        work_ = numbers(work);
        row_.matrices = matrices_;
        row_.low = low_;
        row_.middle = middle_;
        row_.top = top_;
    }

    ~Worker() {
        state_buffer.release_if_large();
        small_buffer.release_if_large();
    }

    void run(std::size_t number) {
        const std::size_t sample = number % batch_.samples, set = number / batch_.samples;
        const double* features = batch_.features + sample * program_.features;
        kernel_.matrices(program_, features, uniform_of_sets_ + set * program_.uniform_size,
                         angles_, matrices_);
        make_tables();
        double* outputs = batch_.outputs + number * program_.outputs;
        if (!gradient_) {
            forward(outputs);
            return;
        }
        row_.cotangent = batch_.cotangent + number * program_.outputs;
        forward_and_back(outputs);
        kernel_.gradients(program_, features, angles_, overlaps_, sums_,
                          batch_.weight_rows + number * program_.weights,
                          batch_.feature_rows + number * program_.features);
    }

  private:
    void forward(double* outputs) {
        for (std::uint32_t g = 0; g < view_.tile_count; ++g) {
            StatePass pass{};
            pass.group = g;
            pass.generate = g == 0;
            pass.forward = true;
            pass.readout = g + 1 == view_.tile_count;
            pass.store_psi = !pass.readout;
            sweep(pass);
        }
        add_outputs(outputs);
    }

    // The last group is swept once: forward and straight back.
    void forward_and_back(double* outputs) {
        std::fill_n(overlaps_, 3 * program_.matrices, 0.0);
        const std::uint32_t last = view_.tile_count - 1;
        const bool contract = program_.leading_gradient;
        const std::uint32_t end = plan_.reverse_end();
        for (std::uint32_t g = 0; g <= last; ++g) {
            StatePass pass{};
            pass.group = g;
            pass.generate = g == 0;
            pass.forward = true;
            pass.readout = g == last;
            pass.make_bra = pass.reverse = g == last && g >= end;
            pass.contract = contract && g == last && g == 0;
            pass.store_psi = g < last || g > end;
            pass.store_bra = g == last && g > end;
            sweep(pass);
            if (g == last) add_outputs(outputs);
            if (pass.reverse) add_overlaps(g);
        }
        for (std::uint32_t g = last; g-- > end;) {
            StatePass pass{};
            pass.group = g;
            pass.reverse = true;
            pass.contract = contract && g == 0;
            pass.store_psi = pass.store_bra = g > end;
            sweep(pass);
            add_overlaps(g);
        }
        if (contract) leading_overlaps();
    }

    void sweep(const StatePass& pass) {
        const auto block = [&](std::size_t b) {
            Real* tiles = tile_buffer.get<Real>(std::size_t{4} << view_.tile_bits);
            kernel_.tiles(row_, pass, at_, tiles_ * b / blocks_, tiles_ * (b + 1) / blocks_, tiles,
                          results_ + b * at_.total * kernel_.lanes);
        };
        run_parallel(threads_, blocks_, [&block](std::size_t b) { block(b); });
    }

    // The sum over blocks and lanes of vector `at` of the results; lanes under `mask` with a sign.
    double total(std::size_t at, std::size_t mask) const {
        double sum = 0.0;
        for (std::size_t b = 0; b < blocks_; ++b) {
            const Real* v = results_ + (b * at_.total + at) * kernel_.lanes;
            for (std::size_t lane = 0; lane < kernel_.lanes; ++lane) {
                sum += __builtin_parityll(mask & lane) ? -double{v[lane]} : double{v[lane]};
            }
        }
        return sum;
    }

    void add_outputs(double* outputs) const {
        for (std::size_t k = 0; k < program_.outputs; ++k) {
            outputs[k] = total(at_.outputs + k, view_.readout[k].mask);
        }
    }

    void add_overlaps(std::uint32_t group) {
        const Tile& tile = view_.tiles[group];
        for (std::uint32_t n = 0; n < tile.step_count; ++n) {
            if (tile.steps[n].kind != StepKind::rotate) continue;
            for (int axis = 0; axis < 3; ++axis) {
                overlaps_[3 * tile.steps[n].matrix + axis] = total(at_.overlaps + 3 * n + axis, 0);
            }
        }
    }

    Amplitudes leading(std::size_t k) const {
        if (k >= program_.qubits || program_.leading[k].count == 0) return {1.0, 0.0, 0.0, 0.0};
        const double* m = matrices_ + 4 * program_.leading[k].matrix;
        return {m[0], m[1], m[2], m[3]};
    }

    void make_tables() {
        const std::uint32_t b = view_.chunk_bits, m = row_.middle_bits;
        const auto from = [this](std::size_t first) {
            return [this, first](std::size_t k) { return leading(first + k); };
        };
        product(b, from(0), work_);
        const std::size_t lanes = kernel_.lanes;
        for (std::size_t n = 0; n < chunk_; ++n) {
            Real* v = low_ + n / lanes * 2 * lanes + n % lanes;
            v[0] = static_cast<Real>(work_[2 * n]);
            v[lanes] = static_cast<Real>(work_[2 * n + 1]);
        }
        product(m, from(b), middle_);
        product(view_.bits - b - m, from(b + m), top_);
    }

    // From the bra contracted above, and below, the chunks' lowest bits.
    void leading_overlaps() {
        const std::size_t lanes = kernel_.lanes;
        for (std::size_t n = 0; n < chunk_; ++n) {
            for (std::size_t part = 0; part < 2; ++part) {
                double sum = 0.0;
                for (std::size_t b = 0; b < blocks_; ++b) {
                    sum += results_[(b * at_.total + at_.chunk + n / lanes * 2 + part) * lanes +
                                    n % lanes];
                }
                chunk_sums_[2 * n + part] = sum;
            }
        }
        const auto from = [this](std::size_t first) {
            return [this, first](std::size_t k) { return leading(first + k); };
        };
        const auto emit = [this](std::size_t first) {
            return [this, first](std::size_t k, const double v[3]) {
                if (first + k >= program_.qubits || program_.leading[first + k].count == 0) return;
                std::copy(v, v + 3, overlaps_ + 3 * program_.leading[first + k].matrix);
            };
        };
        const std::uint32_t b = view_.chunk_bits;
        product_overlaps(b, from(0), chunk_sums_, work_, emit(0));
        // psi is no longer needed: its memory holds the intermediate products.
        product_overlaps(view_.bits - b, from(b), row_.contracted,
                         reinterpret_cast<double*>(row_.psi), emit(b));
    }

    const StatePlan& plan_;
    const StateView view_;
    const ProgramView program_;
    const StateKernel<Real>& kernel_;
    const Batch& batch_;
    const Real* uniform_of_sets_;
    const std::size_t threads_;
    const bool gradient_;
    std::size_t chunk_, tiles_, blocks_;
    BlockResults at_{};
    StateRow<Real> row_{};
    Real *results_, *angles_, *sums_, *low_;
    double *matrices_, *overlaps_, *middle_, *top_, *chunk_sums_, *work_;
};

template <typename Real>
void evaluate_as(const StatePlan& plan, const KernelsOf<Real>& kernels, const Batch& batch,
                 std::size_t threads) {
    const ProgramView view = view_of(plan.program());
    Real* uniform = uniform_buffer.get<Real>(batch.sets * view.uniform_size);
    for (std::size_t set = 0; set < batch.sets; ++set) {
        kernels.batch->prepare(view, batch.weights + set * view.weights,
                               uniform + set * view.uniform_size);
    }
    const std::size_t rows = batch.samples * batch.sets;
    const bool by_rows = plan.view().bits <= kMostBitsForRows && rows >= threads;
    if (by_rows) {
        const auto row = [&](std::size_t n) {
            Worker<Real>(plan, *kernels.state, batch, uniform, 1).run(n);
        };
        run_parallel(threads, rows, [&row](std::size_t n) { row(n); });
    } else {
        Worker<Real> worker(plan, *kernels.state, batch, uniform, threads);
        for (std::size_t n = 0; n < rows; ++n) worker.run(n);
    }
    uniform_buffer.release_if_large();
}

}  // namespace

void evaluate_state(const StatePlan& plan, const Kernel& kernel, const Batch& batch,
                    std::size_t threads) {
    if (batch.samples == 0 || batch.sets == 0) return;
    if (kernel.precision == Precision::float32) {
        evaluate_as(plan, kernel.of_float, batch, threads);
    } else {
        evaluate_as(plan, kernel.of_double, batch, threads);
    }
}

}  // namespace hpc_qlstm
