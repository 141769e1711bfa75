// The Python module hpc_qlstm._native: checks shapes and types, drops the GIL, calls evaluate().
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/tuple.h>
#include <nanobind/stl/vector.h>

#include <algorithm>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include "bindings/arrays.hpp"
#include "system/buffer.hpp"
#include "isa/dispatch.hpp"
#include "batch/evaluate.hpp"
#include "state/evaluate_state.hpp"
#include "compile/program.hpp"
#include "state/state_plan.hpp"

namespace nb = nanobind;
using namespace nb::literals;

namespace {

using namespace hpc_qlstm;

// name, target, control or -1, source, index, transform, value: see circuit.hpp
using GateTuple =
    std::tuple<std::string, int, int, std::string, std::uint32_t, std::string, double>;

Circuit circuit_of(int qubits, int features, int weights, int outputs,
                   const std::vector<GateTuple>& gates) {
    Circuit circuit{qubits, features, weights, outputs, {}};
    for (const auto& [name, target, control, from, index, transformed, value] : gates) {
        circuit.gates.push_back({gate_kind(name), target, control, source(from), index,
                                 transform(transformed), value});
    }
    return circuit;
}

std::string text(const std::vector<std::size_t>& shape) {
    std::string out = "(";
    for (std::size_t n = 0; n < shape.size(); ++n) {
        out += (n > 0 ? ", " : "") + std::to_string(shape[n]);
    }
    return out + (shape.size() == 1 ? ",)" : ")");
}

template <typename Array>
std::vector<std::size_t> shape_of(const Array& array) {
    std::vector<std::size_t> shape;
    for (std::size_t n = 0; n < array.ndim(); ++n) shape.push_back(array.shape(n));
    return shape;
}

[[noreturn]] void refuse(const char* name, const std::string& given, const std::string& allowed) {
    throw nb::value_error((std::string(name) + " have shape " + given + ", allowed: " + allowed)
                              .c_str());
}

template <typename Array>
void check(const char* name, const Array& array, const std::vector<std::size_t>& shape) {
    if (shape_of(array) != shape) refuse(name, text(shape_of(array)), text(shape));
}

Batch batch_of(const Program& program, const Input<2>& features, const Plain& weights,
               const Output<3>& outputs) {
    const std::size_t width = static_cast<std::size_t>(program.features);
    const std::size_t count = static_cast<std::size_t>(program.weights);
    if (features.shape(1) != width) {
        refuse("features", text(shape_of(features)), "(samples, " + std::to_string(width) + ")");
    }
    if (weights.ndim() < 1 || weights.size() != weights.shape(0) * count) {
        refuse("weights", text(shape_of(weights)),
               "(sets, ...) with " + std::to_string(count) + " weights in a set");
    }
    Batch batch{};
    batch.samples = features.shape(0);
    batch.sets = weights.shape(0);
    batch.features = features.data();
    batch.weights = weights.data();
    batch.outputs = outputs.data();
    check("outputs", outputs, {batch.sets, batch.samples, std::size_t(program.outputs)});
    return batch;
}

void run(const BatchPlan& plan, const Kernel& kernel, const Batch& batch, std::size_t threads) {
    const nb::gil_scoped_release without_gil;
    evaluate(plan, kernel, batch, threads);
}

std::uint32_t lane_bits(const Kernel& kernel) {
    std::uint32_t bits = 0;
    while (std::size_t{2} << bits <= kernel.lanes()) ++bits;
    return bits;
}

void run(const StatePlan& plan, const Kernel& kernel, const Batch& batch, std::size_t threads) {
    if (plan.lane_bits() != lane_bits(kernel)) {
        throw nb::value_error("the plan was made for a kernel of other lanes");
    }
    const nb::gil_scoped_release without_gil;
    evaluate_state(plan, kernel, batch, threads);
}

// Plan: a BatchPlan, for samples side by side, or a StatePlan, for one large state at a time.
template <typename Plan>
void expectations(const Plan& plan, const Kernel& kernel, std::size_t threads,
                  const Input<2>& features, const Plain& weights, const Output<3>& outputs) {
    run(plan, kernel, batch_of(plan.program(), features, weights, outputs), threads);
}

template <typename Plan>
void vjp(const Plan& plan, const Kernel& kernel, std::size_t threads,
         const Input<2>& features, const Plain& weights, const Input<3>& cotangent,
         const Output<3>& outputs, const Output<3>& weight_rows, const Output<3>& feature_rows) {
    const Program& program = plan.program();
    Batch batch = batch_of(program, features, weights, outputs);
    check("cotangents", cotangent, {batch.sets, batch.samples, std::size_t(program.outputs)});
    check("weight gradients", weight_rows, {batch.sets, batch.samples, std::size_t(program.weights)});
    check("feature gradients", feature_rows, {batch.sets, batch.samples, std::size_t(program.features)});
    batch.cotangent = cotangent.data();
    batch.weight_rows = weight_rows.data();
    batch.feature_rows = feature_rows.data();
    run(plan, kernel, batch, threads);
}

// One set of weights, of any shape; the weight gradient summed over samples.
template <typename Plan>
void vjp_sum(const Plan& plan, const Kernel& kernel, std::size_t threads,
             const Input<2>& features, const Plain& weights, const Input<2>& cotangent,
             const Output<2>& outputs, const PlainOutput& gradient,
             const Output<2>& feature_rows) {
    const Program& program = plan.program();
    const std::size_t width = static_cast<std::size_t>(program.weights);
    if (weights.size() != width) refuse("weights", text(shape_of(weights)), text({width}));
    if (gradient.size() != width) refuse("weight gradients", text(shape_of(gradient)), text({width}));
    Batch batch{};
    batch.samples = features.shape(0);
    batch.sets = 1;
    check("features", features, {batch.samples, std::size_t(program.features)});
    check("outputs", outputs, {batch.samples, std::size_t(program.outputs)});
    check("cotangents", cotangent, {batch.samples, std::size_t(program.outputs)});
    check("feature gradients", feature_rows, shape_of(features));
    batch.features = features.data();
    batch.weights = weights.data();
    batch.outputs = outputs.data();
    thread_local Buffer rows;  // small calls allocate nothing
    std::size_t count = batch.samples;
    batch.cotangent = cotangent.data();
    batch.feature_rows = feature_rows.data();
    if constexpr (std::is_same_v<Plan, BatchPlan>) {
        count = (batch.samples + kernel.lanes() - 1) / kernel.lanes();
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

template <typename Plan>
void define_calls(nb::module_& m) {
    // noconvert: a hidden copy of an output would lose the results.
    m.def("expectations", &expectations<Plan>, "plan"_a, "kernel"_a, "threads"_a,
          "features"_a, "weights"_a, "outputs"_a.noconvert(),
          "Fill outputs (sets, samples, n_out).");
    m.def("vjp", &vjp<Plan>, "plan"_a, "kernel"_a, "threads"_a, "features"_a, "weights"_a,
          "cotangent"_a, "outputs"_a.noconvert(), "weight_rows"_a.noconvert(),
          "feature_rows"_a.noconvert(),
          "Fill outputs and the gradients of sum(cotangent * outputs), one row for each sample.");
    m.def("vjp_sum", &vjp_sum<Plan>, "plan"_a, "kernel"_a, "threads"_a, "features"_a, "weights"_a,
          "cotangent"_a, "outputs"_a.noconvert(), "gradient"_a.noconvert(),
          "feature_rows"_a.noconvert(),
          "The same for one set of weights, whose gradient is summed over samples.");
}

}  // namespace

NB_MODULE(_native, m) {
    m.doc() = "The compiled kernels of the native engine.";
    nb::class_<Kernel>(m, "Kernel", "The kernels for one instruction set and precision.")
        .def_prop_ro("name", [](const Kernel& k) { return k.isa; })
        .def_prop_ro("lanes", &Kernel::lanes, "Numbers in one vector.")
        .def("multiply_add", &multiply_add, "rounds"_a,
             "Do nothing but multiplications and additions; returns how many, to be timed.")
        .def("update", &update, "rounds"_a, "bytes"_a,
             "Read and write `bytes` of memory so many times, to be timed.");
    define_system(m);
    define_cell(m);
    nb::class_<Program>(m, "Program", "A compiled circuit.")
        .def("__init__",
             [](Program* self, int qubits, int features, int weights, int outputs,
                const std::vector<GateTuple>& gates) {
                 new (self) Program(circuit_of(qubits, features, weights, outputs, gates));
             },
             "qubits"_a, "features"_a, "weights"_a, "outputs"_a, "gates"_a)
        .def_prop_ro("steps", [](const Program& p) { return p.steps.size(); },
                     "Rotations and CZ after the product state that the circuit starts from.");
    nb::class_<BatchPlan>(m, "BatchPlan", "How the samples of a batch are swept.")
        .def(nb::init<const Program&>(), "program"_a, nb::keep_alive<1, 2>())
        .def_prop_ro("passes", &BatchPlan::passes,
                     "Passes over the state of a forward evaluation, after the product state.")
        .def("operations", &BatchPlan::operations, "gradient"_a,
             "Additions and multiplications on the states of one sample.")
        .def("accesses", &BatchPlan::accesses, "gradient"_a,
             "Amplitudes that these load and store.")
        .def_prop_ro("real", [](const BatchPlan& p) { return p.program().real; },
                     "Whether amplitudes are real numbers.");
    nb::class_<StatePlan>(m, "StatePlan", "How one large state of a program is swept.")
        .def("__init__",
             [](StatePlan* self, const Program& program, const Kernel& kernel,
                std::uint32_t tile_bits) {
                 new (self) StatePlan(program, lane_bits(kernel), tile_bits);
             },
             "program"_a, "kernel"_a, "tile_bits"_a = 0, nb::keep_alive<1, 2>())
        .def_prop_ro("passes", [](const StatePlan& p) { return p.view().tile_count; },
                     "Passes over memory of a forward evaluation.");
    m.def("available_isas", [] {
        std::vector<std::string> names;
        for (const Kernel& kernel : available_kernels()) {
            if (kernel.precision == Precision::float64) names.emplace_back(kernel.isa);
        }
        return names;
    }, "Instruction sets of this build that this processor has, the fastest last.");
    m.def("kernel", [](const std::string& isa, bool single) {
        return find_kernel(isa, single ? Precision::float32 : Precision::float64);
    }, nb::rv_policy::reference, "isa"_a, "single"_a = false, "The kernels of that name, or None.");
    define_calls<BatchPlan>(m);
    define_calls<StatePlan>(m);
    define_sweeps(m);
    define_sums(m);
}
