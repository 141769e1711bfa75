// Sums over the samples of a batch in fixed orders, and the step of the optimizer.
//
// Plain loops: a sum's order, and so its bits, depend on the sizes alone, never on how samples or
// partitions are spread. (A matrix product from a library may round otherwise for another batch.)
#pragma once

#include <cstddef>
#include <vector>

namespace hpc_qlstm {

// Sums of rows (n, width) over blocks of consecutive rows, one after the other in a block: block k
// begins at row bounds[k] - bounds[0]. sums (bounds.size() - 1, width).
void block_sums(const double* rows, std::size_t width, const std::vector<std::size_t>& bounds,
                double* sums);

// The sum of all these blocks, in block order, as if block_sums were added one after the other.
void sum_blocks(const double* rows, std::size_t width, const std::vector<std::size_t>& bounds,
                double* sum);

// Where the blocks of all ranks lie in an Allgather's result (ranks, most, width). Rank
// r * positions + p, position p of replica r, has counts[r] rows. Columns from `begin` on are those
// of the position's section of the flat vector: offsets[p] .. offsets[p + 1].
struct GatheredBlocks {
    const double* received = nullptr;
    std::size_t most = 0, width = 0, begin = 0;
    std::vector<std::size_t> counts, offsets;
};

// Adds all blocks in block order: the sections of `gradient` from each position, and, from the
// first position, columns [shared_begin, begin) to `shared`. Returns the sum of column 0.
double add_blocks(const GatheredBlocks& blocks, std::size_t shared_begin, double* gradient,
                  double* shared);

// One step of Adam (Kingma and Ba, arXiv 1412.6980) on n weights; step_size and root have the bias
// corrections: w -= step_size m / (sqrt(v) / root + epsilon).
struct AdamStep {
    double beta1 = 0.0, beta2 = 0.0, step_size = 0.0, root = 1.0, epsilon = 0.0;
};

void adam(const AdamStep& step, std::size_t n, const double* gradient, double* first,
          double* second, double* weights);

}  // namespace hpc_qlstm
