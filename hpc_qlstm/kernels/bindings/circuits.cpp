// Bindings of kernels, programs and plans, and the evaluation of circuits: checks arguments, drops
// the GIL, calls.
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/tuple.h>
#include <nanobind/stl/variant.h>
#include <nanobind/stl/vector.h>

#include <algorithm>
#include <cstdint>
#include <string>
#include <tuple>
#include <variant>
#include <vector>

#include "batch/evaluate.hpp"
#include "bindings/arrays.hpp"
#include "bindings/checks.hpp"
#include "bindings/module.hpp"
#include "compile/program.hpp"
#include "isa/dispatch.hpp"
#include "state/evaluate_state.hpp"
#include "state/state_plan.hpp"
#include "system/buffer.hpp"

namespace nb = nanobind;
using namespace nb::literals;

namespace hpc_qlstm {
namespace {

// name, target, control or -1, source, index, transform, value: see circuit.hpp
using GateTuple =
    std::tuple<std::string, int, int, std::string, std::uint32_t, std::string, double>;

Circuit circuit_of(int qubits, int features, int weights, int outputs,
                   const std::vector<GateTuple>& gates) {
    Circuit circuit{qubits, features, weights, outputs, {}};
    for (const auto& [name, target, control, from, index, transformed, value] : gates) {
        circuit.gates.push_back(
            {gate_kind(name), target, control, source(from), index, transform(transformed), value});
    }
    return circuit;
}

Batch batch_of(const Program& program, const Input<2>& features, const Plain& weights,
               const Output<3>& outputs) {
    const auto count = static_cast<std::size_t>(program.weights);
    check("features have", features, {any("samples"), static_cast<std::size_t>(program.features)});
    if (weights.ndim() < 1 || weights.size() != weights.shape(0) * count) {
        refuse("weights have", weights,
               "(sets, ...) with " + std::to_string(count) + " weights in a set");
    }
    Batch batch{};
    batch.samples = features.shape(0);
    batch.sets = weights.shape(0);
    batch.features = features.data();
    batch.weights = weights.data();
    batch.outputs = outputs.data();
    check("outputs have", outputs,
          {batch.sets, batch.samples, static_cast<std::size_t>(program.outputs)});
    return batch;
}

std::uint32_t lane_bits(const Kernel& kernel) {
    std::uint32_t bits = 0;
    while (std::size_t{2} << bits <= kernel.lanes()) ++bits;
    return bits;
}

void run(const BatchPlan& plan, const Kernel& kernel, const Batch& batch, std::size_t threads) {
    const nb::gil_scoped_release without_gil;
    evaluate(plan, kernel, batch, threads);
}

void run(const StatePlan& plan, const Kernel& kernel, const Batch& batch, std::size_t threads) {
    if (plan.lane_bits() != lane_bits(kernel)) {
        throw nb::value_error("the plan was made for a kernel of other lanes");
    }
    const nb::gil_scoped_release without_gil;
    evaluate_state(plan, kernel, batch, threads);
}

const Program& program_of(const AnyPlan& plan) {
    return std::visit([](const auto* given) -> const Program& { return given->program(); }, plan);
}

void run(const AnyPlan& plan, const Kernel& kernel, const Batch& batch, std::size_t threads) {
    std::visit([&](const auto* given) { run(*given, kernel, batch, threads); }, plan);
}

void expectations(const AnyPlan& plan, const Kernel& kernel, std::size_t threads,
                  const Input<2>& features, const Plain& weights, const Output<3>& outputs) {
    run(plan, kernel, batch_of(program_of(plan), features, weights, outputs), threads);
}

void vjp(const AnyPlan& plan, const Kernel& kernel, std::size_t threads, const Input<2>& features,
         const Plain& weights, const Input<3>& cotangent, const Output<3>& outputs,
         const Output<3>& weight_rows, const Output<3>& feature_rows) {
    const Program& program = program_of(plan);
    Batch batch = batch_of(program, features, weights, outputs);
    const auto check_rows = [&](const char* name, const auto& array, int width) {
        check(name, array, {batch.sets, batch.samples, static_cast<std::size_t>(width)});
    };
    check_rows("cotangent has", cotangent, program.outputs);
    check_rows("weight_rows have", weight_rows, program.weights);
    check_rows("feature_rows have", feature_rows, program.features);
    batch.cotangent = cotangent.data();
    batch.weight_rows = weight_rows.data();
    batch.feature_rows = feature_rows.data();
    run(plan, kernel, batch, threads);
}

// One set of weights, of any shape; the weight gradient summed over samples.
void vjp_sum(const AnyPlan& plan, const Kernel& kernel, std::size_t threads,
             const Input<2>& features, const Plain& weights, const Input<2>& cotangent,
             const Output<2>& outputs, const PlainOutput& gradient, const Output<2>& feature_rows) {
    const Program& program = program_of(plan);
    const auto width = static_cast<std::size_t>(program.weights);
    const auto inputs = static_cast<std::size_t>(program.features);
    const auto expected = static_cast<std::size_t>(program.outputs);
    const std::size_t samples = features.shape(0);
    check_size("weights have", weights, width);
    check_size("gradient has", gradient, width);
    check("features have", features, {samples, inputs});
    check("outputs have", outputs, {samples, expected});
    check("cotangent has", cotangent, {samples, expected});
    check("feature_rows have", feature_rows, {samples, inputs});
    Batch batch{};
    batch.samples = samples;
    batch.sets = 1;
    batch.features = features.data();
    batch.weights = weights.data();
    batch.outputs = outputs.data();
    batch.cotangent = cotangent.data();
    batch.feature_rows = feature_rows.data();
    thread_local Buffer rows;  // small calls allocate nothing
    std::size_t count = samples;
    if (std::holds_alternative<const BatchPlan*>(plan)) {
        count = (samples + kernel.lanes() - 1) / kernel.lanes();
        batch.weight_sums = rows.get<double>(count * width);
    } else {
        batch.weight_rows = rows.get<double>(count * width);
    }
    run(plan, kernel, batch, threads);
    const double* from = rows.get<double>(count * width);
    double* sum = gradient.data();
    std::fill_n(sum, width, 0.0);
    for (std::size_t n = 0; n < count; ++n) {
        for (std::size_t w = 0; w < width; ++w) sum[w] += from[n * width + w];
    }
    rows.release_if_large();
}

double multiply_add(const Kernel& kernel, std::size_t rounds) {
    const nb::gil_scoped_release without_gil;
    double result;
    float single;
    return kernel.precision == Precision::float32
               ? kernel.of_float.peak->multiply_add(rounds, &single)
               : kernel.of_double.peak->multiply_add(rounds, &result);
}

void update(const Kernel& kernel, std::size_t rounds, std::size_t bytes) {
    const nb::gil_scoped_release without_gil;
    thread_local Buffer memory;  // the first call fills it: touch it before timing
    const bool single = kernel.precision == Precision::float32;
    const std::size_t count = bytes / 512 * 64 * (single ? 2 : 1);
    if (single) {
        kernel.of_float.peak->update(rounds, count, memory.get<float>(count));
    } else {
        kernel.of_double.peak->update(rounds, count, memory.get<double>(count));
    }
}

void make_program(Program* self, int qubits, int features, int weights, int outputs,
                  const std::vector<GateTuple>& gates) {
    new (self) Program(circuit_of(qubits, features, weights, outputs, gates));
}

void make_state_plan(StatePlan* self, const Program& program, const Kernel& kernel,
                     std::uint32_t tile_bits) {
    new (self) StatePlan(program, lane_bits(kernel), tile_bits);
}

std::vector<std::string> available_isas() {
    std::vector<std::string> names;
    for (const Kernel& kernel : available_kernels()) {
        if (kernel.precision == Precision::float64) names.emplace_back(kernel.isa);
    }
    return names;
}

const Kernel* kernel_of(const std::string& isa, bool single) {
    return find_kernel(isa, single ? Precision::float32 : Precision::float64);
}

}  // namespace

void define_circuits(nb::module_& m) {
    nb::class_<Kernel>(m, "Kernel", "The kernels for one instruction set and precision.")
        .def_prop_ro("name", [](const Kernel& k) { return k.isa; })
        .def_prop_ro("lanes", &Kernel::lanes, "Numbers in one vector.")
        .def("multiply_add", &multiply_add, "rounds"_a,
             "Do nothing but multiplications and additions; returns how many, to be timed.")
        .def("update", &update, "rounds"_a, "bytes"_a,
             "Read and write `bytes` of memory so many times, to be timed.");
    nb::class_<Program>(m, "Program", "A compiled circuit.")
        .def("__init__", &make_program, "qubits"_a, "features"_a, "weights"_a, "outputs"_a,
             "gates"_a)
        .def_prop_ro(
            "steps", [](const Program& p) { return p.steps.size(); },
            "Rotations and CZ after the product state that the circuit starts from.");
    nb::class_<BatchPlan>(m, "BatchPlan", "How the samples of a batch are swept.")
        .def(nb::init<const Program&>(), "program"_a, nb::keep_alive<1, 2>())
        .def_prop_ro("passes", &BatchPlan::passes,
                     "Passes over the state of a forward evaluation, after the product state.")
        .def("operations", &BatchPlan::operations, "gradient"_a,
             "Additions and multiplications on the states of one sample.")
        .def("accesses", &BatchPlan::accesses, "gradient"_a,
             "Amplitudes that these load and store.")
        .def_prop_ro(
            "real", [](const BatchPlan& p) { return p.program().real; },
            "Whether amplitudes are real numbers.");
    nb::class_<StatePlan>(m, "StatePlan", "How one large state of a program is swept.")
        .def("__init__", &make_state_plan, "program"_a, "kernel"_a, "tile_bits"_a = 0,
             nb::keep_alive<1, 2>())
        .def_prop_ro(
            "passes", [](const StatePlan& p) { return p.view().tile_count; },
            "Passes over memory of a forward evaluation.");
    m.def("available_isas", &available_isas,
          "Instruction sets of this build that this processor has, the fastest last.");
    m.def("kernel", &kernel_of, nb::rv_policy::reference, "isa"_a, "single"_a = false,
          nb::sig("def kernel(isa: str, single: bool = False) -> Kernel | None"),
          "The kernels of that name, or None.");
    // noconvert: a hidden copy of an output would lose the results.
    m.def("expectations", &expectations, "plan"_a, "kernel"_a, "threads"_a, "features"_a,
          "weights"_a, "outputs"_a.noconvert(), "Fill outputs (sets, samples, n_out).");
    m.def("vjp", &vjp, "plan"_a, "kernel"_a, "threads"_a, "features"_a, "weights"_a, "cotangent"_a,
          "outputs"_a.noconvert(), "weight_rows"_a.noconvert(), "feature_rows"_a.noconvert(),
          "Fill outputs and the gradients of sum(cotangent * outputs), one row for each sample.");
    m.def("vjp_sum", &vjp_sum, "plan"_a, "kernel"_a, "threads"_a, "features"_a, "weights"_a,
          "cotangent"_a, "outputs"_a.noconvert(), "gradient"_a.noconvert(),
          "feature_rows"_a.noconvert(),
          "The same for one set of weights, whose gradient is summed over samples.");
}

}  // namespace hpc_qlstm
