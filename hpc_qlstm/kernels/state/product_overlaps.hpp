// Product states and their overlaps with a bra, one complex number after another; the twin of
// simd/product.hpp for a single state. Complex numbers are [re, im].
#pragma once

#include <cstddef>

namespace hpc_qlstm {

// A qubit in a |0> + b |1>.
struct Amplitudes {
    double ar, ai, br, bi;
};

// to[0 .. 2^qubits) = the product; amplitudes(k) are qubit k's.
template <typename Of>
void product(std::size_t qubits, Of amplitudes, double* to) {
    to[0] = 1.0;
    to[1] = 0.0;
    for (std::size_t k = 0; k < qubits; ++k) {
        const Amplitudes u = amplitudes(k);
        double* high = to + (std::size_t{2} << k);
        for (std::size_t n = 0; n < std::size_t{2} << k; n += 2) {
            const double re = to[n], im = to[n + 1];
            high[n] = re * u.br - im * u.bi;
            high[n + 1] = re * u.bi + im * u.br;
            to[n] = re * u.ar - im * u.ai;
            to[n + 1] = re * u.ai + im * u.ar;
        }
    }
}

// emit(k, v), v = Im <bra| (X, Y, Z) of qubit k |product>, from the last qubit to the first.
// Overwrites bra and work, each of 2^qubits complex numbers.
template <typename Of, typename Emit>
void product_overlaps(std::size_t qubits, Of amplitudes, double* bra, double* work, Emit emit) {
    for (std::size_t k = qubits; k-- > 0;) {
        const Amplitudes u = amplitudes(k);
        const std::size_t half = std::size_t{1} << k;
        product(k, amplitudes, work);
        double r0 = 0.0, i0 = 0.0, r1 = 0.0, i1 = 0.0;  // <bra| with qubit k left open
        for (std::size_t n = 0; n < half; ++n) {
            double *l0 = bra + 2 * n, *l1 = bra + 2 * (n + half);
            const double fr = work[2 * n], fi = work[2 * n + 1];
            r0 += l0[0] * fr + l0[1] * fi;
            i0 += l0[0] * fi - l0[1] * fr;
            r1 += l1[0] * fr + l1[1] * fi;
            i1 += l1[0] * fi - l1[1] * fr;
            const double re = l0[0] * u.ar + l0[1] * u.ai + l1[0] * u.br + l1[1] * u.bi;
            const double im = l0[1] * u.ar - l0[0] * u.ai + l1[1] * u.br - l1[0] * u.bi;
            l0[0] = re;
            l0[1] = im;
        }
        const double v[3] = {r0 * u.bi + i0 * u.br + r1 * u.ai + i1 * u.ar,
                             r1 * u.ar - i1 * u.ai - r0 * u.br + i0 * u.bi,
                             r0 * u.ai + i0 * u.ar - r1 * u.bi - i1 * u.br};
        emit(k, v);
    }
}

}  // namespace hpc_qlstm
