// The sweep over partitions as Python holds it, and checks of its members.
#pragma once

#include <nanobind/nanobind.h>

#include <cstddef>
#include <utility>
#include <vector>

#include "lstm/partition_sweep.hpp"

namespace hpc_qlstm {

// A sweep with the plans that its members point to.
struct OwnedSweep : PartitionSweep {
    OwnedSweep(const Kernel& kernel, std::vector<Member> members, std::size_t sets,
               std::vector<nanobind::object> plans)
        : PartitionSweep(kernel, std::move(members), sets), plans(std::move(plans)) {}

    const std::vector<nanobind::object> plans;
};

// Whether all that the members read lies in the state and x_t of so many columns, and in so many
// weights.
void check_members(const PartitionSweep& sweep, std::size_t state, std::size_t x,
                   std::size_t weights);

// Whether all that they read and write on the way back lies in the columns of a sample's gradients,
// in so many weights, and in the columns of the hidden vector.
void check_gradients(const PartitionSweep& sweep, std::size_t rows, std::size_t weights,
                     std::size_t hidden);

// Whether all of the list lies in so many parts of `width` columns, and in so many sums.
void check_columns(const ColumnList& columns, std::size_t parts, std::size_t width,
                   std::size_t sums);

void check_back(bool back);

}  // namespace hpc_qlstm
