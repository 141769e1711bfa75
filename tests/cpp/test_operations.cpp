// BatchPlan::operations() against a count of what the passes execute: the same headers, with a
// number in place of a vector register that counts its additions and multiplications.
#include <cstdio>
#include <vector>

namespace {

double counted = 0.0;

struct Number {
    double value;

    Number() = default;
    explicit Number(double v) : value(v) {}
    double& operator[](int) { return value; }
    Number operator-() const { return Number(-value); }

    friend Number operator+(Number a, Number b) { return ++counted, Number(a.value + b.value); }
    friend Number operator-(Number a, Number b) { return ++counted, Number(a.value - b.value); }
    friend Number operator*(Number a, Number b) { return ++counted, Number(a.value * b.value); }
    friend Number operator*(double a, Number b) { return Number(a) * b; }
    friend Number operator-(double a, Number b) { return Number(a - b.value); }  // splat() alone
    Number& operator+=(Number b) { return *this = *this + b; }
    Number& operator-=(Number b) { return *this = *this - b; }
};

}  // namespace

#define HPC_QLSTM_REAL double
#define HPC_QLSTM_LANES 1
#define HPC_QLSTM_COUNTING_LANES Number
#include "batch/batch_plan.hpp"
#include "simd/passes.hpp"
#include "simd/product.hpp"
#include "simd/readout.hpp"

namespace {

using namespace hpc_qlstm;

// The sweep of batch_kernel.cpp, all inputs of layers kept.
template <unsigned parts>
void sweep(const Program& program, const BatchPlan& plan, bool gradient) {
    const BatchView view = plan.view();
    const std::size_t size = std::size_t{parts} << program.qubits;
    std::vector<Number> psi(size, Number(0.5)), bra(size, Number(0.5)), table(256, Number(0.0));
    std::vector<Number> z(program.outputs, Number(0.0));
    const Su2<Lanes> u{Number(0.5), Number(0.5), Number(0.5), Number(0.5)}, both[2] = {u, u};
    const auto matrix = [&](std::size_t) { return u; };
    Lanes v[2][3], r[2][2];
    const Lanes weights[2][2] = {{u.ar, u.ar}, {u.ar, u.ar}};
    const auto rotate_pass = [&](const Pass& pass, Lanes* state) {
        by_kind<parts>(
            pass, [&](auto kind) { rotate<kind.K, kind.shape, parts>(pass, both, state, state); });
    };

    product_state<parts>(program.qubits, matrix, psi.data());
    for (std::size_t l = 0; l < view.layer_count; ++l) {
        const Layer& layer = view.layers[l];
        for (std::uint32_t n = layer.begin; layer.rotations && n < layer.end; ++n) {
            rotate_pass(view.passes[n], psi.data());
        }
    }
    expectations<parts>(*view.readout, program.outputs, psi.data(), table.data(), z.data());
    if (gradient) {
        weighted_bra<parts>(*view.readout, program.outputs, z.data(), psi.data(), table.data(),
                            bra.data());
    }
    for (std::size_t n = 0; n < view.last_count; ++n) {
        by_kind<parts>(view.last[n], [&](auto kind) {
            if (gradient) {
                measure<kind.K, kind.shape, parts, true>(view.last[n], weights, psi.data(),
                                                         bra.data(), r);
            } else {
                measure<kind.K, kind.shape, parts, false>(view.last[n], weights, psi.data(),
                                                          nullptr, r);
            }
        });
    }
    if (!gradient) return;
    for (std::size_t l = view.layer_count; l-- > view.reverse_end;) {
        const Layer& layer = view.layers[l];
        const bool bra_before = l > view.reverse_end || program.leading_gradient;
        for (std::uint32_t n = layer.begin; layer.rotations && n < layer.end; ++n) {
            const Pass& pass = view.passes[n];
            if (layer.gradient) {
                by_kind<parts>(pass, [&](auto kind) {
                    read_overlaps<kind.K, kind.shape, parts, false>(pass, both, psi.data(),
                                                                    bra.data(), v);
                });
            }
            if (bra_before) rotate_pass(pass, bra.data());
        }
    }
    if (program.leading_gradient) {
        product_gradient<parts>(program.qubits, matrix, bra.data(), psi.data(),
                                [](std::size_t, Lanes*) {});
    }
}

Circuit layered(int qubits, bool real, int layers) {
    Circuit circuit{qubits, qubits, 2 * qubits * layers, qubits, {}};
    std::uint32_t used = 0;
    for (int k = 0; k < qubits; ++k) {
        circuit.gates.push_back({GateKind::ry, k, -1, Source::feature,
                                 static_cast<std::uint32_t>(k), Transform::identity, 1.0});
    }
    for (int layer = 0; layer < layers; ++layer) {
        for (int k = 0; k < qubits; ++k) {
            circuit.gates.push_back(
                {GateKind::cnot, (k + 1) % qubits, k, Source::none, 0, Transform::identity, 0.0});
        }
        for (int k = 0; k < qubits; ++k) {
            for (GateKind kind : {GateKind::rz, GateKind::ry}) {
                if (real && kind == GateKind::rz) continue;
                circuit.gates.push_back(
                    {kind, k, -1, Source::weight, used++, Transform::identity, 1.0});
            }
        }
    }
    return circuit;
}

}  // namespace

int main() {
    int failures = 0;
    for (int qubits : {4, 7, 8, 10}) {
        for (bool real : {false, true}) {
            for (bool gradient : {false, true}) {
                const Program program(layered(qubits, real, 3));
                const BatchPlan plan(program);
                counted = 0.0;
                real ? sweep<1>(program, plan, gradient) : sweep<2>(program, plan, gradient);
                const double claimed = plan.operations(gradient);
                // What is left out is small, and never to our favour.
                const bool good = claimed <= counted && claimed > 0.9 * counted;
                failures += !good;
                std::printf("%2d qubits, %s, %s: counted %.0f, claimed %.0f%s\n", qubits,
                            real ? "real" : "complex", gradient ? "gradient" : "forward", counted,
                            claimed, good ? "" : " FAILED");
            }
        }
    }
    return failures == 0 ? 0 : 1;
}
