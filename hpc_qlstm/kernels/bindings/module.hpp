// What each file of the Python module adds to it, in the order of the module's definition.
#pragma once

#include <nanobind/nanobind.h>

#include <variant>

#include "batch/batch_plan.hpp"
#include "state/state_plan.hpp"

namespace hpc_qlstm {

// How a circuit is swept: samples side by side, or one large state at a time.
using AnyPlan = std::variant<const BatchPlan*, const StatePlan*>;

void define_circuits(nanobind::module_& m);
void define_cell(nanobind::module_& m);
void define_sums(nanobind::module_& m);
void define_sweeps(nanobind::module_& m);
void define_system(nanobind::module_& m);

}  // namespace hpc_qlstm
