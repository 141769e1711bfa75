// Arguments are checked here: a wrong call raises a ValueError instead of reading out of bounds.
//
// The message says what was given and what is allowed: "rows have shape (2, 3), allowed: (3, 5)".
// Names are passed with their verb, "rows have", and text is made only where a check fails.
#pragma once

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <limits>
#include <string>
#include <vector>

namespace hpc_qlstm {

// What is allowed for one dimension of an array: one size, or all from `least` to `most`.
struct Extent {
    Extent(std::size_t size) : least(size), most(size) {}
    Extent(std::size_t least, std::size_t most, const char* name)
        : least(least), most(most), name(name) {}

    std::size_t least, most;
    const char* name = nullptr;  // what the message calls a dimension of any size
};

inline Extent at_least(std::size_t size) {
    return {size, std::numeric_limits<std::size_t>::max(), nullptr};
}

inline Extent any(const char* name) { return {0, std::numeric_limits<std::size_t>::max(), name}; }

std::string text(const std::vector<std::size_t>& numbers);  // "[1, 2]"

[[noreturn]] void refuse(const std::string& given, const std::string& allowed);

void check_shape(const char* name, const std::int64_t* shape, std::size_t dimensions,
                 std::initializer_list<Extent> allowed);

[[noreturn]] void refuse_shape(const char* name, const std::int64_t* shape, std::size_t dimensions,
                               const std::string& allowed);

template <typename Array>
void check(const char* name, const Array& array, std::initializer_list<Extent> allowed) {
    check_shape(name, array.shape_ptr(), array.ndim(), allowed);
}

template <typename Array>
[[noreturn]] void refuse(const char* name, const Array& array, const std::string& allowed) {
    refuse_shape(name, array.shape_ptr(), array.ndim(), allowed);
}

// An array of any shape that holds `size` numbers.
template <typename Array>
void check_size(const char* name, const Array& array, std::size_t size) {
    if (array.size() != size) refuse(name, array, std::to_string(size) + " numbers");
}

void check_below(const char* name, std::size_t given, std::size_t end);
void check_threads(std::size_t threads);

// The sum of counts, each of which is at most `most`.
std::size_t checked_sum(const std::vector<std::size_t>& counts, std::size_t most);

// Boundaries of one block or more of `rows` rows, none of which is empty.
void check_bounds(const std::vector<std::size_t>& bounds, std::size_t rows);

// Whether `count` times `size` numbers from `begin` on lie inside `total`; no sum overflows.
inline bool inside(std::size_t begin, std::size_t count, std::size_t size, std::size_t total) {
    return begin <= total && (size == 0 || count <= (total - begin) / size);
}

}  // namespace hpc_qlstm
