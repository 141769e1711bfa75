// Copies of a few columns of a matrix into another one.
#pragma once

#include <cstddef>
#include <utility>

namespace hpc_qlstm {

namespace detail {

template <std::size_t count>
void copy_fixed(const double* from, std::size_t from_width, std::size_t rows, double* to,
                std::size_t to_width) {
    for (std::size_t row = 0; row < rows; ++row) {
        const double* source = from + row * from_width;
        double* target = to + row * to_width;
        double kept[count];  // all loads before the stores: the arrays may not be told apart
        for (std::size_t k = 0; k < count; ++k) kept[k] = source[k];
        for (std::size_t k = 0; k < count; ++k) target[k] = kept[k];
    }
}

using Copy = void (*)(const double*, std::size_t, std::size_t, double*, std::size_t);

template <std::size_t... counts>
Copy fixed_copy(std::size_t count, std::index_sequence<counts...>) {
    static constexpr Copy table[] = {copy_fixed<counts + 1>...};
    return table[count - 1];
}

}  // namespace detail

// The first `count` columns of rows that lie from_width numbers apart, to rows to_width apart. A
// partition has a handful of columns: loops of a known length are several times faster than those
// that ask for it.
inline void copy_columns(const double* from, std::size_t from_width, std::size_t rows,
                         std::size_t count, double* to, std::size_t to_width) {
    constexpr std::size_t most = 16;
    if (count == 0) return;
    if (count <= most) {
        const auto copy = detail::fixed_copy(count, std::make_index_sequence<most>{});
        copy(from, from_width, rows, to, to_width);
        return;
    }
    for (std::size_t row = 0; row < rows; ++row) {
        for (std::size_t k = 0; k < count; ++k) to[row * to_width + k] = from[row * from_width + k];
    }
}

}  // namespace hpc_qlstm
