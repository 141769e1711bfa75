// The sweep over partitions beside one evaluation of each, in one thread and in three, on every
// kernel of this processor; all must give the same bits. And sums over blocks of all ranks.
#include <cstdio>
#include <memory>
#include <random>
#include <vector>

#include "batch/evaluate.hpp"
#include "lstm/batch_sums.hpp"
#include "lstm/partition_sweep.hpp"
#include "numbers.hpp"

namespace {

using namespace hpc_qlstm;

std::mt19937_64 random_bits(11);
int failures = 0;

Numbers normal(std::size_t count) { return hpc_qlstm::normal(random_bits, count); }

void expect(bool right, const char* what, const char* isa) {
    if (right) return;
    ++failures;
    std::printf("%s, %s: differs\n", what, isa);
}

Circuit ring(int qubits, int features) {
    Circuit circuit{qubits, features, qubits, qubits, {}};
    for (int k = 0; k < qubits; ++k) {
        const auto feature = static_cast<std::uint32_t>(k % features);
        circuit.gates.push_back(
            {GateKind::ry, k, -1, Source::feature, feature, Transform::arctan, 1.0});
    }
    for (int k = 0; k + 1 < qubits; ++k) {
        circuit.gates.push_back(
            {GateKind::cnot, k + 1, k, Source::none, 0, Transform::identity, 0.0});
    }
    for (int k = 0; k < qubits; ++k) {
        const auto weight = static_cast<std::uint32_t>(k);
        circuit.gates.push_back(
            {GateKind::rx, k, -1, Source::weight, weight, Transform::identity, 1.0});
    }
    return circuit;
}

// `count` partitions of two and three qubits, each with its own outputs of the hidden vector.
void compare(const Kernel& kernel, std::size_t count) {
    constexpr std::size_t sets = 4, samples = 5, steps = 2, inputs = 2;
    const Program two(ring(2, 2)), three(ring(3, 3));
    const BatchPlan two_plan(two), three_plan(three);
    std::vector<Member> members;
    std::size_t weights = 0, hidden = 0, features = 0;
    for (std::size_t m = 0; m < count; ++m) {
        const Program& program = m % 2 ? three : two;
        const auto qubits = static_cast<std::uint32_t>(program.qubits);
        Member member;
        member.batch = m % 2 ? &three_plan : &two_plan;
        member.weights_begin = member.rows_begin = weights;
        member.output_begin = hidden;
        for (std::uint32_t f = 0; f < qubits; ++f) {
            member.picks.push_back(
                {f == 0, static_cast<std::uint32_t>(f == 0 ? m % inputs : (m + f) % 4)});
        }
        weights += sets * qubits;
        hidden += qubits;
        features += qubits;
        members.push_back(member);
    }
    const Numbers flat = normal(weights), state = normal(samples * 4);
    const Numbers x = normal(samples * steps * inputs);
    const Numbers cotangents = normal(sets * samples * hidden);
    const auto run = [&](std::size_t threads) {
        PartitionSweep sweep(kernel, members, sets);
        sweep.begin(steps, samples);
        Numbers outputs(steps * sets * samples * hidden), rows(samples * weights, 0.0);
        Numbers grad_inputs(steps * samples * features);
        for (std::size_t t = 0; t < steps; ++t) {
            StepInput in;
            in.state = state.data();
            in.state_width = 4;
            in.x = x.data() + t * inputs;
            in.x_stride = steps * inputs;
            in.weights = flat.data();
            sweep.forward(t, threads, in, outputs.data() + t * sets * samples * hidden, hidden);
        }
        for (std::size_t t = steps; t-- > 0;) {
            StepGradient gradient;
            gradient.weights = flat.data();
            gradient.cotangents = cotangents.data();
            gradient.hidden = hidden;
            gradient.rows = rows.data();
            gradient.row_size = weights;
            gradient.grad_inputs = grad_inputs.data() + t * samples * features;
            gradient.width = features;
            sweep.reverse(t, threads, gradient);
        }
        outputs.insert(outputs.end(), rows.begin(), rows.end());
        outputs.insert(outputs.end(), grad_inputs.begin(), grad_inputs.end());
        return outputs;
    };
    const Numbers one = run(1);
    expect(one == run(3), "three threads", kernel.isa);
    // By one evaluation of the last member at the last step.
    const Member& last = members.back();
    const auto qubits = static_cast<std::size_t>(last.program().qubits);
    Numbers picked(samples * qubits), alone(sets * samples * qubits);
    for (std::size_t b = 0; b < samples; ++b) {
        for (std::size_t f = 0; f < qubits; ++f) {
            const Pick& pick = last.picks[f];
            picked[b * qubits + f] = pick.from_x ? x[(b * steps + steps - 1) * inputs + pick.column]
                                                 : state[b * 4 + pick.column];
        }
    }
    Batch batch{};
    batch.samples = samples;
    batch.sets = sets;
    batch.features = picked.data();
    batch.weights = flat.data() + last.weights_begin;
    batch.outputs = alone.data();
    evaluate(*last.batch, kernel, batch, 1);
    bool same = true;
    for (std::size_t row = 0; row < sets * samples; ++row) {
        for (std::size_t k = 0; k < qubits; ++k) {
            const double packed =
                one[((steps - 1) * sets * samples + row) * hidden + hidden - qubits + k];
            same = same && packed == alone[row * qubits + k];
        }
    }
    expect(same, "one evaluation", kernel.isa);
}

// However blocks lie on replicas, their sum is that of one after the other.
void compare_sums() {
    constexpr std::size_t width = 4, count = 6;
    const Numbers blocks = normal(count * width);
    const auto added = [&](std::vector<std::size_t> counts) {
        std::size_t most = 0, at = 0;
        for (const std::size_t each : counts) most = each > most ? each : most;
        Numbers received(counts.size() * most * width, 0.0), gradient(2), shared(1);
        for (std::size_t r = 0; r < counts.size(); ++r) {
            for (std::size_t k = 0; k < counts[r] * width; ++k) {
                received[r * most * width + k] = blocks[at++];
            }
        }
        GatheredBlocks gathered;
        gathered.received = received.data();
        gathered.most = most;
        gathered.width = width;
        gathered.begin = 2;
        gathered.counts = counts;
        gathered.offsets = {0, 2};
        const double loss = add_blocks(gathered, 1, gradient.data(), shared.data());
        return Numbers{loss, gradient[0], gradient[1], shared[0]};
    };
    expect(added({6}) == added({2, 3, 1}) && added({6}) == added({0, 6}), "sums over blocks",
           "any");
    Numbers whole(width);
    block_sums(blocks.data(), width, {10, 16}, whole.data());
    const Numbers parts = added({6});
    expect(whole[0] == parts[0] && whole[2] == parts[1], "a block's sum", "any");
}

}  // namespace

int main() {
    for (const Kernel& kernel : available_kernels()) {
        for (const std::size_t count : {1, 2, 40}) compare(kernel, count);
    }
    compare_sums();
    std::printf("sweeps over partitions, %zu kernels, %d failures\n", available_kernels().size(),
                failures);
    return failures == 0 ? 0 : 1;
}
