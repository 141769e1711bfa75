// Which gates can change the outputs at all.
#pragma once

#include <vector>

#include "compile/circuit.hpp"

namespace hpc_qlstm {

// One flag for each gate: false when removing the gate changes no output, whatever the angles.
//
// The observables Z_k are carried backwards through the circuit (Heisenberg picture), keeping for
// each qubit only whether they act on it, and whether as Z alone. A gate on a qubit that they do
// not touch drops out, and so does RZ or CZ where they are Z: the last RZ of `rot_ring`, for one.
std::vector<bool> light_cone(const Circuit& circuit);

}  // namespace hpc_qlstm
