// Arrays as Python passes them: double precision, row by row without gaps.
#pragma once

#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>

namespace hpc_qlstm {

template <int dimensions>
using Input = nanobind::ndarray<const double, nanobind::ndim<dimensions>, nanobind::c_contig,
                                nanobind::device::cpu>;
template <int dimensions>
using Output = nanobind::ndarray<double, nanobind::ndim<dimensions>, nanobind::c_contig,
                                 nanobind::device::cpu>;
// Of any number of dimensions.
using Plain = nanobind::ndarray<const double, nanobind::c_contig, nanobind::device::cpu>;
using PlainOutput = nanobind::ndarray<double, nanobind::c_contig, nanobind::device::cpu>;

}  // namespace hpc_qlstm
