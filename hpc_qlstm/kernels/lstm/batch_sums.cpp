#include "lstm/batch_sums.hpp"

#include <algorithm>
#include <cmath>

namespace hpc_qlstm {
namespace {

void add(const double* from, std::size_t count, double* to) {
    for (std::size_t n = 0; n < count; ++n) to[n] += from[n];
}

}  // namespace

void block_sums(const double* rows, std::size_t width, const std::vector<std::size_t>& bounds,
                double* sums) {
    for (std::size_t k = 0; k + 1 < bounds.size(); ++k) {
        double* to = sums + k * width;
        const double* from = rows + (bounds[k] - bounds[0]) * width;
        std::copy_n(from, width, to);
        for (std::size_t n = bounds[k] + 1; n < bounds[k + 1]; ++n) add(from += width, width, to);
    }
}

void sum_blocks(const double* rows, std::size_t width, const std::vector<std::size_t>& bounds,
                double* sum) {
    thread_local std::vector<double> block;
    block.resize(width);
    for (std::size_t k = 0; k + 1 < bounds.size(); ++k) {
        const std::size_t begin = bounds[k] - bounds[0], count = bounds[k + 1] - bounds[k];
        double* to = k == 0 ? sum : block.data();
        block_sums(rows + begin * width, width, {0, count}, to);
        if (k > 0) add(to, width, sum);
    }
}

double add_blocks(const GatheredBlocks& blocks, std::size_t shared_begin, double* gradient,
                  double* shared) {
    const std::size_t positions = blocks.offsets.size() - 1;
    std::fill(gradient + blocks.offsets.front(), gradient + blocks.offsets.back(), 0.0);
    std::fill_n(shared, blocks.begin - shared_begin, 0.0);
    double loss = 0.0;
    for (std::size_t p = 0; p < positions; ++p) {
        const std::size_t own = blocks.offsets[p + 1] - blocks.offsets[p];
        for (std::size_t r = 0; r < blocks.counts.size(); ++r) {
            const double* part = blocks.received + (r * positions + p) * blocks.most * blocks.width;
            for (std::size_t k = 0; k < blocks.counts[r]; ++k) {
                const double* row = part + k * blocks.width;
                add(row + blocks.begin, own, gradient + blocks.offsets[p]);
                if (p > 0) continue;
                loss += row[0];
                add(row + shared_begin, blocks.begin - shared_begin, shared);
            }
        }
    }
    return loss;
}

void adam(const AdamStep& step, std::size_t n, const double* gradient, double* first,
          double* second, double* weights) {
    const double rest1 = 1.0 - step.beta1, rest2 = 1.0 - step.beta2;
    for (std::size_t k = 0; k < n; ++k) {
        const double g = gradient[k];
        first[k] += rest1 * (g - first[k]);
        second[k] = second[k] * step.beta2 + rest2 * g * g;
        weights[k] -= step.step_size * first[k] / (std::sqrt(second[k]) / step.root + step.epsilon);
    }
}

}  // namespace hpc_qlstm
