// The linear readout of the hidden vectors, and the squared error of it. Plain loops over one
// sample after the other: a value's bits do not depend on the batch around its sample.
#pragma once

#include <cstddef>

namespace hpc_qlstm {

// The linear readout W h + b: weight (outputs, units), bias (outputs).
struct Readout {
    const double* weight = nullptr;
    const double* bias = nullptr;
    std::size_t units = 0, outputs = 0;
};

// out (n, outputs) for hidden (n, units).
void readout(const Readout& readout, const double* hidden, std::size_t n, double* out);

// Squared errors of the readout of hidden (samples * steps, units) beside `target` (samples *
// steps, outputs): their sum for each sample in `loss`; `scale` / 2 times their derivatives by
// hidden in `grad_hidden`, and by weight and bias, added up over a sample's steps, in `rows`
// (samples, outputs * units + outputs).
void squared_errors(const Readout& readout, const double* hidden, std::size_t samples,
                    std::size_t steps, const double* target, double scale, double* loss,
                    double* grad_hidden, double* rows);

}  // namespace hpc_qlstm
