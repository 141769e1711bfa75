#include "lstm/partition_sweep.hpp"

#include <algorithm>
#include <utility>

#include "batch/evaluate.hpp"
#include "lstm/columns.hpp"
#include "state/evaluate_state.hpp"
#include "system/buffer.hpp"
#include "system/stopwatch.hpp"
#include "system/thread_pool.hpp"

namespace hpc_qlstm {
namespace {

thread_local Buffer member_buffer;

void run(const Member& member, const Kernel& kernel, const Batch& batch, std::size_t threads) {
    if (member.batch != nullptr) {
        evaluate(*member.batch, kernel, batch, threads);
    } else {
        evaluate_state(*member.state, kernel, batch, threads);
    }
}

}  // namespace

PartitionSweep::PartitionSweep(const Kernel& kernel, std::vector<Member> members, std::size_t sets)
    : kernel_(kernel), members_(std::move(members)), sets_(sets) {
    for (const Member& member : members_) {
        feature_begin_.push_back(features_);
        output_begin_.push_back(outputs_);
        features_ += static_cast<std::size_t>(member.program().features);
        outputs_ += static_cast<std::size_t>(member.program().outputs);
    }
}

void PartitionSweep::begin(std::size_t steps, std::size_t samples, bool back) {
    ++generation_;
    steps_ = samples_ = 0;  // in case the next line throws
    back_ = back;
    kept_.resize((back ? steps : 1) * samples * features_);
    steps_ = steps;
    samples_ = samples;
}

// With few members each uses all threads, one member after the other; with many each thread takes
// whole members.
template <typename F>
void PartitionSweep::for_members(std::size_t threads, F f) const {
    const std::size_t count = members_.size();
    if (threads == 1 || count < 2 * threads) {
        for (std::size_t m = 0; m < count; ++m) f(m, threads);
        return;
    }
    const std::size_t tasks = std::min(count, 8 * threads);
    const auto task = [&](std::size_t n) {
        for (std::size_t m = count * n / tasks; m < count * (n + 1) / tasks; ++m) f(m, 1);
    };
    run_parallel(threads, tasks, [&task](std::size_t n) { task(n); });
}

void PartitionSweep::forward(std::size_t t, std::size_t threads, const StepInput& in,
                             double* outputs, std::size_t width) {
    const Stopwatch watch(seconds);
    for_members(threads, [&](std::size_t m, std::size_t share) {
        forward_member(t, m, share, in, outputs, width);
    });
}

void PartitionSweep::forward_member(std::size_t t, std::size_t m, std::size_t threads,
                                    const StepInput& in, double* outputs, std::size_t width) {
    const Member& member = members_[m];
    const std::size_t rows = sets_ * samples_;
    const auto count = static_cast<std::size_t>(member.program().outputs);
    const std::size_t picks = member.picks.size();
    double* features = kept(t, m);
    for (std::size_t b = 0; b < samples_; ++b) {
        const double* state = in.state + b * in.state_width;
        const double* x = in.x + b * in.x_stride;
        for (std::size_t f = 0; f < picks; ++f) {
            const Pick& pick = member.picks[f];
            features[b * picks + f] = pick.from_x ? x[pick.column] : state[pick.column];
        }
    }
    Batch batch{};
    batch.samples = samples_;
    batch.sets = sets_;
    batch.features = features;
    batch.weights = in.weights + member.weights_begin;
    if (count == width) {  // the only member: nothing to pack
        batch.outputs = outputs;
        run(member, kernel_, batch, threads);
        return;
    }
    batch.outputs = member_buffer.get<double>(rows * count);
    run(member, kernel_, batch, threads);
    copy_columns(batch.outputs, count, rows, count, outputs + output_begin_[m], width);
}

void PartitionSweep::reverse(std::size_t t, std::size_t threads, const StepGradient& gradient) {
    const Stopwatch watch(seconds);
    for_members(threads,
                [&](std::size_t m, std::size_t share) { reverse_member(t, m, share, gradient); });
}

void PartitionSweep::reverse_member(std::size_t t, std::size_t m, std::size_t threads,
                                    const StepGradient& gradient) const {
    const Member& member = members_[m];
    const std::size_t rows = sets_ * samples_;
    const auto outputs = static_cast<std::size_t>(member.program().outputs);
    const auto weights = static_cast<std::size_t>(member.program().weights);
    const std::size_t features = member.picks.size();
    double* memory = member_buffer.get<double>(rows * (2 * outputs + weights + features));
    double* cotangent = memory;
    Batch batch{};
    batch.samples = samples_;
    batch.sets = sets_;
    batch.features = kept(t, m);
    batch.weights = gradient.weights + member.weights_begin;
    batch.outputs = memory + rows * outputs;
    batch.weight_rows = batch.outputs + rows * outputs;
    batch.feature_rows = batch.weight_rows + rows * weights;
    if (outputs == gradient.hidden) {
        batch.cotangent = gradient.cotangents;
    } else {
        copy_columns(gradient.cotangents + member.output_begin, gradient.hidden, rows, outputs,
                     cotangent, outputs);
        batch.cotangent = cotangent;
    }
    run(member, kernel_, batch, threads);
    for (std::size_t b = 0; b < samples_; ++b) {
        double* sums = gradient.rows + b * gradient.row_size + member.rows_begin;
        for (std::size_t set = 0; set < sets_; ++set) {
            const double* row = batch.weight_rows + (set * samples_ + b) * weights;
            for (std::size_t w = 0; w < weights; ++w) sums[set * weights + w] += row[w];
        }
        double* to = gradient.grad_inputs + b * gradient.width + feature_begin_[m];
        for (std::size_t f = 0; f < features; ++f) {
            double sum = batch.feature_rows[b * features + f];
            for (std::size_t set = 1; set < sets_; ++set) {
                sum += batch.feature_rows[(set * samples_ + b) * features + f];
            }
            to[f] = sum;
        }
    }
}

void merge_columns(const double* parts, std::size_t rows, std::size_t width,
                   const std::vector<std::size_t>& counts, double* merged) {
    std::size_t total = 0, begin = 0;
    for (const std::size_t count : counts) total += count;
    for (std::size_t p = 0; p < counts.size(); ++p) {
        copy_columns(parts + p * rows * width, width, rows, counts[p], merged + begin, total);
        begin += counts[p];
    }
}

void ColumnList::add(std::uint32_t part, std::uint32_t from, std::uint32_t to) {
    if (!columns.empty()) {
        Added& last = columns.back();
        if (part == last.part && from == last.from + last.count && to == last.to + last.count) {
            ++last.count;
            return;
        }
    }
    columns.push_back({part, from, to, 1});
}

bool ColumnList::fits(std::size_t parts, std::size_t width, std::size_t size) const {
    return std::all_of(columns.begin(), columns.end(), [&](const Added& run) {
        return run.part < parts && run.from < width && run.count <= width - run.from &&
               run.to < size && run.count <= size - run.to;
    });
}

// Run by run. The columns of a run differ, so that each sum is taken in the order of the list.
void add_columns(const double* parts, std::size_t rows, std::size_t width, const ColumnList& list,
                 double* sums, std::size_t size) {
    for (const Added& run : list.columns) {
        add_columns(parts + run.part * rows * width + run.from, width, rows, run.count,
                    sums + run.to, size);
    }
}

}  // namespace hpc_qlstm
