// The VQCs of the partitions that one process owns, over the time steps of a batch: features are
// picked, circuits evaluated, outputs packed for the exchange between processes, and back again.
// Knows neither Python nor MPI.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "batch/batch_plan.hpp"
#include "isa/dispatch.hpp"
#include "state/state_plan.hpp"

namespace hpc_qlstm {

// Where a feature comes from: column `column` of x_t, or of the state (h_{t-1}, or o*tanh(c_t)).
struct Pick {
    bool from_x;
    std::uint32_t column;
};

// One partition. One of the plans is null. Offsets: of its weight sets in the flat vector of all
// weights; of its gradients in a sample's row; of its outputs in the hidden vector.
struct Member {
    const BatchPlan* batch = nullptr;
    const StatePlan* state = nullptr;
    std::vector<Pick> picks;
    std::size_t weights_begin = 0, rows_begin = 0, output_begin = 0;

    const Program& program() const { return batch ? batch->program() : state->program(); }
};

// One time step's arrays, row-major. state (B, state_width); x (B, ..), whose rows lie x_stride
// numbers apart and begin at the step's x_t; weights: the flat vector.
struct StepInput {
    const double* state = nullptr;
    std::size_t state_width = 0;
    const double* x = nullptr;
    std::size_t x_stride = 0;
    const double* weights = nullptr;
};

// cotangents (sets, B, hidden) of all partitions' outputs; rows (B, row_size), to which weight
// gradients are added; grad_inputs (B, width), of which the members' features fill the first
// columns one after the other, summed over the sets.
struct StepGradient {
    const double* weights = nullptr;
    const double* cotangents = nullptr;
    std::size_t hidden = 0;
    double* rows = nullptr;
    std::size_t row_size = 0;
    double* grad_inputs = nullptr;
    std::size_t width = 0;
};

class PartitionSweep {
  public:
    // sets: VQCs of a member that share circuit and features: four, one for each LSTM gate, or one.
    PartitionSweep(const Kernel& kernel, std::vector<Member> members, std::size_t sets);

    std::size_t sets() const { return sets_; }
    std::size_t steps() const { return steps_; }
    std::size_t samples() const { return samples_; }
    std::size_t features() const { return features_; }
    std::size_t outputs() const { return outputs_; }
    const std::vector<Member>& members() const { return members_; }

    double seconds = 0.0;  // spent in forward and reverse; the caller may reset it

    // Starts a sweep over this many steps and samples; what the last one kept is lost. back:
    // whether `reverse` follows; without it only the features of one step are kept.
    void begin(std::size_t steps, std::size_t samples, bool back = true);

    bool back() const { return back_; }

    // Counts the calls of `begin`.
    std::size_t generation() const { return generation_; }

    // Step t: outputs (sets, B, width), of which the members' fill the first columns.
    void forward(std::size_t t, std::size_t threads, const StepInput& in, double* outputs,
                 std::size_t width);

    // Step t back, with the features that `forward` picked. The same bits for any `threads`.
    void reverse(std::size_t t, std::size_t threads, const StepGradient& gradient);

  private:
    double* kept(std::size_t t, std::size_t m) {
        return kept_.data() + ((back_ ? t : 0) * features_ + feature_begin_[m]) * samples_;
    }
    const double* kept(std::size_t t, std::size_t m) const {
        return kept_.data() + (t * features_ + feature_begin_[m]) * samples_;
    }
    template <typename F>
    void for_members(std::size_t threads, F f) const;
    void forward_member(std::size_t t, std::size_t m, std::size_t threads, const StepInput& in,
                        double* outputs, std::size_t width);
    void reverse_member(std::size_t t, std::size_t m, std::size_t threads,
                        const StepGradient& gradient) const;

    const Kernel& kernel_;
    std::vector<Member> members_;
    std::vector<std::size_t> feature_begin_, output_begin_;  // in the packed arrays
    std::size_t sets_, features_ = 0, outputs_ = 0, steps_ = 0, samples_ = 0, generation_ = 0;
    bool back_ = true;
    std::vector<double> kept_;  // features [steps][members][samples][F]
};

// From parts (parts, rows, width) the first counts[p] columns of each part p, side by side:
// merged (rows, sum of counts). Undoes the packing of outputs for an Allgather.
void merge_columns(const double* parts, std::size_t rows, std::size_t width,
                   const std::vector<std::size_t>& counts, double* merged);

// A run of gathered columns: `count` columns of part `part` from column `from` on, added to the
// sums from column `to` on.
struct Added {
    std::uint32_t part, from, to, count;
};

struct ColumnList {
    std::vector<Added> columns;

    // Appends one column; neighbouring columns become one run.
    void add(std::uint32_t part, std::uint32_t from, std::uint32_t to);

    // Whether all columns lie inside this many parts of `width` columns and inside `size` sums.
    bool fits(std::size_t parts, std::size_t width, std::size_t size) const;
};

// Adds columns of parts (parts, rows, width) to `sums` (rows, size), in the order of the list.
void add_columns(const double* parts, std::size_t rows, std::size_t width, const ColumnList& list,
                 double* sums, std::size_t size);

}  // namespace hpc_qlstm
