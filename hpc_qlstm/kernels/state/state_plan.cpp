#include "state/state_plan.hpp"

#include <algorithm>

namespace hpc_qlstm {
namespace {

bool parity(std::uint32_t v) { return __builtin_parity(v) != 0; }

std::uint32_t highest_bit(std::uint32_t v) { return 31u - __builtin_clz(v); }

// Vectors over GF(2), numbered as they come; finds the coordinates of others by them.
class Basis {
  public:
    std::uint32_t size() const { return static_cast<std::uint32_t>(vectors_.size()); }
    const std::vector<std::uint32_t>& vectors() const { return vectors_; }

    bool spans(std::uint32_t v) const { return reduce(v).rest == 0; }
    std::uint32_t coordinates(std::uint32_t v) const { return reduce(v).used; }

    void add(std::uint32_t v) {
        const Reduced r = reduce(v);
        if (r.rest == 0) return;
        reduced_[highest_bit(r.rest)] = {r.rest, r.used ^ 1u << size()};
        vectors_.push_back(v);
    }

  private:
    struct Reduced {
        std::uint32_t rest, used;
    };

    Reduced reduce(std::uint32_t v) const {
        std::uint32_t used = 0;
        for (std::uint32_t b = 32; b-- > 0 && v != 0;) {
            if ((v >> b & 1) == 0 || reduced_[b].rest == 0) continue;
            v ^= reduced_[b].rest;
            used ^= reduced_[b].used;
        }
        return {v, used};
    }

    Reduced reduced_[32] = {};
    std::vector<std::uint32_t> vectors_;
};

// Takes from `pending` the steps of one group, in order, past others only where they commute.
// `high` gets the span of their flips above the chunks.
std::vector<std::uint32_t> take_group(const Program& program, std::vector<std::uint32_t>& pending,
                                      std::uint32_t chunk_bits, std::uint32_t most, Basis& high) {
    constexpr std::size_t patience = 64;  // steps left behind, each of which the next must pass
    std::vector<std::uint32_t> taken, left;
    std::size_t n = 0;
    for (; n < pending.size() && left.size() < patience; ++n) {
        const Step& step = program.steps[pending[n]];
        bool fits = std::all_of(left.begin(), left.end(), [&](std::uint32_t other) {
            return commute(step, program.steps[other]);
        });
        if (fits && step.kind == StepKind::rotate) {
            const std::uint32_t flip = step.flip >> chunk_bits << chunk_bits;
            fits = high.spans(flip) || high.size() < most;
            if (fits) high.add(flip);
        }
        (fits ? taken : left).push_back(pending[n]);
    }
    left.insert(left.end(), pending.begin() + static_cast<std::ptrdiff_t>(n), pending.end());
    pending = left;
    return taken;
}

// Of the same span, each with a highest bit that no other has; ascending.
std::vector<std::uint32_t> echelon(std::vector<std::uint32_t> vectors) {
    for (std::size_t i = 0; i < vectors.size(); ++i) {
        for (std::size_t j = 0; j < i; ++j) {
            if (vectors[i] >> highest_bit(vectors[j]) & 1) vectors[i] ^= vectors[j];
        }
        const std::uint32_t pivot = highest_bit(vectors[i]);
        for (std::size_t j = 0; j < i; ++j) {
            if (vectors[j] >> pivot & 1) vectors[j] ^= vectors[i];
        }
    }
    std::sort(vectors.begin(), vectors.end());
    return vectors;
}

}  // namespace

StatePlan::StatePlan(const Program& program, std::uint32_t lane_bits, std::uint32_t tile_bits)
    : program_(program), bits_(std::max<std::uint32_t>(program.qubits, lane_bits)),
      lane_bits_(lane_bits) {
    // Two tiles (psi and bra) of 2^13 amplitudes are 256 KiB: they stay in the second-level cache.
    const std::uint32_t wanted = tile_bits == 0 ? 13 : tile_bits;
    tile_bits_ = std::min(bits_, std::clamp(wanted, kChunkBits + 1, kMostTileBits));
    chunk_bits_ = std::min(tile_bits_, kChunkBits);

    std::vector<std::uint32_t> pending(program.steps.size());
    for (std::uint32_t n = 0; n < pending.size(); ++n) pending[n] = n;
    do {
        Basis high;
        const auto taken =
            take_group(program, pending, chunk_bits_, tile_bits_ - chunk_bits_, high);
        for (std::uint32_t b = chunk_bits_; high.size() < tile_bits_ - chunk_bits_; ++b) {
            high.add(1u << b);
        }
        Basis local;
        for (std::uint32_t b = 0; b < lane_bits_; ++b) local.add(1u << b);
        for (const std::uint32_t n : taken) {
            if (program.steps[n].kind == StepKind::rotate) local.add(program.steps[n].flip);
        }
        for (std::uint32_t b = lane_bits_; b < chunk_bits_; ++b) local.add(1u << b);
        for (const std::uint32_t v : high.vectors()) local.add(v);

        Tile tile{};
        tile.free_bits = (1u << bits_) - (1u << chunk_bits_);
        const auto directions = echelon(high.vectors());
        for (std::size_t j = 0; j < directions.size(); ++j) {
            tile.free_bits &= ~(1u << highest_bit(directions[j]));
            tile.directions[j] = directions[j];
            tile.local_of_direction[j] = local.coordinates(directions[j]);
        }
        for (std::uint32_t b = 0; b < chunk_bits_; ++b) {
            tile.local_of_low[b] = local.coordinates(1u << b);
        }

        std::vector<TileStep> steps;
        for (const std::uint32_t n : taken) {
            const Step& from = program.steps[n];
            TileStep step{};
            step.kind = from.kind;
            step.shape = from.run.shape;
            step.gradient = has_gradient(from);
            step.matrix = from.run.matrix;
            step.step = n;
            if (from.kind == StepKind::rotate) step.flip = local.coordinates(from.flip);
            for (int i = 0; i < 2; ++i) {
                step.bits[i] = from.bits[i];
                for (std::uint32_t axis = 0; axis < local.size(); ++axis) {
                    const bool one = parity(from.bits[i].mask & local.vectors()[axis]);
                    step.roles[i] |= static_cast<std::uint32_t>(one) << axis;
                }
            }
            steps.push_back(step);
        }
        most_steps_ = std::max(most_steps_, static_cast<std::uint32_t>(steps.size()));
        steps_.push_back(std::move(steps));
        tiles_.push_back(tile);
    } while (!pending.empty());

    for (std::size_t g = 0; g < tiles_.size(); ++g) {
        tiles_[g].steps = steps_[g].data();
        tiles_[g].step_count = static_cast<std::uint32_t>(steps_[g].size());
    }
    if (program.leading_gradient) return;
    reverse_end_ = static_cast<std::uint32_t>(tiles_.size());
    for (std::uint32_t g = reverse_end_; g-- > 0;) {
        for (const TileStep& step : steps_[g]) {
            if (step.gradient) reverse_end_ = g;
        }
    }
}

StateView StatePlan::view() const {
    StateView view{};
    view.bits = bits_;
    view.tile_bits = tile_bits_;
    view.chunk_bits = chunk_bits_;
    view.tiles = tiles_.data();
    view.tile_count = static_cast<std::uint32_t>(tiles_.size());
    view.readout = program_.readout.data();
    view.outputs = static_cast<std::uint32_t>(program_.outputs);
    return view;
}

}  // namespace hpc_qlstm
