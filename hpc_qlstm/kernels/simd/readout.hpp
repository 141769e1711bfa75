// <Z_k> of a state, and the bra of the reverse sweep, both in blocks of 256 logical states.
#pragma once

#include "simd/index.hpp"
#include "simd/lanes.hpp"

namespace hpc_qlstm {
namespace {

// z[k] = <Z_k>. Within a block, differences of neighbours give Z_0, their sums go on to Z_1, and so
// forth; the higher outputs are signed sums of block totals. `table` holds 256.
template <unsigned parts>
HPC_QLSTM_ONE_COPY void expectations(const IndexMap& map, std::size_t count, const Lanes* psi,
                                     Lanes* table, Lanes* z) {
    const Blocks blocks = blocks_of(map);
    for (std::size_t k = 0; k < count; ++k) z[k] = Lanes{};
    for (std::uint32_t block = 0; block < blocks.count; ++block) {
        const std::uint32_t base = block_base(map, blocks.low_bits, block);
        for (std::uint32_t n = 0; n < blocks.size; ++n) {
            const Lanes* amplitude = psi + parts * (base ^ map.low[n]);
            table[n] = amplitude[0] * amplitude[0];
            if constexpr (parts == 2) table[n] += amplitude[1] * amplitude[1];
        }
        std::uint32_t size = blocks.size;
        for (std::uint32_t k = 0; k < blocks.low_bits && k < count; ++k) {
            size /= 2;
            Lanes difference{};
            for (std::uint32_t n = 0; n < size; ++n) {
                const Lanes zero = table[2 * n], one = table[2 * n + 1];
                difference += zero - one;
                table[n] = zero + one;
            }
            z[k] += difference;
        }
        for (std::size_t k = kLowBits; k < count; ++k) {
            z[k] += (block >> (k - kLowBits) & 1) ? -table[0] : table[0];
        }
    }
}

// bra = (sum over k of weights[k] Z_k) psi. `table` holds 256: the sums over the low outputs.
template <unsigned parts>
inline void weighted_bra(const IndexMap& map, std::size_t count, const Lanes* weights,
                         const Lanes* psi, Lanes* table, Lanes* bra) {
    const Blocks blocks = blocks_of(map);
    const std::size_t low = count < kLowBits ? count : kLowBits;
    table[0] = Lanes{};
    for (std::size_t k = 0; k < low; ++k) {
        const std::size_t half = std::size_t{1} << k;
        for (std::size_t n = 0; n < half; ++n) {
            table[n + half] = table[n] - weights[k];
            table[n] += weights[k];
        }
    }
    const std::uint32_t mask = (1u << low) - 1;
    for (std::uint32_t block = 0; block < blocks.count; ++block) {
        const std::uint32_t base = block_base(map, blocks.low_bits, block);
        Lanes high{};
        for (std::size_t k = kLowBits; k < count; ++k) {
            high += (block >> (k - kLowBits) & 1) ? -weights[k] : weights[k];
        }
        for (std::uint32_t n = 0; n < blocks.size; ++n) {
            const std::size_t at = parts * (base ^ map.low[n]);
            const Lanes factor = table[n & mask] + high;
            for (unsigned j = 0; j < parts; ++j) bra[at + j] = factor * psi[at + j];
        }
    }
}

}  // namespace
}  // namespace hpc_qlstm
