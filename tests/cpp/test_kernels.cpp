// Random circuits, every gate, on every kernel of this processor: against a dense statevector, with
// gradients by central differences, in one thread and in three, which must give the same bits.
//
// usage: test_kernels [CIRCUITS]
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <random>
#include <vector>

#include "batch/batch_plan.hpp"
#include "batch/evaluate.hpp"
#include "compile/program.hpp"
#include "isa/dispatch.hpp"
#include "lstm/cell.hpp"
#include "numbers.hpp"
#include "state/evaluate_state.hpp"
#include "state/state_plan.hpp"
#include "statevector.hpp"

namespace {

using namespace hpc_qlstm;

std::mt19937_64 random_bits(7);

int below(int count) { return std::uniform_int_distribution<int>(0, count - 1)(random_bits); }

Numbers normal(std::size_t count) { return hpc_qlstm::normal(random_bits, count); }

Circuit random_circuit(int qubits, int gates) {
    constexpr GateKind kinds[] = {GateKind::h,  GateKind::x,    GateKind::rx, GateKind::ry,
                                  GateKind::rz, GateKind::cnot, GateKind::cz};
    Circuit circuit{qubits, below(6) == 0 ? 0 : 2, below(6) == 0 ? 0 : 3, 1 + below(qubits), {}};
    for (int n = 0; n < gates; ++n) {
        Gate gate{};
        gate.kind = kinds[below(qubits > 1 ? 7 : 5)];
        gate.target = below(qubits);
        gate.control = -1;
        if (gate.kind == GateKind::cnot || gate.kind == GateKind::cz) {
            gate.control = (gate.target + 1 + below(qubits - 1)) % qubits;
        }
        gate.source = Source::none;
        if (gate.kind == GateKind::rx || gate.kind == GateKind::ry || gate.kind == GateKind::rz) {
            constexpr Source sources[] = {Source::constant, Source::weight, Source::feature};
            gate.source = sources[below(3)];
            if (gate.source == Source::weight && circuit.weights == 0) {
                gate.source = Source::constant;
            }
            if (gate.source == Source::feature && circuit.features == 0) {
                gate.source = Source::constant;
            }
            gate.index = static_cast<std::uint32_t>(below(gate.source == Source::weight ? 3 : 2));
            constexpr Transform transforms[] = {Transform::identity, Transform::arctan,
                                                Transform::arctan_square};
            if (gate.source == Source::feature) gate.transform = transforms[below(3)];
            gate.value = below(2) != 0 ? 1.0 : -0.7;
        }
        circuit.gates.push_back(gate);
    }
    return circuit;
}

// The layered circuit that training uses; real where `real`.
Circuit layered_circuit(int qubits, int layers, bool real) {
    Circuit circuit{qubits, 2, 3, qubits, {}};
    std::uint32_t used = 0;
    for (int k = 0; k < qubits; ++k) {
        circuit.gates.push_back({GateKind::h, k, -1, Source::none, 0, Transform::identity, 0.0});
        circuit.gates.push_back({GateKind::ry, k, -1, Source::feature,
                                 static_cast<std::uint32_t>(k % 2), Transform::arctan, 1.0});
    }
    for (int layer = 0; layer < layers; ++layer) {
        for (int k = 0; k + 1 < qubits; ++k) {
            circuit.gates.push_back(
                {GateKind::cnot, k + 1, k, Source::none, 0, Transform::identity, 0.0});
        }
        for (int k = 0; k < qubits; ++k) {
            for (GateKind kind : {GateKind::ry, GateKind::rz}) {
                if (real && kind == GateKind::rz) continue;
                circuit.gates.push_back(
                    {kind, k, -1, Source::weight, used++ % 3, Transform::identity, 1.0});
            }
        }
    }
    return circuit;
}

struct Results {
    Numbers outputs, weight_rows, feature_rows, weight_sums;
};

Results evaluate_with(const Circuit& circuit, const Program& program, const Kernel& kernel,
                      bool one_state, std::size_t threads, std::size_t samples, std::size_t sets,
                      const Numbers& features, const Numbers& weights, const Numbers& cotangent) {
    const std::size_t rows = samples * sets;
    Results to{Numbers(rows * circuit.outputs),
               Numbers(rows * circuit.weights),
               Numbers(rows * circuit.features),
               {}};
    Batch batch{};
    batch.samples = samples;
    batch.sets = sets;
    batch.features = features.data();
    batch.weights = weights.data();
    batch.cotangent = cotangent.empty() ? nullptr : cotangent.data();
    batch.outputs = to.outputs.data();
    batch.weight_rows = to.weight_rows.data();
    batch.feature_rows = to.feature_rows.data();
    if (one_state) {
        std::uint32_t lane_bits = 0;
        while (std::size_t{2} << lane_bits <= kernel.lanes()) ++lane_bits;
        const StatePlan plan(program, lane_bits, 7);  // small tiles: several groups and passes
        evaluate_state(plan, kernel, batch, threads);
    } else {
        const BatchPlan plan(program);
        evaluate(plan, kernel, batch, threads);
        const std::size_t groups = (rows + kernel.lanes() - 1) / kernel.lanes();
        to.weight_sums.resize(groups * circuit.weights);
        batch.weight_rows = nullptr;
        batch.weight_sums = to.weight_sums.data();
        if (!cotangent.empty()) evaluate(plan, kernel, batch, threads);
    }
    return to;
}

double difference(const Numbers& a, const Numbers& b) {
    double worst = 0.0;
    for (std::size_t n = 0; n < a.size(); ++n) worst = std::max(worst, std::abs(a[n] - b[n]));
    return worst;
}

// By central differences: exact to about 1e-9.
Results reference(const Circuit& circuit, std::size_t samples, std::size_t sets,
                  const Numbers& features, const Numbers& weights, const Numbers& cotangent) {
    Results to;
    for (std::size_t row = 0; row < samples * sets; ++row) {
        const std::size_t sample = row % samples, set = row / samples;
        const auto begin =
            features.begin() + static_cast<std::ptrdiff_t>(sample) * circuit.features;
        const auto first = weights.begin() + static_cast<std::ptrdiff_t>(set) * circuit.weights;
        Numbers x(begin, begin + circuit.features), w(first, first + circuit.weights);
        const auto value = [&] {
            const Numbers y = testing::expectations(circuit, x.data(), w.data());
            double sum = 0.0;
            for (std::size_t k = 0; k < y.size(); ++k) sum += cotangent[row * y.size() + k] * y[k];
            return sum;
        };
        for (double y : testing::expectations(circuit, x.data(), w.data())) to.outputs.push_back(y);
        constexpr double h = 1e-5;
        const auto derive = [&](Numbers& by, Numbers& rows) {
            for (double& variable : by) {
                const double kept = variable;
                variable = kept + h;
                const double above = value();
                variable = kept - h;
                rows.push_back((above - value()) / (2 * h));
                variable = kept;
            }
        };
        derive(w, to.weight_rows);
        derive(x, to.feature_rows);
    }
    return to;
}

int failures = 0;

void expect(bool good, const char* what, const Kernel& kernel, bool one_state, double found) {
    if (good) return;
    ++failures;
    std::printf("FAILED %s: %s, %s, mode %s: %g\n", what, kernel.isa,
                kernel.precision == Precision::float32 ? "single" : "double",
                one_state ? "state" : "batch", found);
}

void compare(const Circuit& circuit) {
    const std::size_t samples = static_cast<std::size_t>(1 + below(19));
    const std::size_t sets = static_cast<std::size_t>(1 + below(3));
    const Numbers x = normal(samples * circuit.features), w = normal(sets * circuit.weights);
    const Numbers cotangent = normal(samples * sets * circuit.outputs);
    const Results want = reference(circuit, samples, sets, x, w, cotangent);
    const Program program(circuit);
    for (const Kernel& kernel : available_kernels()) {
        const bool single = kernel.precision == Precision::float32;
        for (bool one_state : {false, true}) {
            const auto run = [&](std::size_t threads, const Numbers& c) {
                return evaluate_with(circuit, program, kernel, one_state, threads, samples, sets, x,
                                     w, c);
            };
            const Results got = run(1, cotangent), threaded = run(3, cotangent);
            const double outputs = difference(got.outputs, want.outputs);
            expect(outputs < (single ? 2e-5 : 1e-12), "outputs", kernel, one_state, outputs);
            const double gradient = std::max(difference(got.weight_rows, want.weight_rows),
                                             difference(got.feature_rows, want.feature_rows));
            expect(gradient < (single ? 1e-3 : 1e-7), "gradients", kernel, one_state, gradient);
            Numbers sums(circuit.weights), sums_of_groups(circuit.weights);
            for (std::size_t n = 0; n < got.weight_rows.size(); ++n) {
                sums[n % circuit.weights] += got.weight_rows[n];
            }
            for (std::size_t n = 0; n < got.weight_sums.size(); ++n) {
                sums_of_groups[n % circuit.weights] += got.weight_sums[n];
            }
            const double added = one_state ? 0.0 : difference(sums, sums_of_groups);
            expect(added < 1e-12, "sums of weight gradients", kernel, one_state, added);
            expect(got.outputs == threaded.outputs && got.weight_rows == threaded.weight_rows &&
                       got.feature_rows == threaded.feature_rows,
                   "bits in three threads", kernel, one_state, 0.0);
            expect(run(1, {}).outputs == got.outputs, "bits without gradient", kernel, one_state,
                   0.0);
        }
    }
}

// Enough samples that all threads have work; no reference.
void compare_threads(const Circuit& circuit, std::size_t samples) {
    const Numbers x = normal(samples * circuit.features), w = normal(circuit.weights);
    const Numbers cotangent = normal(samples * circuit.outputs);
    const Program program(circuit);
    for (const Kernel& kernel : available_kernels()) {
        for (bool one_state : {false, true}) {
            const auto run = [&](std::size_t threads) {
                return evaluate_with(circuit, program, kernel, one_state, threads, samples, 1, x, w,
                                     cotangent);
            };
            const Results one = run(1), three = run(3);
            expect(one.outputs == three.outputs && one.weight_rows == three.weight_rows &&
                       one.feature_rows == three.feature_rows &&
                       one.weight_sums == three.weight_sums,
                   "bits of many samples in three threads", kernel, one_state, 0.0);
        }
    }
}

void compare_cells() {
    for (const Kernel& kernel : available_kernels()) {
        for (std::size_t size : {0, 1, 7, 8, 37}) {
            const std::size_t steps = 2;
            Cell cell(kernel, steps, size);
            Numbers hidden(size), c(size, 0.0), grad_z(4 * size);
            for (std::size_t t = 0; t < steps; ++t) {
                const Numbers z = normal(4 * size);
                cell.forward(t, z.data(), hidden.data());
                for (std::size_t n = 0; n < size; ++n) {
                    const auto gate = [&](std::size_t g) {
                        return 1 / (1 + std::exp(-z[g * size + n]));
                    };
                    c[n] = gate(0) * c[n] + gate(1) * std::tanh(z[2 * size + n]);
                    const double error = std::abs(hidden[n] - gate(3) * std::tanh(c[n]));
                    expect(error < 1e-14, "cell", kernel, false, error);
                }
            }
            const Numbers grad_hidden = normal(size);
            for (std::size_t t = steps; t-- > 0;) {
                cell.reverse(t, grad_hidden.data(), grad_z.data());
            }
        }
    }
}

}  // namespace

int main(int count, char** words) {
    const int circuits = count > 1 ? std::atoi(words[1]) : 200;
    for (int n = 0; n < circuits; ++n) compare(random_circuit(1 + n % 8, 1 + below(40)));
    for (int qubits = 1; qubits <= 8; ++qubits) {
        compare(layered_circuit(qubits, 3, true));
        compare(layered_circuit(qubits, 3, false));
    }
    compare(random_circuit(10, 60));
    compare_threads(layered_circuit(6, 3, false), 300);
    compare_threads(layered_circuit(6, 3, true), 300);
    compare_threads(layered_circuit(10, 2, false), 20);
    compare_cells();
    std::printf("%d random and 16 layered circuits, %zu kernels, %d failures\n", circuits,
                available_kernels().size(), failures);
    return failures == 0 ? 0 : 1;
}
