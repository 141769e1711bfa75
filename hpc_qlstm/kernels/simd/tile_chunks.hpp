// Between storage and the buffer of one tile, chunk by chunk: copies, the product state, the
// readout. Chunks are taken in the order of storage.
#pragma once

#include "simd/lanes.hpp"
#include "simd/tile_steps.hpp"
#include "state/state_kernel.hpp"

namespace hpc_qlstm {
namespace {

constexpr std::uint32_t kChunkVectors = (1u << kChunkBits) / kLanes;

// Unnormalised Walsh-Hadamard transform of x[0 .. count), count a power of two.
HPC_QLSTM_INLINE void walsh(Lanes* x, std::uint32_t count) {
    for (std::uint32_t half = 1; half < count; half *= 2) {
        for (std::uint32_t n = 0; n < count; ++n) {
            if (n & half) continue;
            const Lanes sum = x[n] + x[n + half], difference = x[n] - x[n + half];
            x[n] = sum;
            x[n + half] = difference;
        }
    }
}

// Where the vectors of a group's tiles lie; the same for all tiles but for the tile's number.
class Chunks {
  public:
    Chunks(const StateRow<Real>& row, const Tile& tile)
        : row_(row), tile_(tile), count_(1u << (row.plan.tile_bits - row.plan.chunk_bits)),
          vectors_((1u << row.plan.chunk_bits) / kLanes), chunk_bits_(row.plan.chunk_bits) {
        base_[0] = local_[0] = within_[0] = 0;
        for (std::uint32_t n = 1; n < count_; ++n) {
            const std::uint32_t j = static_cast<std::uint32_t>(__builtin_ctz(n));
            base_[n] = base_[n & (n - 1)] ^ tile.directions[j];
            local_[n] = local_[n & (n - 1)] ^ tile.local_of_direction[j];
        }
        for (std::uint32_t i = 1; i < vectors_; ++i) {
            const std::uint32_t j = static_cast<std::uint32_t>(__builtin_ctz(i));
            within_[i] = within_[i & (i - 1)] ^ tile.local_of_low[kLaneBits + j];
        }
        for (std::uint32_t k = 0; k < row.plan.outputs; ++k) {
            const std::uint32_t low = row.plan.readout[k].mask & ((1u << chunk_bits_) - 1);
            slot_[k] = low >> kLaneBits;
        }
    }

    // The storage index of the tile's origin: its number spread over the free bits.
    std::uint32_t origin(std::size_t number) const {
        std::uint32_t at = 0, rest = tile_.free_bits;
        for (; number != 0; number >>= 1, rest &= rest - 1) {
            if (number & 1) at |= rest & -rest;
        }
        return at;
    }

    void load(std::uint32_t origin, const Real* state, Lanes* local) const {
        for (std::uint32_t c = 0; c < count_; ++c) {
            const Lanes* from =
                reinterpret_cast<const Lanes*>(state + 2 * std::size_t{origin ^ base_[c]});
            for (std::uint32_t i = 0; i < vectors_; ++i) {
                put(local, c, i, from[2 * i], from[2 * i + 1]);
            }
        }
    }

    void store(std::uint32_t origin, const Lanes* local, Real* state) const {
        for (std::uint32_t c = 0; c < count_; ++c) {
            Lanes* to = reinterpret_cast<Lanes*>(state + 2 * std::size_t{origin ^ base_[c]});
            for (std::uint32_t i = 0; i < vectors_; ++i) get(local, c, i, to[2 * i], to[2 * i + 1]);
        }
    }

    void generate(std::uint32_t origin, Lanes* local) const {
        const Lanes* low = reinterpret_cast<const Lanes*>(row_.low);
        for (std::uint32_t c = 0; c < count_; ++c) {
            Real re, im;
            rest(origin ^ base_[c], re, im);
            for (std::uint32_t i = 0; i < vectors_; ++i) {
                put(local, c, i, low[2 * i] * re - low[2 * i + 1] * im,
                    low[2 * i] * im + low[2 * i + 1] * re);
            }
        }
    }

    // sums[k] += <Z_k> up to the lanes' signs, which the caller applies at the end.
    void readout(std::uint32_t origin, const Lanes* local, Lanes* sums) const {
        for (std::uint32_t c = 0; c < count_; ++c) {
            Lanes p[kChunkVectors];
            for (std::uint32_t i = 0; i < vectors_; ++i) {
                Lanes re, im;
                get(local, c, i, re, im);
                p[i] = re * re + im * im;
            }
            transform(p);
            for (std::uint32_t k = 0; k < row_.plan.outputs; ++k) {
                sums[k] += sign(k, origin ^ base_[c]) * p[slot_[k]];
            }
        }
    }

    void make_bra(std::uint32_t origin, const Lanes* psi, Lanes* bra) const {
        Lanes cotangent[kMaxQubits];
        for (std::uint32_t k = 0; k < row_.plan.outputs; ++k) {
            const std::uint32_t lanes = row_.plan.readout[k].mask & (kLanes - 1);
            cotangent[k] = static_cast<Real>(row_.cotangent[k]) * lane_signs(lanes);
        }
        for (std::uint32_t c = 0; c < count_; ++c) {
            Lanes weight[kChunkVectors] = {};
            for (std::uint32_t k = 0; k < row_.plan.outputs; ++k) {
                weight[slot_[k]] += sign(k, origin ^ base_[c]) * cotangent[k];
            }
            transform(weight);
            for (std::uint32_t i = 0; i < vectors_; ++i) {
                const std::uint32_t at = local_[c] ^ within_[i];
                const std::size_t v = 2 * (at >> kLaneBits);
                const Lanes w = exchange(weight[i], at & (kLanes - 1));
                bra[v] = w * psi[v];
                bra[v + 1] = w * psi[v + 1];
            }
        }
    }

    // row.contracted of these chunks, and chunk[i] += bra * conj(the product above the chunk).
    void contract(std::uint32_t origin, const Lanes* local, Lanes* chunk) const {
        const Lanes* low = reinterpret_cast<const Lanes*>(row_.low);
        for (std::uint32_t c = 0; c < count_; ++c) {
            Real fr, fi;
            rest(origin ^ base_[c], fr, fi);
            Lanes sum_re{}, sum_im{};
            for (std::uint32_t i = 0; i < vectors_; ++i) {
                Lanes re, im;
                get(local, c, i, re, im);
                sum_re += re * low[2 * i] + im * low[2 * i + 1];
                sum_im += im * low[2 * i] - re * low[2 * i + 1];
                chunk[2 * i] += re * fr + im * fi;
                chunk[2 * i + 1] += im * fr - re * fi;
            }
            double* to = row_.contracted + 2 * std::size_t{(origin ^ base_[c]) >> chunk_bits_};
            to[0] = to[1] = 0.0;
            for (std::size_t lane = 0; lane < kLanes; ++lane) {
                to[0] += sum_re[lane];
                to[1] += sum_im[lane];
            }
        }
    }

  private:
    HPC_QLSTM_INLINE void put(Lanes* local, std::uint32_t c, std::uint32_t i, Lanes re,
                              Lanes im) const {
        const std::uint32_t at = local_[c] ^ within_[i];
        Lanes* to = local + 2 * (at >> kLaneBits);
        to[0] = exchange(re, at & (kLanes - 1));
        to[1] = exchange(im, at & (kLanes - 1));
    }

    HPC_QLSTM_INLINE void get(const Lanes* local, std::uint32_t c, std::uint32_t i, Lanes& re,
                              Lanes& im) const {
        const std::uint32_t at = local_[c] ^ within_[i];
        const Lanes* from = local + 2 * (at >> kLaneBits);
        re = exchange(from[0], at & (kLanes - 1));
        im = exchange(from[1], at & (kLanes - 1));
    }

    HPC_QLSTM_INLINE void transform(Lanes* x) const {
        // A constant count unrolls; smaller states than a chunk are rare.
        if (vectors_ == kChunkVectors) {
            walsh(x, kChunkVectors);
        } else {
            walsh(x, vectors_);
        }
    }

    HPC_QLSTM_INLINE Real sign(std::uint32_t k, std::uint32_t chunk) const {
        const Parity& bit = row_.plan.readout[k];
        return odd(bit.mask & chunk) != bit.constant ? Real{-1} : Real{1};
    }

    // The product state's factor of the bits above a chunk.
    HPC_QLSTM_INLINE void rest(std::uint32_t index, Real& re, Real& im) const {
        const std::uint32_t high = index >> chunk_bits_;
        const double* a = row_.middle + 2 * (high & ((1u << row_.middle_bits) - 1));
        const double* b = row_.top + 2 * (high >> row_.middle_bits);
        re = static_cast<Real>(a[0] * b[0] - a[1] * b[1]);
        im = static_cast<Real>(a[0] * b[1] + a[1] * b[0]);
    }

    const StateRow<Real>& row_;
    const Tile& tile_;
    std::uint32_t count_, vectors_, chunk_bits_;
    std::uint32_t base_[1u << (kMostTileBits - kChunkBits)];   // storage index of each chunk
    std::uint32_t local_[1u << (kMostTileBits - kChunkBits)];  // and its local index
    std::uint32_t within_[kChunkVectors];                      // local index of a chunk's vectors
    std::uint32_t slot_[kMaxQubits];  // which Walsh coefficient of a chunk an output takes
};

}  // namespace
}  // namespace hpc_qlstm
