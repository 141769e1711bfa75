// The contract of the kernels for one large state, one for each instruction set.
//
// A state is 2^bits amplitudes in vectors of lanes, [re of `lanes` neighbours][their im]. The
// caller cuts each pass into blocks of tiles and adds the blocks' results in order, so that the
// bits of a result do not depend on the number of threads. See batch/batch_kernel.hpp for why
// only plain data crosses this line.
#pragma once

#include <cstddef>

#include "batch/batch_kernel.hpp"
#include "state/state_plan.hpp"

namespace hpc_qlstm {

// One row of the batch.
template <typename Real>
struct StateRow {
    const ProgramView* program;
    StateView plan;
    Real* psi;
    Real* bra;               // null without a cotangent
    const double* matrices;  // [matrices][ar, ai, br, bi]
    const double* cotangent;
    // The product state: amplitude = low[lowest chunk_bits] * middle[next] * top[the rest], the
    // last two with (re, im) side by side.
    const Real* low;
    const double* middle;
    const double* top;
    std::uint32_t middle_bits;
    double* contracted;  // [chunks][re, im], sum over a chunk of bra * conj(low)
};

// One pass over the tiles of group `group`, in this order.
struct StatePass {
    std::uint32_t group;
    bool generate;  // start from the product state instead of psi
    bool forward;   // apply the steps
    bool readout;   // sum up the outputs
    bool make_bra;  // bra = (sum over k of cotangent[k] Z_k) psi instead of the stored one
    bool reverse;   // sum up the overlaps, take the steps off psi and bra
    bool store_psi, store_bra;
    bool contract;  // with the product state, for the gradients of the leading runs
};

// Where a block's results lie, in units of one vector of lanes.
struct BlockResults {
    std::size_t outputs;   // [n_out]
    std::size_t overlaps;  // [steps of the largest group][x, y, z]
    std::size_t chunk;     // [2^chunk_bits / lanes][re, im], sum over chunks of bra * conj(rest)
    std::size_t total;
};

template <typename Real>
struct StateKernel {
    std::size_t lanes;
    // The matrices of all runs of one row; `angles` has room for uniform_angle_count +
    // lane_angle_count pairs of vectors.
    void (*matrices)(const ProgramView&, const double* features, const Real* uniform, Real* angles,
                     double* matrices);
    // From overlaps [matrices][x, y, z] to one row of each gradient; `sums` has room for weights
    // + lane_angle_count vectors.
    void (*gradients)(const ProgramView&, const double* features, const Real* angles,
                      const double* overlaps, Real* sums, double* weight_row, double* feature_row);
    // Tiles [begin, end) of a pass. `tiles` has room for two tiles, `results` for one block's.
    void (*tiles)(const StateRow<Real>&, const StatePass&, const BlockResults&, std::size_t begin,
                  std::size_t end, Real* tiles, Real* results);
};

}  // namespace hpc_qlstm
