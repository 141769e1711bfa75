// How one large state is swept: the program's steps in groups, each group one pass over memory.
//
// A step pairs storage indices n and n ^ flip. All flips of a group and the `chunk_bits` lowest
// bits span a space of `tile_bits` dimensions, so memory falls into tiles (its cosets) that the
// group's steps never leave. A tile is a set of contiguous chunks; it is copied into a buffer that
// stays in the cache, all steps are applied there, and it goes back. CNOTs stay what the program
// made of them, a relabelling: they cost nothing, however they spread the flips over the bits.
//
// In the buffer an amplitude has a local index, another basis of the same space in which as many
// steps as possible flip one single bit. The lowest `lane_bits` are the same in both: copying
// moves whole vectors of lanes and permutes lanes only by an exclusive or.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "compile/program.hpp"

namespace hpc_qlstm {

constexpr std::uint32_t kChunkBits = 6;  // 1 KiB: whole cache lines, and few of them a page
constexpr std::uint32_t kMostTileBits = 16;

struct TileStep {
    StepKind kind;
    Shape shape;
    bool gradient;
    std::uint32_t matrix;    // of the run
    std::uint32_t step;      // number in the program
    std::uint32_t flip;      // local
    std::uint32_t roles[2];  // local masks of `bits`
    Parity bits[2];          // in storage: they give the constant of each tile
};

struct Tile {
    const TileStep* steps;
    std::uint32_t step_count;
    std::uint32_t free_bits;  // the storage bits that number the tiles
    // The tile's chunks are the sums of directions[0 .. tile_bits - chunk_bits), ascending.
    std::uint32_t directions[kMostTileBits];
    std::uint32_t local_of_direction[kMostTileBits];
    std::uint32_t local_of_low[kMostTileBits];  // of the storage bits below chunk_bits
};

struct StateView {
    std::uint32_t bits, tile_bits, chunk_bits;
    const Tile* tiles;  // groups, in the order of the program
    std::uint32_t tile_count;
    const Parity* readout;
    std::uint32_t outputs;
};

class StatePlan {
  public:
    // lane_bits: log2 of the doubles in one register. tile_bits: 0 for the default.
    StatePlan(const Program& program, std::uint32_t lane_bits, std::uint32_t tile_bits = 0);

    StateView view() const;
    const Program& program() const { return program_; }
    std::uint32_t lane_bits() const { return lane_bits_; }
    std::uint32_t reverse_end() const { return reverse_end_; }
    std::uint32_t most_steps() const { return most_steps_; }

  private:
    const Program& program_;
    std::uint32_t bits_, lane_bits_, tile_bits_, chunk_bits_;
    std::vector<std::vector<TileStep>> steps_;
    std::vector<Tile> tiles_;
    std::uint32_t reverse_end_ = 0;  // the reverse sweep ends with this group
    std::uint32_t most_steps_ = 0;   // in one group
};

}  // namespace hpc_qlstm
