// Expectation values of a circuit, gate by gate on a dense statevector: slow and obvious.
#pragma once

#include <cmath>
#include <complex>
#include <vector>

#include "compile/circuit.hpp"

namespace hpc_qlstm::testing {

using Complex = std::complex<double>;

inline double transformed(Transform transform, double x) {
    switch (transform) {
        case Transform::arctan: return std::atan(x);
        case Transform::arctan_square: return std::atan(x * x);
        default: return x;
    }
}

inline double angle_of(const Gate& gate, const double* features, const double* weights) {
    switch (gate.source) {
        case Source::weight: return gate.value * weights[gate.index];
        case Source::feature: return gate.value * transformed(gate.transform, features[gate.index]);
        default: return gate.value;
    }
}

// 2x2, row by row; the target's part of CNOT and CZ.
inline std::vector<Complex> matrix_of(const Gate& gate, double angle) {
    const Complex i(0.0, 1.0);
    const double c = std::cos(angle / 2), s = std::sin(angle / 2), r = std::sqrt(0.5);
    switch (gate.kind) {
        case GateKind::h: return {r, r, r, -r};
        case GateKind::rx: return {c, -i * s, -i * s, c};
        case GateKind::ry: return {c, -s, s, c};
        case GateKind::rz: return {std::exp(-i * (angle / 2)), 0.0, 0.0, std::exp(i * (angle / 2))};
        case GateKind::cz: return {1.0, 0.0, 0.0, -1.0};
        default: return {0.0, 1.0, 1.0, 0.0};  // X, CNOT
    }
}

inline std::vector<double> expectations(const Circuit& circuit, const double* features,
                                        const double* weights) {
    std::vector<Complex> psi(std::size_t{1} << circuit.qubits, 0.0);
    psi[0] = 1.0;
    for (const Gate& gate : circuit.gates) {
        const auto u = matrix_of(gate, angle_of(gate, features, weights));
        const std::size_t bit = std::size_t{1} << gate.target;
        const std::size_t control = gate.control < 0 ? 0 : std::size_t{1} << gate.control;
        for (std::size_t n = 0; n < psi.size(); ++n) {
            if ((n & bit) != 0 || (n & control) != control) continue;
            const Complex zero = psi[n], one = psi[n | bit];
            psi[n] = u[0] * zero + u[1] * one;
            psi[n | bit] = u[2] * zero + u[3] * one;
        }
    }
    std::vector<double> outputs(circuit.outputs, 0.0);
    for (std::size_t n = 0; n < psi.size(); ++n) {
        for (int k = 0; k < circuit.outputs; ++k) {
            outputs[k] += (n >> k & 1) != 0 ? -std::norm(psi[n]) : std::norm(psi[n]);
        }
    }
    return outputs;
}

}  // namespace hpc_qlstm::testing
