// What the files of the Python module have in common: arrays as they are passed, and a check.
#pragma once

#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>

#include <cstddef>
#include <utility>
#include <vector>

#include "lstm/partition_sweep.hpp"

namespace hpc_qlstm {

template <int dimensions>
using Input =
    nanobind::ndarray<const double, nanobind::ndim<dimensions>, nanobind::c_contig,
                      nanobind::device::cpu>;
template <int dimensions>
using Output = nanobind::ndarray<double, nanobind::ndim<dimensions>, nanobind::c_contig,
                                 nanobind::device::cpu>;
using Plain = nanobind::ndarray<const double, nanobind::c_contig, nanobind::device::cpu>;
using PlainOutput = nanobind::ndarray<double, nanobind::c_contig, nanobind::device::cpu>;

// Who calls the module wrongly gets an exception, not another's memory.
inline void require(bool right) {
    if (!right) throw nanobind::value_error("the sweep has other steps, samples or sizes");
}

// Whether `count` times `size` numbers from `begin` on lie inside `total`; no sum overflows.
inline bool inside(std::size_t begin, std::size_t count, std::size_t size, std::size_t total) {
    return begin <= total && (size == 0 || count <= (total - begin) / size);
}

// A sweep with the plans that its members point to.
struct OwnedSweep : PartitionSweep {
    OwnedSweep(const Kernel& kernel, std::vector<Member> members, std::size_t sets,
               std::vector<nanobind::object> plans)
        : PartitionSweep(kernel, std::move(members), sets), plans(std::move(plans)) {}

    const std::vector<nanobind::object> plans;
};

// Beyond the arrays that a call gives, a member would read or write memory of others: sizes of the
// state, of x_t, of all weights; of a sample's row of gradients, and of the hidden vector.
void check_members(const PartitionSweep& sweep, std::size_t state, std::size_t x,
                   std::size_t weights);
void check_gradients(const PartitionSweep& sweep, std::size_t rows, std::size_t weights,
                     std::size_t hidden);

}  // namespace hpc_qlstm

void define_cell(nanobind::module_& m);    // cell.cpp
void define_sums(nanobind::module_& m);    // sums.cpp
void define_sweeps(nanobind::module_& m);  // sweep.cpp
void define_system(nanobind::module_& m);  // system.cpp
