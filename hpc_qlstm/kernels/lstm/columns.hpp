// Copies and sums of a few columns of a matrix into another one.
#pragma once

#include <cstddef>
#include <utility>

namespace hpc_qlstm {

namespace detail {

template <bool adding, std::size_t count>
void move_fixed(const double* from, std::size_t from_width, std::size_t rows, double* to,
                std::size_t to_width) {
    for (std::size_t row = 0; row < rows; ++row) {
        const double* source = from + row * from_width;
        double* target = to + row * to_width;
        // All loads before the stores: the compiler cannot tell the arrays apart.
        double kept[count];
        for (std::size_t k = 0; k < count; ++k) {
            kept[k] = adding ? target[k] + source[k] : source[k];
        }
        for (std::size_t k = 0; k < count; ++k) target[k] = kept[k];
    }
}

using Move = void (*)(const double*, std::size_t, std::size_t, double*, std::size_t);

template <bool adding, std::size_t... counts>
Move fixed_move(std::size_t count, std::index_sequence<counts...>) {
    static constexpr Move table[] = {move_fixed<adding, counts + 1>...};
    return table[count - 1];
}

// A partition has a handful of columns: loops whose length the compiler knows are several times
// faster.
template <bool adding>
void move_columns(const double* from, std::size_t from_width, std::size_t rows, std::size_t count,
                  double* to, std::size_t to_width) {
    constexpr std::size_t most = 16;
    if (count == 0) return;
    if (count <= most) {
        const auto move = fixed_move<adding>(count, std::make_index_sequence<most>{});
        move(from, from_width, rows, to, to_width);
        return;
    }
    for (std::size_t row = 0; row < rows; ++row) {
        const double* source = from + row * from_width;
        double* target = to + row * to_width;
        for (std::size_t k = 0; k < count; ++k) {
            target[k] = adding ? target[k] + source[k] : source[k];
        }
    }
}

}  // namespace detail

// The first `count` columns of rows that lie from_width numbers apart, to rows to_width apart.
inline void copy_columns(const double* from, std::size_t from_width, std::size_t rows,
                         std::size_t count, double* to, std::size_t to_width) {
    detail::move_columns<false>(from, from_width, rows, count, to, to_width);
}

// The same, added to what is there.
inline void add_columns(const double* from, std::size_t from_width, std::size_t rows,
                        std::size_t count, double* to, std::size_t to_width) {
    detail::move_columns<true>(from, from_width, rows, count, to, to_width);
}

}  // namespace hpc_qlstm
