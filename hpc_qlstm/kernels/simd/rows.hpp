// Between rows of plain arrays and lanes: row n of a group is lane n.
#pragma once

#include "simd/lanes.hpp"

namespace hpc_qlstm {
namespace {

template <typename T>
inline void gather(const T* const rows[kLanes], std::size_t column, Lanes& to) {
    Lanes v;
    for (std::size_t lane = 0; lane < kLanes; ++lane) {
        v[lane] = static_cast<Real>(rows[lane][column]);
    }
    to = v;
}

// Lanes [width] to `count` rows of that width.
HPC_QLSTM_ONE_COPY void scatter(const Lanes* from, std::size_t width, std::size_t count,
                                double* rows) {
    for (std::size_t lane = 0; lane < count; ++lane) {
        for (std::size_t n = 0; n < width; ++n) rows[lane * width + n] = from[n][lane];
    }
}

// The sum of `count` rows, in their order.
HPC_QLSTM_ONE_COPY void add_rows(const Lanes* from, std::size_t width, std::size_t count,
                                 double* to) {
    for (std::size_t n = 0; n < width; ++n) {
        double sum = 0.0;
        for (std::size_t lane = 0; lane < count; ++lane) sum += from[n][lane];
        to[n] = sum;
    }
}

}  // namespace
}  // namespace hpc_qlstm
