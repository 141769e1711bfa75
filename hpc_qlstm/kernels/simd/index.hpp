// Walking through an IndexMap: blocks of 256 numbers, each a base and the table of low bits.
#pragma once

#include "batch/batch_plan.hpp"
#include "simd/lanes.hpp"

namespace hpc_qlstm {
namespace {

struct Blocks {
    std::uint32_t low_bits, size, count;
};

HPC_QLSTM_INLINE Blocks blocks_of(const IndexMap& map) {
    const std::uint32_t low_bits = map.bits < kLowBits ? map.bits : kLowBits;
    return {low_bits, 1u << low_bits, 1u << (map.bits - low_bits)};
}

HPC_QLSTM_INLINE std::uint32_t block_base(const IndexMap& map, std::uint32_t low_bits,
                                          std::uint32_t block) {
    std::uint32_t base = map.origin;
    for (std::uint32_t j = low_bits; j < map.bits; ++j) {
        base ^= (block >> (j - low_bits) & 1) ? map.columns[j] : 0;
    }
    return base;
}

// Calls f(index) for every number of the map, in ascending order of the numbers.
template <typename F>
HPC_QLSTM_INLINE void for_each(const IndexMap& map, F f) {
    const Blocks blocks = blocks_of(map);
    for (std::uint32_t block = 0; block < blocks.count; ++block) {
        const std::uint32_t base = block_base(map, blocks.low_bits, block);
        for (std::uint32_t n = 0; n < blocks.size; ++n) f(base ^ map.low[n]);
    }
}

}  // namespace
}  // namespace hpc_qlstm
