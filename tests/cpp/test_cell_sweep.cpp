// Cell and circuits in common calls beside the same step by step, on every kernel: alone, and with
// the gathered outputs of a second process, for sequences and without. The same bits.
#include <cstdio>
#include <random>
#include <vector>

#include "lstm/cell_sweep.hpp"
#include "lstm/columns.hpp"
#include "numbers.hpp"

namespace {

using namespace hpc_qlstm;

constexpr std::size_t kSets = 4, kSamples = 5, kSteps = 3, kInputs = 2;

std::mt19937_64 random_bits(23);
int failures = 0;

Numbers normal(std::size_t count) { return hpc_qlstm::normal(random_bits, count); }

// Two qubits, each with a feature and a weight.
Circuit pair() {
    Circuit circuit{2, 2, 2, 2, {}};
    for (int k = 0; k < 2; ++k) {
        const auto n = static_cast<std::uint32_t>(k);
        circuit.gates.push_back({GateKind::ry, k, -1, Source::feature, n, Transform::arctan, 1.0});
        circuit.gates.push_back({GateKind::rx, k, -1, Source::weight, n, Transform::identity, 1.0});
    }
    circuit.gates.push_back({GateKind::cnot, 1, 0, Source::none, 0, Transform::identity, 0.0});
    return circuit;
}

// All that a process has of a model with one local partition of two hidden units, and of another
// process's partition with so many units (none: no other process); columns of v_t are [h; x].
struct Problem {
    explicit Problem(std::size_t others) : hidden(2 + others), parts(others > 0 ? 2 : 1) {
        width = others > 2 ? others : 2;
        x = normal(kSamples * kSteps * kInputs);
        weights = normal(kSets * 2);
        gathered = normal(parts * kSteps * kSets * kSamples * width);
        for (std::size_t n = 0; n < gathered.size(); ++n) {  // padding is zero, and sent as it is
            const bool own = n / (kSets * kSamples * width) % parts == 0;
            if (own && n % width >= 2) gathered[n] = 0.0;
        }
        grad_read = normal(kSteps * kSamples * hidden);
        grad_inputs = normal(parts * kSteps * kSamples * 2);
        columns.add(0, 0, 0);
        columns.add(0, 1, static_cast<std::uint32_t>(hidden));
        if (parts == 2) {
            columns.add(1, 0, 1);
            columns.add(1, 1, 2);
        }
    }

    std::vector<std::size_t> counts() const {
        return parts == 1 ? std::vector<std::size_t>{2} : std::vector<std::size_t>{2, hidden - 2};
    }

    std::size_t hidden, parts, width;
    Numbers x, weights, gathered, grad_read, grad_inputs;
    ColumnList columns;
};

// Everything that comes out: outputs of each step, what is read, gradients.
Numbers step_by_step(const Problem& p, const Kernel& kernel, PartitionSweep& gates, bool sequence) {
    Cell cell(kernel, kSteps, kSamples * p.hidden);
    Numbers all, state(kSamples * p.hidden, 0.0), z(kSets * kSamples * p.hidden);
    gates.begin(kSteps, kSamples);
    const std::size_t part = kSets * kSamples * p.width;
    for (std::size_t t = 0; t < kSteps; ++t) {
        Numbers gathered(
            p.gathered.begin() + static_cast<std::ptrdiff_t>(t * p.parts * part),
            p.gathered.begin() + static_cast<std::ptrdiff_t>((t + 1) * p.parts * part));
        StepInput in;
        in.state = state.data();
        in.state_width = p.hidden;
        in.x = p.x.data() + t * kInputs;
        in.x_stride = kSteps * kInputs;
        in.weights = p.weights.data();
        gates.forward(t, 1, in, gathered.data(), p.width);
        all.insert(all.end(), gathered.begin(),
                   gathered.begin() + static_cast<std::ptrdiff_t>(part));
        merge_columns(gathered.data(), kSets * kSamples, p.width, p.counts(), z.data());
        cell.forward(t, z.data(), state.data());
        if (sequence || t + 1 == kSteps) all.insert(all.end(), state.begin(), state.end());
    }
    const std::size_t size = p.hidden + kInputs;
    Numbers grad_v(kSamples * size, 0.0), grad_state(kSamples * p.hidden);
    Numbers rows(kSamples * kSets * 2, 0.0), cotangents(kSets * kSamples * p.hidden);
    Numbers grad_x(kSamples * kSteps * kInputs);
    for (std::size_t t = kSteps; t-- > 0;) {
        for (std::size_t b = 0; b < kSamples; ++b) {
            for (std::size_t u = 0; u < p.hidden; ++u) {
                const std::size_t n = b * p.hidden + u;
                grad_state[n] = grad_v[b * size + u];
                if (sequence) grad_state[n] += p.grad_read[t * kSamples * p.hidden + n];
                if (!sequence && t + 1 == kSteps) grad_state[n] += p.grad_read[n];
            }
        }
        cell.reverse(t, grad_state.data(), cotangents.data());
        Numbers gathered(
            p.grad_inputs.begin() + static_cast<std::ptrdiff_t>(t * p.parts * kSamples * 2),
            p.grad_inputs.begin() + static_cast<std::ptrdiff_t>((t + 1) * p.parts * kSamples * 2));
        StepGradient gradient;
        gradient.weights = p.weights.data();
        gradient.cotangents = cotangents.data();
        gradient.hidden = p.hidden;
        gradient.rows = rows.data();
        gradient.row_size = kSets * 2;
        gradient.grad_inputs = gathered.data();
        gradient.width = 2;
        gates.reverse(t, 1, gradient);
        grad_v.assign(grad_v.size(), 0.0);
        for (const Added& run : p.columns.columns) {
            for (std::size_t b = 0; b < kSamples; ++b) {
                for (std::size_t k = 0; k < run.count; ++k) {
                    grad_v[b * size + run.to + k] +=
                        gathered[(run.part * kSamples + b) * 2 + run.from + k];
                }
            }
        }
        for (std::size_t b = 0; b < kSamples; ++b) {
            for (std::size_t k = 0; k < kInputs; ++k) {
                grad_x[(b * kSteps + t) * kInputs + k] = grad_v[b * size + p.hidden + k];
            }
        }
    }
    all.insert(all.end(), rows.begin(), rows.end());
    all.insert(all.end(), grad_x.begin(), grad_x.end());
    return all;
}

// fused: in one call between two collectives, else as where the cell's values are broadcast; back:
// with the way back, else what comes out before it.
Numbers in_common(const Problem& p, CellSweep& sweep, PartitionSweep& gates, bool sequence,
                  bool fused, bool back = true) {
    gates.begin(kSteps, kSamples, back);
    const std::size_t part = kSets * kSamples * p.width, looked = sequence ? kSteps : 1;
    Numbers all, gathered(p.parts * part), state(kSamples * p.hidden);
    Numbers read(looked * kSamples * p.hidden);
    CellForward forward;
    forward.x = p.x.data();
    forward.inputs = kInputs;
    forward.weights = p.weights.data();
    forward.outputs = gathered.data();
    forward.width = p.width;
    forward.gathered = gathered.data();
    forward.counts = p.counts();
    forward.state = state.data();
    forward.hidden = p.hidden;
    forward.read = read.data();
    forward.sequence = sequence;
    forward.updates = true;
    sweep.start(forward);
    std::vector<Numbers> sent;
    for (std::size_t t = 0; t < kSteps; ++t) {
        if (fused) {
            sweep.forward_step(t);
        } else {
            sweep.evaluate(t);
        }
        sent.emplace_back(gathered.begin(), gathered.begin() + static_cast<std::ptrdiff_t>(part));
        for (std::size_t n = part; n < gathered.size(); ++n) {  // arrives from the other process
            gathered[n] = p.gathered[t * p.parts * part + n];
        }
        if (!fused || t + 1 == kSteps) sweep.update(t);
    }
    const std::size_t size = kSamples * p.hidden;
    for (std::size_t t = 0; t < kSteps; ++t) {
        all.insert(all.end(), sent[t].begin(), sent[t].end());
        if (!sequence && t + 1 < kSteps) continue;
        const auto begin = read.begin() + static_cast<std::ptrdiff_t>(sequence ? t * size : 0);
        all.insert(all.end(), begin, begin + static_cast<std::ptrdiff_t>(size));
    }
    if (!back) return all;
    Numbers rows(kSamples * kSets * 2, 0.0), cotangents(kSets * size);
    Numbers grad_inputs(p.parts * kSamples * 2), grad_x(kSamples * kSteps * kInputs);
    CellReverse reverse;
    reverse.grad_read = p.grad_read.data();
    reverse.rows = rows.data();
    reverse.row_size = kSets * 2;
    reverse.grad_inputs = grad_inputs.data();
    reverse.width = 2;
    reverse.gathered = grad_inputs.data();
    reverse.columns = &p.columns;
    reverse.hidden_begin = 0;
    reverse.inputs_begin = p.hidden;
    reverse.cotangents = cotangents.data();
    reverse.grad_x = grad_x.data();
    sweep.start_back(reverse);
    for (std::size_t t = kSteps; t-- > 0;) {
        if (fused) {
            sweep.backward_step(t);
        } else {
            sweep.cell_backward(t);
            sweep.reverse(t);
        }
        for (std::size_t n = kSamples * 2; n < grad_inputs.size(); ++n) {
            grad_inputs[n] = p.grad_inputs[t * p.parts * kSamples * 2 + n];
        }
        if (!fused || t == 0) sweep.scatter_input_gradients(t);
    }
    all.insert(all.end(), rows.begin(), rows.end());
    all.insert(all.end(), grad_x.begin(), grad_x.end());
    return all;
}

}  // namespace

int main() {
    const Program program(pair());
    const BatchPlan plan(program);
    for (const Kernel& kernel : available_kernels()) {
        if (kernel.precision != Precision::float64) continue;
        for (const std::size_t others : {0, 1, 3}) {
            const Problem p(others);
            Member member;
            member.batch = &plan;
            member.picks = {{false, 0}, {true, 1}};
            PartitionSweep gates(kernel, {member}, kSets);
            CellSweep sweep(gates, kernel);
            for (const bool sequence : {false, true}) {
                const Numbers expected = step_by_step(p, kernel, gates, sequence);
                Numbers before = in_common(p, sweep, gates, sequence, true, false);
                before.insert(before.end(),
                              expected.begin() + static_cast<std::ptrdiff_t>(before.size()),
                              expected.end());
                if (before != expected) {
                    ++failures;
                    std::printf("%s, %zu other units: forward alone differs\n", kernel.isa, others);
                }
                for (const bool fused : {false, true}) {
                    if (in_common(p, sweep, gates, sequence, fused) == expected) continue;
                    ++failures;
                    std::printf("%s, %zu other units, sequence %d, fused %d: differs\n", kernel.isa,
                                others, sequence, fused);
                }
            }
        }
    }
    std::printf("cell and circuits, %d failures\n", failures);
    return failures == 0 ? 0 : 1;
}
