#include "bindings/checks.hpp"

#include <nanobind/nanobind.h>

namespace hpc_qlstm {
namespace {

std::string listed(const std::vector<std::string>& words, char open, char close) {
    std::string text(1, open);
    for (std::size_t n = 0; n < words.size(); ++n) text += (n > 0 ? ", " : "") + words[n];
    return text + (open == '(' && words.size() == 1 ? "," : "") + close;
}

std::string text(const Extent& extent) {
    if (extent.name != nullptr) return extent.name;
    return std::to_string(extent.least) + (extent.least < extent.most ? " or more" : "");
}

}  // namespace

std::string text(const std::vector<std::size_t>& numbers) {
    std::vector<std::string> words;
    for (const std::size_t number : numbers) words.push_back(std::to_string(number));
    return listed(words, '[', ']');
}

void refuse(const std::string& given, const std::string& allowed) {
    throw nanobind::value_error((given + ", allowed: " + allowed).c_str());
}

void refuse_shape(const char* name, const std::int64_t* shape, std::size_t dimensions,
                  const std::string& allowed) {
    std::vector<std::string> words;
    for (std::size_t n = 0; n < dimensions; ++n) words.push_back(std::to_string(shape[n]));
    refuse(std::string(name) + " shape " + listed(words, '(', ')'), allowed);
}

void check_shape(const char* name, const std::int64_t* shape, std::size_t dimensions,
                 std::initializer_list<Extent> allowed) {
    bool fits = dimensions == allowed.size();
    const std::int64_t* given = shape;
    for (const Extent& extent : allowed) {
        if (!fits) break;
        const auto size = static_cast<std::size_t>(*given++);
        fits = extent.least <= size && size <= extent.most;
    }
    if (fits) return;
    std::vector<std::string> words;
    for (const Extent& extent : allowed) words.push_back(text(extent));
    refuse_shape(name, shape, dimensions, listed(words, '(', ')'));
}

void check_below(const char* name, std::size_t given, std::size_t end) {
    if (given < end) return;
    refuse(name + (" " + std::to_string(given)), "less than " + std::to_string(end));
}

void check_threads(std::size_t threads) {
    if (threads == 0) refuse("threads is 0", "1 or more");
}

std::size_t checked_sum(const std::vector<std::size_t>& counts, std::size_t most) {
    std::size_t sum = 0;
    for (const std::size_t count : counts) {
        if (count > most) {
            refuse("counts are " + text(counts), "at most " + std::to_string(most) + " each");
        }
        sum += count;
    }
    return sum;
}

void check_bounds(const std::vector<std::size_t>& bounds, std::size_t rows) {
    bool right = bounds.size() > 1 && bounds.back() - bounds.front() == rows;
    for (std::size_t k = 0; right && k + 1 < bounds.size(); ++k) right = bounds[k] < bounds[k + 1];
    if (right) return;
    refuse("bounds are " + text(bounds),
           "ascending, the last " + std::to_string(rows) + " after the first");
}

}  // namespace hpc_qlstm
