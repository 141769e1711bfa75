// The contract between the plain code and the kernels, one for each instruction set.
//
// A kernel works on rows: row n is sample n % samples under weight set n / samples. `lanes`
// neighbouring rows, which may belong to two or more sets, make a group and lie side by side in
// vector registers; the last group is padded. No arithmetic crosses lanes, so the bits of a row's
// results depend on neither its place in the batch nor the split of groups over threads.
//
// Numbers are double outside; the states and all that is done to them are double or float.
// Only plain data crosses this line, and the kernels' files use no std:: templates: an inline
// function compiled with AVX-512 flags could otherwise be the copy that the linker keeps for all.
#pragma once

#include <cstddef>
#include <cstdint>

#include "batch/batch_plan.hpp"
#include "compile/program.hpp"

namespace hpc_qlstm {

struct ProgramView {
    std::size_t qubits, features, weights, outputs;
    const UniformAngle* uniform_angles;
    std::size_t uniform_angle_count;
    const LaneAngle* lane_angles;
    std::size_t lane_angle_count;
    const Turn* turns;
    const Run* leading;  // `qubits` of them
    const Step* steps;
    std::size_t step_count;
    std::size_t matrices;
    // Numbers that depend on one weight set alone: half-angle (cos, sin) of the uniform angles,
    // then the matrices of the runs without features.
    std::size_t uniform_size;
    bool leading_gradient;
};

// Row-major arrays: features (samples, F), weights (sets, W), cotangent and outputs
// (sets, samples, n_out), weight_rows (sets, samples, W), feature_rows (sets, samples, F).
// Without a cotangent only the outputs are computed. With weight_sums (groups, W) instead of
// weight_rows each group of lanes leaves the sum of its rows, in their order.
struct Batch {
    std::size_t samples, sets;
    const double* features;
    const double* weights;
    const double* cotangent;
    double* outputs;
    double* weight_rows;
    double* weight_sums;
    double* feature_rows;
};

// Where things lie in a thread's scratch memory, in units of one vector of lanes.
struct Scratch {
    std::size_t psi, bra;      // states, [2^q][parts]; kept + 1 of psi
    std::size_t kept;          // layers whose inputs find room
    std::size_t table;         // [256], partial sums of readout and cotangent
    std::size_t uniform;       // [uniform_size] of each lane's weight set
    std::size_t x;             // [F] features
    std::size_t angles;        // [lane angles][cos, sin] of half the angle
    std::size_t matrices;      // [matrices][4] of the runs that hold features
    std::size_t sums;          // [W + lane angles] derivatives by weight and by lane angle
    std::size_t feature_sums;  // [F]
    std::size_t results;       // [4 n_out]: see Sweep
    std::size_t total;
};

template <typename Real>
struct BatchKernel {
    std::size_t lanes;
    // Fills the uniform_size numbers of one weight set.
    void (*prepare)(const ProgramView&, const double* weights, Real* uniform);
    // Groups [begin, end). `uniform` holds those of every weight set; `scratch` is
    // aligned to 64 bytes and the calling thread's own.
    void (*sweep)(const ProgramView&, const BatchView&, const Batch&, const Scratch&,
                  const Real* uniform, Real* scratch, std::size_t begin, std::size_t end);
};

}  // namespace hpc_qlstm
