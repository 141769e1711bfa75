// The short program that a circuit becomes, as plain data that every kernel reads.
//
// Three ideas make it short:
// - Gates on one qubit between two entangling gates merge into one `Run`: a single 2x2 matrix.
// - CNOT and X move no data. They only relabel basis states by an affine map over GF(2), so the
//   compiler tracks where logical state l is stored, origin ^ XOR of flips[j] over the bits j set
//   in l, and each later step gets the flips and parities of its own time.
// - The runs that act on |0...0> before any entangling gate make a product state.
// The matrices are in SU(2): global phases change neither outputs nor gradients, so H and X are
// stored as rotations by constant angles.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "compile/circuit.hpp"

namespace hpc_qlstm {

enum class Axis : std::uint8_t { x, y, z };

// One rotation of a run. `slot` numbers the per-lane angles (features) or the uniform angles
// (weights and constants). `gradient` is where the derivative by this angle is summed: weight w
// at w, `scale` times, per-lane slot s at weights + s, -1 for a constant.
struct Turn {
    Axis axis;
    bool per_lane;
    std::uint32_t slot;
    std::int32_t gradient;
    double scale;  // of a weight, else 1
};

enum class Shape : std::uint8_t { general, real, diagonal };

// Merged rotations of one qubit, turns[first .. first + count) in the order of application.
struct Run {
    std::uint32_t first;
    std::uint32_t count;
    std::uint32_t matrix;          // number of this run's matrix
    std::uint32_t first_gradient;  // the earliest turn with a gradient; first + count if none
    Shape shape;
    bool per_lane;  // some angle is a feature
};

enum class StepKind : std::uint8_t { rotate, negate };

// A logical bit as a function of the storage index: parity(mask & index) ^ constant.
struct Parity {
    std::uint32_t mask;
    bool constant;
};

// `rotate`: apply `run` to the pairs (n, n ^ flip); bits[0] is the qubit's value.
// `negate`: change the sign of the amplitudes where both `bits` are 1 (CZ).
// `output` is the qubit of a rotation that nothing but the measurement follows, else -1.
struct Step {
    StepKind kind;
    Run run;
    std::int32_t output;
    std::uint32_t flip;
    Parity bits[2];
};

struct UniformAngle {
    bool is_weight;
    std::uint32_t weight;
    double scale;               // of the weight
    double cos_half, sin_half;  // of a constant
};

struct LaneAngle {
    std::uint32_t feature;
    Transform transform;
    double scale;
};

struct Program {
    explicit Program(const Circuit& circuit);  // throws std::invalid_argument

    int qubits, features, weights, outputs;
    std::vector<UniformAngle> uniform_angles;
    std::vector<LaneAngle> lane_angles;
    std::vector<Turn> turns;
    std::vector<Run> leading;  // one for each qubit; a run of no turns is the identity
    std::vector<Step> steps;
    // After the last step: the storage of logical state l is origin ^ XOR of flips[j], j set in l.
    std::uint32_t origin;
    std::vector<std::uint32_t> flips;
    std::vector<Parity> readout;  // the value of each output
    std::uint32_t matrices;       // number of runs
    bool leading_gradient;
    bool real;  // all amplitudes are real at all times
};

inline bool has_gradient(const Run& run) { return run.first_gradient < run.first + run.count; }

inline bool has_gradient(const Step& step) {
    return step.kind == StepKind::rotate && has_gradient(step.run);
}

// Whether two steps may change places.
bool commute(const Step& a, const Step& b);

}  // namespace hpc_qlstm
