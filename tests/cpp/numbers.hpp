// Random numbers of the tests, the same in every run.
#pragma once

#include <cstddef>
#include <random>
#include <vector>

namespace hpc_qlstm {

using Numbers = std::vector<double>;

inline Numbers normal(std::mt19937_64& bits, std::size_t count) {
    std::normal_distribution<double> draw;
    Numbers numbers(count);
    for (double& number : numbers) number = draw(bits);
    return numbers;
}

}  // namespace hpc_qlstm
