#include "compile/light_cone.hpp"

#include <algorithm>

namespace hpc_qlstm {
namespace {

enum Support { absent = 0, z_only = 1, any = 2 };  // ordered: more is less known

}  // namespace

std::vector<bool> light_cone(const Circuit& circuit) {
    std::vector<Support> on(circuit.qubits, absent);
    std::fill_n(on.begin(), circuit.outputs, z_only);
    std::vector<bool> matters(circuit.gates.size(), false);

    for (std::size_t n = circuit.gates.size(); n-- > 0;) {
        const Gate& gate = circuit.gates[n];
        Support& target = on[gate.target];
        switch (gate.kind) {
            case GateKind::x:  // flips the sign of Z, keeps its axis
                matters[n] = target != absent;
                break;
            case GateKind::rz: matters[n] = target == any; break;
            case GateKind::h:
            case GateKind::rx:
            case GateKind::ry:
                matters[n] = target != absent;
                if (matters[n]) target = any;
                break;
            case GateKind::cnot: {  // Z_t -> Z_c Z_t and X_c -> X_c X_t
                Support& control = on[gate.control];
                matters[n] = control == any || target != absent;
                if (control == any) target = any;
                if (target != absent) control = std::max(control, z_only);
                break;
            }
            case GateKind::cz: {  // X_a -> X_a Z_b
                Support& control = on[gate.control];
                matters[n] = control == any || target == any;
                if (matters[n]) {
                    control = std::max(control, z_only);
                    target = std::max(target, z_only);
                }
                break;
            }
        }
    }
    return matters;
}

}  // namespace hpc_qlstm
