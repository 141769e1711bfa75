// How the samples of a batch are swept: the program's steps in layers, each layer a few passes.
//
// Steps that commute make a layer. Backward, the derivatives of all its rotations are read off
// before any of them is undone, and the state before the layer is the one that the forward sweep
// left behind, so that psi is never rotated back. The rotations that only the measurement follows
// are not applied at all: they turn each output's observable Z_k into n . (X_k, Y_k, Z_k).
// Two rotations of a layer share one pass over the state, which halves the traffic with the cache.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "compile/program.hpp"

namespace hpc_qlstm {

constexpr int kLowBits = 8;

// An affine map from numbers of `bits` bits to storage indices. Index n is
// base(n >> kLowBits) ^ low[n & 255]; the high part comes from `columns`, so that the map takes a
// constant amount of memory whatever the number of qubits. (A list of CZ takes up to
// 4 * 2^q bytes.)
struct IndexMap {
    std::uint32_t bits;
    std::uint32_t origin;
    std::uint32_t columns[kMaxQubits];
    std::uint32_t low[1 << kLowBits];
};

// One or two rotations, on the sets {n, n ^ flips[0], n ^ flips[1], n ^ both}, n in `map`, where
// both qubits are 0; or none, and the amplitudes at `negated` change their signs (one or many CZ).
struct Pass {
    std::uint32_t count;
    const std::uint32_t* negated;
    std::uint32_t negated_count;
    Run runs[2];
    std::uint32_t flips[2];
    std::int32_t outputs[2];  // the qubits of rotations before the measurement
    Shape shape;              // that holds both
    IndexMap map;
};

// Passes [begin, end), rotations or CZ.
struct Layer {
    std::uint32_t begin, end;
    bool rotations;
    bool gradient;       // some angle has a derivative
    bool psi_before;     // the reverse sweep reads psi as it is before this layer
    std::uint32_t kept;  // so this layer's input is kept, as number kept - 1; 0 if it is not
};

struct BatchView {
    const Pass* passes;
    const Layer* layers;
    std::size_t layer_count;
    std::size_t reverse_end;  // the layer at which the reverse sweep ends
    const Pass* last;         // before the measurement, of shape real or general
    std::size_t last_count;
    const IndexMap* readout;  // from logical states to storage, before those
    std::size_t kept;         // layers whose inputs the reverse sweep wants kept
    bool real;
};

class BatchPlan {
  public:
    explicit BatchPlan(const Program& program);

    BatchView view() const;
    const Program& program() const { return program_; }
    // Additions and multiplications that the kernels do on the states of one sample, if they can
    // keep all inputs. What is done once a rotation (its matrix, its derivatives) is left out.
    double operations(bool gradient) const { return work_[gradient].operations; }
    // Amplitudes that they load and store in doing so.
    double accesses(bool gradient) const { return work_[gradient].accesses; }
    std::size_t passes() const { return passes_.size() + last_.size(); }

  private:
    struct Work {
        double operations, accesses;
    };

    Work count(bool gradient) const;

    const Program& program_;
    std::vector<Pass> passes_, last_;
    std::vector<std::vector<std::uint32_t>> negated_;
    std::vector<Layer> layers_;
    IndexMap readout_;
    std::size_t reverse_end_ = 0, kept_ = 0;
    Work work_[2];
};

}  // namespace hpc_qlstm
