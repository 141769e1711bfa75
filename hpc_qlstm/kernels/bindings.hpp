// What the files of the Python module have in common: arrays as they are passed, and a check.
#pragma once

#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>

#include <cstddef>

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

class PartitionSweep;

// Beyond the arrays that a call gives, a member would read or write memory of others: sizes of the
// state, of x_t, of all weights; of a sample's row of gradients, and of the hidden vector.
void check_members(const PartitionSweep& sweep, std::size_t state, std::size_t x,
                   std::size_t weights);
void check_gradients(const PartitionSweep& sweep, std::size_t rows, std::size_t weights,
                     std::size_t hidden);

}  // namespace hpc_qlstm

void define_cell(nanobind::module_& m);    // bindings_cell.cpp
void define_sums(nanobind::module_& m);    // bindings_sums.cpp
void define_sweeps(nanobind::module_& m);  // bindings_sweep.cpp
void define_system(nanobind::module_& m);  // bindings_system.cpp
