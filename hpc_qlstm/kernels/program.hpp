// The short program that a circuit becomes, as plain data that every kernel reads.
//
// Three ideas make it short:
// - Gates on one qubit between two entangling gates merge into one `Run`: a single 2x2 matrix.
// - CNOT and X move no data. They only relabel basis states by an affine map over GF(2), so the
//   compiler tracks where logical state l is stored, origin ^ XOR of flips[j] over the bits j set
//   in l, and each later step gets the index map of its own time.
// - The runs that act on |0...0> before any entangling gate make a product state.
// The matrices are in SU(2): global phases change neither outputs nor gradients, so H and X are
// stored as rotations by constant angles.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "circuit.hpp"

namespace hpc_qlstm {

constexpr int kLowBits = 8;

// An affine map from numbers of `bits` bits to storage indices. Index n is
// base(n >> kLowBits) ^ low[n & 255]; the high part comes from `columns`, so that the map takes a
// constant amount of memory whatever the number of qubits.
struct IndexMap {
    std::uint32_t bits;
    std::uint32_t origin;
    std::uint32_t columns[kMaxQubits];
    std::uint32_t low[1 << kLowBits];
};

enum class Axis : std::uint8_t { x, y, z };

// One rotation of a run. `slot` numbers the per-lane angles (features) or the uniform angles
// (weights and constants). `gradient` is where the derivative by this angle is summed: weight w
// at w, per-lane slot s at weights + s, -1 for a constant.
struct Turn {
    Axis axis;
    bool per_lane;
    std::uint32_t slot;
    std::int32_t gradient;
};

enum class Shape : std::uint8_t { general, real, diagonal };

// Merged rotations of one qubit, turns[first .. first + count) in the order of application.
struct Run {
    std::uint32_t first;
    std::uint32_t count;
    std::uint32_t matrix;  // number of this run's matrix
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

// `rotate`: apply `run` to the pairs (n, n ^ flip), n in `map`; bits[0] is the qubit's value.
// `negate`: change the sign of the amplitudes in `map`, where both `bits` are 1 (CZ).
struct Step {
    StepKind kind;
    Run run;
    std::uint32_t flip;
    Parity bits[2];
    IndexMap map;
};

struct UniformAngle {
    bool is_weight;
    std::uint32_t weight;
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
    IndexMap readout;  // from logical to storage index after the last step
    std::vector<Parity> readout_bits;  // of each output, after the last step
    std::uint32_t matrices;  // number of runs
    // The reverse sweep ends at this step: nothing before it has a gradient to give.
    std::uint32_t reverse_end;
    bool leading_gradient;
};

}  // namespace hpc_qlstm
