#include "evaluate.hpp"

#include <algorithm>

#include "buffer.hpp"
#include "thread_pool.hpp"

namespace hpc_qlstm {
namespace {

thread_local Buffer uniform_buffer;
thread_local Buffer scratch_buffer;

Scratch layout_of(const ProgramView& p, bool gradient) {
    Scratch at{};
    const auto take = [&](std::size_t count) {
        const std::size_t start = at.total;
        at.total += count;
        return start;
    };
    const std::size_t state = std::size_t{2} << p.qubits;
    at.psi = take(state);
    at.bra = take(gradient ? state : 0);
    at.table = take(std::size_t{1} << std::min<std::size_t>(p.qubits, kLowBits));
    at.uniform = take(p.uniform_size);
    at.x = take(p.features);
    at.angles = take(2 * p.lane_angle_count);
    at.matrices = take(4 * p.matrices);
    at.sums = take(gradient ? p.weights + p.lane_angle_count : 0);
    at.feature_sums = take(gradient ? p.features : 0);
    at.results = take(2 * p.outputs);
    return at;
}

// Parts worth a thread of their own. Waking one takes some ten microseconds; a sample takes about
// 0.3 ns for each amplitude and pass, four times that with a gradient (AMD Zen 4, one core).
std::size_t parts_of(const ProgramView& p, bool gradient, std::size_t rows, std::size_t groups,
                     std::size_t threads) {
    constexpr double least_ns = 20e3;
    const double row_ns = static_cast<double>(std::size_t{1} << p.qubits) *
                          static_cast<double>(p.step_count + 2) * (gradient ? 1.2 : 0.3);
    const double worth = std::min(static_cast<double>(rows) * row_ns / least_ns, 1e6);
    return std::max<std::size_t>(1, std::min({threads, groups, static_cast<std::size_t>(worth)}));
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
    view.readout = &p.readout;
    view.matrices = p.matrices;
    view.reverse_end = p.reverse_end;
    view.uniform_size = 2 * view.uniform_angle_count + 4 * view.matrices;
    view.leading_gradient = p.leading_gradient;
    return view;
}

void evaluate(const Program& program, const Kernel& kernel, const Batch& batch,
              std::size_t threads) {
    if (batch.samples == 0 || batch.sets == 0) return;
    const bool gradient = batch.cotangent != nullptr;
    const ProgramView view = view_of(program);
    const Scratch at = layout_of(view, gradient);
    double* uniform = uniform_buffer.get(batch.sets * view.uniform_size);
    for (std::size_t set = 0; set < batch.sets; ++set) {
        kernel.prepare(view, batch.weights + set * view.weights, uniform + set * view.uniform_size);
    }
    const std::size_t rows = batch.samples * batch.sets;
    const std::size_t groups = (rows + kernel.lanes - 1) / kernel.lanes;
    const std::size_t parts = parts_of(view, gradient, rows, groups, threads);
    // Captures by one reference, so that std::function needs no memory of its own.
    const auto part = [&](std::size_t n) {
        double* scratch = scratch_buffer.get(at.total * kernel.lanes);
        kernel.sweep(view, batch, at, uniform, scratch, groups * n / parts,
                     groups * (n + 1) / parts);
        scratch_buffer.release_if_large();
    };
    run_parallel(parts, [&part](std::size_t n) { part(n); });
    uniform_buffer.release_if_large();
}

}  // namespace hpc_qlstm
