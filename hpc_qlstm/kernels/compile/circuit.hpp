// A circuit as the kernels receive it: the C++ twin of hpc_qlstm/circuits/circuit.py.
//
// Qubit 0 is the least significant bit of a basis state's index. RX, RY, RZ are
// exp(-i angle P / 2), angles in radians. Outputs are <Z_k> of the first `outputs` qubits.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace hpc_qlstm {

enum class GateKind : std::uint8_t { h, x, rx, ry, rz, cnot, cz };
enum class Source : std::uint8_t { none, constant, weight, feature };
enum class Transform : std::uint8_t { identity, arctan, arctan_square };

struct Gate {
    GateKind kind = GateKind::h;
    int target = 0;
    int control = -1;  // of cnot and cz; -1 for the others
    Source source = Source::none;
    std::uint32_t index = 0;  // of the weight or the feature
    Transform transform = Transform::identity;
    double value = 0.0;  // the constant angle, or the scale of a weight or a feature
};

struct Circuit {
    int qubits = 1;
    int features = 0;
    int weights = 0;
    int outputs = 1;
    std::vector<Gate> gates;
};

constexpr int kMaxQubits = 28;

// The enumerators by the names that the Python description uses; std::invalid_argument otherwise.
GateKind gate_kind(const std::string& name);
Source source(const std::string& name);
Transform transform(const std::string& name);

// Throws std::invalid_argument when a gate points outside the circuit's qubits, weights or
// features: the kernels index memory with these numbers and check nothing themselves.
void check(const Circuit& circuit);

}  // namespace hpc_qlstm
