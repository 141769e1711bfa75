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

// The linear readout W h + b: weight (outputs, units), bias (outputs).
struct Readout {
    const double* weight;
    const double* bias;
    std::size_t units, outputs;
};

// out (n, outputs) for hidden (n, units).
void readout(const Readout& readout, const double* hidden, std::size_t n, double* out);

// Squared errors of the readout of hidden (samples * steps, units) beside `target` (samples *
// steps, outputs): their sum for each sample in `loss`; `scale` / 2 times their derivatives by
// hidden in `grad_hidden`, and by weight and bias, added up over a sample's steps, in `rows`
// (samples, outputs * units + outputs).
void squared_errors(const Readout& readout, const double* hidden, std::size_t samples,
                    std::size_t steps, const double* target, double scale, double* loss,
                    double* grad_hidden, double* rows);

// One step of Adam (Kingma and Ba, arXiv 1412.6980) on n weights; step_size and root have the bias
// corrections: w -= step_size m / (sqrt(v) / root + epsilon).
struct AdamStep {
    double beta1, beta2, step_size, root, epsilon;
};

void adam(const AdamStep& step, std::size_t n, const double* gradient, double* first,
          double* second, double* weights);

}  // namespace hpc_qlstm
