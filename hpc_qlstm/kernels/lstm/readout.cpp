#include "lstm/readout.hpp"

#include <algorithm>

namespace hpc_qlstm {
namespace {

double predict(const Readout& readout, const double* h, std::size_t output) {
    const double* weight = readout.weight + output * readout.units;
    double sum = 0.0;
    for (std::size_t u = 0; u < readout.units; ++u) sum += h[u] * weight[u];
    return sum + readout.bias[output];
}

}  // namespace

void readout(const Readout& readout, const double* hidden, std::size_t n, double* out) {
    for (std::size_t row = 0; row < n; ++row) {
        const double* h = hidden + row * readout.units;
        for (std::size_t k = 0; k < readout.outputs; ++k) {
            out[row * readout.outputs + k] = predict(readout, h, k);
        }
    }
}

void squared_errors(const Readout& readout, const double* hidden, std::size_t samples,
                    std::size_t steps, const double* target, double scale, double* loss,
                    double* grad_hidden, double* rows) {
    const std::size_t units = readout.units, outputs = readout.outputs;
    std::fill_n(loss, samples, 0.0);
    std::fill_n(grad_hidden, samples * steps * units, 0.0);
    std::fill_n(rows, samples * outputs * (units + 1), 0.0);
    for (std::size_t sample = 0; sample < samples; ++sample) {
        double* by = rows + sample * outputs * (units + 1);
        for (std::size_t n = sample * steps; n < (sample + 1) * steps; ++n) {
            const double* h = hidden + n * units;
            double* to = grad_hidden + n * units;
            for (std::size_t k = 0; k < outputs; ++k) {
                const double error = predict(readout, h, k) - target[n * outputs + k];
                const double cotangent = scale * error;
                const double* weight = readout.weight + k * units;
                loss[sample] += error * error;
                for (std::size_t u = 0; u < units; ++u) {
                    to[u] += cotangent * weight[u];
                    by[k * units + u] += cotangent * h[u];
                }
                by[outputs * units + k] += cotangent;
            }
        }
    }
}

}  // namespace hpc_qlstm
