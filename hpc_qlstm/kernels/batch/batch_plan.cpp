#include "batch/batch_plan.hpp"

#include <algorithm>

namespace hpc_qlstm {
namespace {

using Columns = std::vector<std::uint32_t>;

// A basis of the same space in ascending order of distinct leading bits, so that counting up
// walks through memory upwards.
Columns ascending_basis(Columns columns) {
    Columns basis;
    for (std::uint32_t bit = 1u << 31; bit != 0; bit >>= 1) {
        auto pivot = std::find_if(columns.begin(), columns.end(),
                                  [&](std::uint32_t c) { return (c & bit) != 0; });
        if (pivot == columns.end()) continue;
        const std::uint32_t leader = *pivot;
        columns.erase(pivot);
        for (auto& c : columns) c ^= (c & bit) != 0 ? leader : 0;
        for (auto& b : basis) b ^= (b & bit) != 0 ? leader : 0;
        basis.insert(basis.begin(), leader);
    }
    return basis;
}

IndexMap index_map(std::uint32_t origin, const Columns& columns) {
    IndexMap map{};
    map.bits = static_cast<std::uint32_t>(columns.size());
    map.origin = origin;
    std::copy(columns.begin(), columns.end(), map.columns);
    const std::uint32_t low_bits = std::min<std::uint32_t>(map.bits, kLowBits);
    for (std::uint32_t j = 0; j < low_bits; ++j) {
        for (std::uint32_t n = 0; n < (1u << j); ++n) {
            map.low[n | (1u << j)] = map.low[n] ^ columns[j];
        }
    }
    return map;
}

// The indices at which `count` bits, each changed by its own flip alone, are all 0.
IndexMap where_zero(int qubits, std::uint32_t count, const Parity* bits,
                    const std::uint32_t* flips) {
    const auto corrected = [&](std::uint32_t n, bool constants) {
        std::uint32_t to = n;
        for (std::uint32_t i = 0; i < count; ++i) {
            const bool one = __builtin_parity(n & bits[i].mask) != 0;
            if (one != (constants && bits[i].constant)) to ^= flips[i];
        }
        return to;
    };
    Columns columns;
    for (int b = 0; b < qubits; ++b) columns.push_back(corrected(1u << b, false));
    return index_map(corrected(0, true), ascending_basis(columns));
}

Shape common_shape(Shape a, Shape b) { return a == b ? a : Shape::general; }

Pass rotation_pass(int qubits, const Step* const* steps, std::uint32_t count) {
    Pass pass{};
    pass.count = count;
    Parity bits[2];
    for (std::uint32_t i = 0; i < count; ++i) {
        pass.runs[i] = steps[i]->run;
        pass.flips[i] = steps[i]->flip;
        pass.outputs[i] = steps[i]->output;
        bits[i] = steps[i]->bits[0];
    }
    pass.shape = common_shape(pass.runs[0].shape, pass.runs[count - 1].shape);
    pass.map = where_zero(qubits, count, bits, pass.flips);
    return pass;
}

// The indices at which an odd number of CZ change the sign.
std::vector<std::uint32_t> negated_by(int qubits, const std::vector<const Step*>& steps) {
    const auto is_one = [](const Parity& bit, std::uint32_t n) {
        return (__builtin_parity(n & bit.mask) != 0) != bit.constant;
    };
    std::vector<std::uint32_t> indices;
    for (std::uint32_t n = 0; n < 1u << qubits; ++n) {
        bool odd = false;
        for (const Step* step : steps) odd ^= is_one(step->bits[0], n) && is_one(step->bits[1], n);
        if (odd) indices.push_back(n);
    }
    return indices;
}

// Neighbours of one shape share a pass where that is possible.
void append_rotations(int qubits, std::vector<const Step*> steps, std::vector<Pass>& passes) {
    std::stable_sort(steps.begin(), steps.end(),
                     [](const Step* a, const Step* b) { return a->run.shape < b->run.shape; });
    for (std::size_t n = 0; n < steps.size(); n += 2) {
        const std::size_t count = std::min<std::size_t>(2, steps.size() - n);
        passes.push_back(rotation_pass(qubits, &steps[n], static_cast<std::uint32_t>(count)));
    }
}

}  // namespace

BatchPlan::BatchPlan(const Program& program)
    : program_(program), readout_(index_map(program.origin, program.flips)) {
    std::vector<std::vector<const Step*>> layers;
    std::vector<const Step*> last;
    for (const Step& step : program.steps) {
        if (step.output >= 0) {
            last.push_back(&step);
            continue;
        }
        // The earliest layer of its kind that it can reach past what it commutes with.
        std::size_t at = layers.size();
        for (std::size_t n = layers.size(); n-- > 0;) {
            const auto passes = [&](const Step* other) { return commute(step, *other); };
            if (!std::all_of(layers[n].begin(), layers[n].end(), passes)) break;
            if (layers[n][0]->kind == step.kind) at = n;
        }
        if (at == layers.size()) layers.emplace_back();
        layers[at].push_back(&step);
    }
    bool gradient_before = false;
    for (const auto& steps : layers) {
        Layer layer{};
        layer.begin = static_cast<std::uint32_t>(passes_.size());
        layer.rotations = steps[0]->kind == StepKind::rotate;
        if (layer.rotations) {
            append_rotations(program.qubits, steps, passes_);
        } else {
            negated_.push_back(negated_by(program.qubits, steps));
            Pass pass{};
            pass.negated = negated_.back().data();
            pass.negated_count = static_cast<std::uint32_t>(negated_.back().size());
            passes_.push_back(pass);
        }
        layer.end = static_cast<std::uint32_t>(passes_.size());
        layer.gradient =
            std::any_of(steps.begin(), steps.end(), [](const Step* s) { return has_gradient(*s); });
        layer.psi_before = gradient_before;
        if (layer.rotations && layer.psi_before) layer.kept = ++kept_;
        gradient_before |= layer.gradient;
        layers_.push_back(layer);
    }
    append_rotations(program.qubits, last, last_);
    while (!program.leading_gradient && reverse_end_ < layers_.size() &&
           !layers_[reverse_end_].gradient) {
        ++reverse_end_;
    }
    for (bool gradient : {false, true}) work_[gradient] = count(gradient);
}

// The terms follow simd/: pairs.hpp, passes.hpp, product.hpp and readout.hpp.
BatchPlan::Work BatchPlan::count(bool gradient) const {
    const bool real = program_.real;
    const double amplitudes = static_cast<double>(std::size_t{1} << program_.qubits);
    const auto rotate = [&](Shape s) { return real ? 6 : s == Shape::general ? 28 : 12; };
    const auto overlap = [&](Shape s) { return real ? 4 : s == Shape::general ? 24 : 8; };
    const auto measure = [&](Shape s) { return real ? 2 : s == Shape::real ? 4 : 8; };
    const int multiply = real ? 1 : 6, contract = real ? 2 : 8, reduce = real ? 3 : 14;
    Work work{};
    // Operations on each pair of amplitudes of each rotation; loads and stores of the whole state.
    const auto add_pass = [&](const Pass& pass, int pair, int accesses) {
        work.operations += pass.count * amplitudes / 2 * pair;
        work.accesses += accesses * amplitudes;
    };

    work.operations += (amplitudes - 1) * 2 * multiply;  // product_state
    work.accesses += 3 * amplitudes;
    const std::uint32_t low = readout_.bits < kLowBits ? readout_.bits : kLowBits;
    const double blocks = static_cast<double>(std::size_t{1} << (readout_.bits - low));
    work.operations += amplitudes * (real ? 1 : 3);  // expectations
    work.accesses += amplitudes;
    for (int k = 0; k < program_.outputs; ++k) {
        const double sums = k < kLowBits ? 3.0 * static_cast<double>((1u << low) >> (k + 1)) : 1.0;
        work.operations += blocks * sums;
    }
    if (gradient) {  // weighted_bra
        work.operations += amplitudes * (real ? 2 : 3);
        work.accesses += 2 * amplitudes;
    }
    for (const Pass& pass : last_) {
        add_pass(pass, measure(pass.shape) * (gradient ? 3 : 1), gradient ? 3 : 1);
    }
    for (std::size_t l = 0; l < layers_.size(); ++l) {
        const Layer& layer = layers_[l];
        const bool bra = gradient && (l > reverse_end_ || program_.leading_gradient);
        for (std::uint32_t n = layer.begin; n < layer.end; ++n) {
            const Pass& pass = passes_[n];
            if (!layer.rotations) {
                work.accesses +=
                    (1 + bra + (gradient && layer.psi_before)) * 2.0 * pass.negated_count;
                continue;
            }
            add_pass(pass, rotate(pass.shape), 2);
            if (gradient && layer.gradient) add_pass(pass, overlap(pass.shape), 2);
            if (bra) add_pass(pass, rotate(pass.shape), 2);
            if (bra && layer.gradient && n + 1 == layer.end) work.accesses -= amplitudes;
        }
    }
    if (gradient && program_.leading_gradient) {  // product_gradient
        work.operations += (amplitudes / 2 - 1) * 2 * multiply;
        work.operations += (amplitudes - 1) * (2 * contract + reduce);
        work.accesses += (1.5 + 4) * amplitudes;
    }
    return work;
}

BatchView BatchPlan::view() const {
    BatchView view{};
    view.passes = passes_.data();
    view.layers = layers_.data();
    view.layer_count = layers_.size();
    view.reverse_end = reverse_end_;
    view.last = last_.data();
    view.last_count = last_.size();
    view.readout = &readout_;
    view.kept = kept_;
    view.real = program_.real;
    return view;
}

}  // namespace hpc_qlstm
