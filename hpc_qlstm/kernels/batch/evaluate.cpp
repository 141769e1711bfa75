#include "batch/evaluate.hpp"

#include <algorithm>

#include "system/buffer.hpp"
#include "system/thread_pool.hpp"

namespace hpc_qlstm {
namespace {

thread_local Buffer uniform_buffer;
thread_local Buffer scratch_buffer;

// A thread keeps no more bytes of states than this: they would leave its caches anyway.
constexpr std::size_t kMostKeptBytes = std::size_t{16} << 20;

Scratch layout_of(const ProgramView& p, const BatchView& plan, std::size_t vector_bytes,
                  bool gradient) {
    Scratch at{};
    const auto take = [&](std::size_t count) {
        const std::size_t start = at.total;
        at.total += count;
        return start;
    };
    const std::size_t state = std::size_t{plan.real ? 1u : 2u} << p.qubits;
    at.kept = gradient ? std::min(plan.kept, kMostKeptBytes / (state * vector_bytes)) : 0;
    at.psi = take((at.kept + 1) * state);
    at.bra = take(gradient ? state : 0);
    at.table = take(std::size_t{1} << std::min<std::size_t>(p.qubits, kLowBits));
    at.uniform = take(p.uniform_size);
    at.x = take(p.features);
    at.angles = take(2 * p.lane_angle_count);
    at.matrices = take(4 * p.matrices);
    at.sums = take(gradient ? p.weights + p.lane_angle_count : 0);
    at.feature_sums = take(gradient ? p.features : 0);
    at.results = take(4 * p.outputs);
    return at;
}

// How many threads the work is worth, on processors that do 20 operations a nanosecond: each should
// have some microseconds to do, as it takes one until a thread begins.
std::size_t worth(double operations, std::size_t threads) {
    constexpr double least = 20.0 * 4e3;
    const auto useful = static_cast<std::size_t>(std::clamp(operations / least, 1.0, 1e6));
    return std::clamp<std::size_t>(threads, 1, useful);
}

template <typename Real>
void evaluate_as(const BatchPlan& batch_plan, const BatchKernel<Real>& kernel, const Batch& batch,
                 std::size_t threads) {
    const bool gradient = batch.cotangent != nullptr;
    const ProgramView view = view_of(batch_plan.program());
    const BatchView plan = batch_plan.view();
    const Scratch at = layout_of(view, plan, kernel.lanes * sizeof(Real), gradient);
    Real* uniform = uniform_buffer.get<Real>(batch.sets * view.uniform_size);
    for (std::size_t set = 0; set < batch.sets; ++set) {
        kernel.prepare(view, batch.weights + set * view.weights, uniform + set * view.uniform_size);
    }
    const std::size_t rows = batch.samples * batch.sets;
    const std::size_t groups = (rows + kernel.lanes - 1) / kernel.lanes;
    threads = worth(static_cast<double>(rows) * batch_plan.operations(gradient), threads);
    // Several tasks per thread, so that one that starts late or is interrupted does fewer.
    const std::size_t tasks = threads == 1 ? 1 : std::min(groups, 8 * threads);
    const auto task = [&](std::size_t n) {
        Real* scratch = scratch_buffer.get<Real>(at.total * kernel.lanes);
        kernel.sweep(view, plan, batch, at, uniform, scratch, groups * n / tasks,
                     groups * (n + 1) / tasks);
        scratch_buffer.release_if_large();
    };
    // One captured reference, so that std::function allocates nothing.
    run_parallel(threads, tasks, [&task](std::size_t n) { task(n); });
    uniform_buffer.release_if_large();
}

}  // namespace

ProgramView view_of(const Program& p) {
    ProgramView view{};
    view.qubits = p.qubits;
    view.features = p.features;
    view.weights = p.weights;
    view.outputs = p.outputs;
    view.uniform_angles = p.uniform_angles.data();
    view.uniform_angle_count = p.uniform_angles.size();
    view.lane_angles = p.lane_angles.data();
    view.lane_angle_count = p.lane_angles.size();
    view.turns = p.turns.data();
    view.leading = p.leading.data();
    view.steps = p.steps.data();
    view.step_count = p.steps.size();
    view.matrices = p.matrices;
    view.uniform_size = 2 * view.uniform_angle_count + 4 * view.matrices;
    view.leading_gradient = p.leading_gradient;
    return view;
}

void evaluate(const BatchPlan& plan, const Kernel& kernel, const Batch& batch,
              std::size_t threads) {
    if (batch.samples == 0 || batch.sets == 0) return;
    if (kernel.precision == Precision::float32) {
        evaluate_as(plan, *kernel.of_float.batch, batch, threads);
    } else {
        evaluate_as(plan, *kernel.of_double.batch, batch, threads);
    }
}

}  // namespace hpc_qlstm
