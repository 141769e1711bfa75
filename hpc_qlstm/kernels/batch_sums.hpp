// Sums over the samples of a batch in fixed orders, and the linear readout of each sample.
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

// The sum of all these blocks, in block order: what adding up block_sums one after the other gives.
void sum_blocks(const double* rows, std::size_t width, const std::vector<std::size_t>& bounds,
                double* sum);

// Where the blocks of all ranks lie in what an Allgather has brought: (ranks, most, width). Rank
// r * positions + p, position p of replica r, has counts[r] rows. Columns from `begin` on are those
// of the position's section of the flat vector: offsets[p] .. offsets[p + 1].
struct GatheredBlocks {
    const double* received;
    std::size_t most, width, begin;
    std::vector<std::size_t> counts, offsets;
};

// Adds all blocks in block order: the sections of `gradient` from each position, and, from the
// first position, columns [shared_begin, begin) to `shared`. Returns the sum of column 0.
double add_blocks(const GatheredBlocks& blocks, std::size_t shared_begin, double* gradient,
                  double* shared);

// out (n, outputs) = W h + b for hidden (n, units), weight (outputs, units).
void readout(const double* hidden, std::size_t n, std::size_t units, const double* weight,
             const double* bias, std::size_t outputs, double* out);

// From the cotangents (n, outputs) of the readout: those of hidden (n, units), and rows
// (n, outputs * units + outputs) of the gradients of weight and bias.
void readout_reverse(const double* hidden, std::size_t n, std::size_t units, const double* weight,
                     const double* cotangents, std::size_t outputs, double* to_hidden,
                     double* rows);

// One step of Adam (Kingma and Ba, arXiv 1412.6980) on n weights; step_size and root have the bias
// corrections: w -= step_size m / (sqrt(v) / root + epsilon).
struct AdamStep {
    double beta1, beta2, step_size, root, epsilon;
};

void adam(const AdamStep& step, std::size_t n, const double* gradient, double* first,
          double* second, double* weights);

}  // namespace hpc_qlstm
