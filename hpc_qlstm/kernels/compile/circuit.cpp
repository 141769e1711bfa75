#include "compile/circuit.hpp"

#include <stdexcept>

namespace hpc_qlstm {
namespace {

template <typename Enum, std::size_t N>
Enum by_name(const std::string& name, const char* const (&names)[N]) {
    for (std::size_t n = 0; n < N; ++n) {
        if (name == names[n]) return static_cast<Enum>(n);
    }
    throw std::invalid_argument("circuit: the native engine does not know '" + name + "'");
}

void require(bool holds, const char* what) {
    if (!holds) throw std::invalid_argument(std::string("circuit: ") + what);
}

}  // namespace

GateKind gate_kind(const std::string& name) {
    return by_name<GateKind>(name, {"h", "x", "rx", "ry", "rz", "cnot", "cz"});
}

Source source(const std::string& name) {
    return by_name<Source>(name, {"none", "constant", "weight", "feature"});
}

Transform transform(const std::string& name) {
    return by_name<Transform>(name, {"identity", "arctan", "arctan_square"});
}

void check(const Circuit& circuit) {
    const int q = circuit.qubits;
    require(q >= 1 && q <= kMaxQubits, "the number of qubits is out of range");
    require(circuit.outputs >= 1 && circuit.outputs <= q, "the number of outputs is out of range");
    require(circuit.features >= 0 && circuit.weights >= 0, "a size is negative");
    for (const Gate& gate : circuit.gates) {
        const bool two = gate.kind == GateKind::cnot || gate.kind == GateKind::cz;
        const bool rotation =
            gate.kind == GateKind::rx || gate.kind == GateKind::ry || gate.kind == GateKind::rz;
        require(gate.target >= 0 && gate.target < q, "a target qubit is out of range");
        if (two) {
            require(gate.control >= 0 && gate.control < q && gate.control != gate.target,
                    "a control qubit is out of range");
        }
        require(rotation == (gate.source != Source::none), "a rotation needs an angle");
        if (gate.source == Source::weight) {
            require(gate.index < static_cast<std::uint32_t>(circuit.weights),
                    "a weight is out of range");
        }
        if (gate.source == Source::feature) {
            require(gate.index < static_cast<std::uint32_t>(circuit.features),
                    "a feature is out of range");
        }
    }
}

}  // namespace hpc_qlstm
