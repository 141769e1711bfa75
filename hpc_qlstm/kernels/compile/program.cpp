#include "compile/program.hpp"

#include <algorithm>
#include <cmath>
#include <map>
#include <tuple>
#include <utility>

#include "compile/light_cone.hpp"

namespace hpc_qlstm {
namespace {

class Compiler {
  public:
    Compiler(Program& program, const Circuit& circuit)
        : p_(program), circuit_(circuit), flips_(circuit.qubits), masks_(circuit.qubits),
          open_(circuit.qubits), entangled_(circuit.qubits, false) {
        for (int k = 0; k < circuit.qubits; ++k) flips_[k] = masks_[k] = 1u << k;
        p_.leading.assign(circuit.qubits, Run{});
    }

    void compile() {
        const std::vector<bool> matters = light_cone(circuit_);
        for (std::size_t n = 0; n < circuit_.gates.size(); ++n) {
            if (matters[n]) add(circuit_.gates[n]);
        }
        for (int k = 0; k < circuit_.qubits; ++k) {
            const std::size_t before = p_.steps.size();
            close(k);
            if (p_.steps.size() > before && k < circuit_.outputs) p_.steps.back().output = k;
        }
        p_.origin = origin_;
        p_.flips = flips_;
        for (int k = 0; k < circuit_.outputs; ++k) p_.readout.push_back(bit(k));
        finish();
    }

  private:
    void add(const Gate& gate) {
        const int k = gate.target;
        constexpr double r = 0.70710678118654752440;
        switch (gate.kind) {
            case GateKind::h:  // H = X RY(pi/2); on |0> RY(pi/2), which is real, does it
                open_[k].push_back(constant(Axis::y, r, r, constants_[1]));
                if (open_[k].size() == 1 && !entangled_[k]) break;
                open_[k].push_back(constant(Axis::x, 0.0, 1.0, constants_[0]));
                break;
            case GateKind::x:
                if (open_[k].empty() && entangled_[k]) {
                    origin_ ^= flips_[k];
                } else {
                    const Axis axis = open_[k].empty() ? Axis::y : Axis::x;
                    open_[k].push_back(constant(axis, 0.0, 1.0, constants_[0]));
                }
                break;
            case GateKind::rx: open_[k].push_back(turn(Axis::x, gate)); break;
            case GateKind::ry: open_[k].push_back(turn(Axis::y, gate)); break;
            case GateKind::rz: open_[k].push_back(turn(Axis::z, gate)); break;
            case GateKind::cnot:
                entangle(gate);
                flips_[gate.control] ^= flips_[k];
                masks_[k] ^= masks_[gate.control];
                break;
            case GateKind::cz: {
                entangle(gate);
                Step step{};
                step.kind = StepKind::negate;
                step.output = -1;
                step.bits[0] = bit(k);
                step.bits[1] = bit(gate.control);
                p_.steps.push_back(step);
                break;
            }
        }
    }

    void entangle(const Gate& gate) {
        for (int k : {gate.control, gate.target}) {
            close(k);
            entangled_[k] = true;
        }
    }

    Turn constant(Axis axis, double cos_half, double sin_half, std::int64_t& slot) {
        if (slot < 0) {
            slot = static_cast<std::int64_t>(p_.uniform_angles.size());
            p_.uniform_angles.push_back({false, 0, 1.0, cos_half, sin_half});
        }
        return {axis, false, static_cast<std::uint32_t>(slot), -1, 1.0};
    }

    Turn turn(Axis axis, const Gate& gate) {
        if (gate.source == Source::constant) {
            std::int64_t unshared = -1;
            return constant(axis, std::cos(gate.value / 2), std::sin(gate.value / 2), unshared);
        }
        if (gate.source == Source::weight) {
            const auto [at, added] = weight_slots_.try_emplace(
                {gate.index, gate.value}, static_cast<std::uint32_t>(p_.uniform_angles.size()));
            if (added) p_.uniform_angles.push_back({true, gate.index, gate.value, 0.0, 0.0});
            return {axis, false, at->second, static_cast<std::int32_t>(gate.index), gate.value};
        }
        const auto [at, added] =
            feature_slots_.try_emplace({gate.index, gate.transform, gate.value},
                                       static_cast<std::uint32_t>(p_.lane_angles.size()));
        if (added) p_.lane_angles.push_back({gate.index, gate.transform, gate.value});
        return {axis, true, at->second, static_cast<std::int32_t>(p_.weights + at->second), 1.0};
    }

    void close(int k) {
        if (open_[k].empty()) return;
        const std::vector<Turn> turns = std::move(open_[k]);
        open_[k].clear();
        const Run run = make_run(turns);
        if (!entangled_[k]) {
            p_.leading[k] = run;
            return;
        }
        Step step{};
        step.kind = StepKind::rotate;
        step.run = run;
        step.output = -1;
        step.flip = flips_[k];
        step.bits[0] = bit(k);
        p_.steps.push_back(step);
    }

    Parity bit(int k) const { return {masks_[k], __builtin_parity(masks_[k] & origin_) != 0}; }

    Run make_run(const std::vector<Turn>& turns) {
        Run run{};
        run.first = static_cast<std::uint32_t>(p_.turns.size());
        run.count = static_cast<std::uint32_t>(turns.size());
        run.matrix = p_.matrices++;
        const auto gives =
            std::find_if(turns.begin(), turns.end(), [](const Turn& t) { return t.gradient >= 0; });
        run.first_gradient = run.first + static_cast<std::uint32_t>(gives - turns.begin());
        const auto all_about = [&](Axis axis) {
            return std::all_of(turns.begin(), turns.end(),
                               [&](const Turn& t) { return t.axis == axis; });
        };
        run.shape = all_about(Axis::y)   ? Shape::real
                    : all_about(Axis::z) ? Shape::diagonal
                                         : Shape::general;
        run.per_lane =
            std::any_of(turns.begin(), turns.end(), [](const Turn& t) { return t.per_lane; });
        p_.turns.insert(p_.turns.end(), turns.begin(), turns.end());
        return run;
    }

    void finish() {
        p_.leading_gradient = std::any_of(p_.leading.begin(), p_.leading.end(),
                                          [](const Run& run) { return has_gradient(run); });
        p_.real = std::all_of(p_.leading.begin(), p_.leading.end(), [](const Run& run) {
            return run.count == 0 || run.shape == Shape::real;
        });
        for (const Step& step : p_.steps) {
            p_.real &= step.kind == StepKind::negate || step.run.shape == Shape::real;
        }
    }

    Program& p_;
    const Circuit& circuit_;
    std::uint32_t origin_ = 0;
    std::vector<std::uint32_t> flips_;
    std::vector<std::uint32_t> masks_;     // the inverse: bit k of l is parity(masks_[k] & stored)
    std::vector<std::vector<Turn>> open_;  // the turns of each qubit's unfinished run
    std::vector<bool> entangled_;
    std::int64_t constants_[2] = {-1, -1};  // slots of the angles pi and pi/2
    std::map<std::pair<std::uint32_t, double>, std::uint32_t> weight_slots_;
    std::map<std::tuple<std::uint32_t, Transform, double>, std::uint32_t> feature_slots_;
};

}  // namespace

bool commute(const Step& a, const Step& b) {
    const auto keeps = [](const Step& rotation, const Step& other) {
        if (rotation.kind == StepKind::negate) return true;
        const auto flipped = [&](int i) {
            return __builtin_parity(rotation.flip & other.bits[i].mask) != 0;
        };
        return !flipped(0) && !(other.kind == StepKind::negate && flipped(1));
    };
    return keeps(a, b) && keeps(b, a);
}

Program::Program(const Circuit& circuit)
    : qubits(circuit.qubits), features(circuit.features), weights(circuit.weights),
      outputs(circuit.outputs), origin(0), matrices(0), leading_gradient(false), real(false) {
    check(circuit);
    Compiler(*this, circuit).compile();
}

}  // namespace hpc_qlstm
