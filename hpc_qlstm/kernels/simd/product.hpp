// The product state that the leading runs make of |0...0>, and the derivatives by their angles.
// An amplitude is `parts` vectors: [re, im], or [re] alone.
#pragma once

#include "simd/lanes.hpp"
#include "simd/su2.hpp"

namespace hpc_qlstm {
namespace {

// to = from * (r + i j)
template <unsigned parts>
HPC_QLSTM_INLINE void multiply(const Lanes* from, Lanes r, Lanes j, Lanes* to) {
    if constexpr (parts == 1) {
        to[0] = from[0] * r;
    } else {
        const Lanes re = from[0] * r - from[1] * j, im = from[0] * j + from[1] * r;
        to[0] = re;
        to[1] = im;
    }
}

// partial[n], n < 2^k, times qubit k's amplitudes (a, b), to n and n + 2^k of `to`.
template <unsigned parts>
HPC_QLSTM_INLINE void add_qubit(const Lanes* partial, std::size_t k, const Su2<Lanes>& u,
                                Lanes* to) {
    const std::size_t half = std::size_t{1} << k;
    const Su2<Lanes> m = u;
    for (std::size_t n = 0; n < half; ++n) {
        multiply<parts>(partial + parts * n, m.br, m.bi, to + parts * (n + half));
        multiply<parts>(partial + parts * n, m.ar, m.ai, to + parts * n);
    }
}

// sum += conj(bra) psi, which <bra| leaves open; i stays 0 for real states.
template <unsigned parts>
HPC_QLSTM_INLINE void contract(const Lanes* bra, const Lanes* psi, Lanes& r, Lanes& i) {
    r += bra[0] * psi[0];
    if constexpr (parts == 2) {
        r += bra[1] * psi[1];
        i += bra[0] * psi[1];
        i -= bra[1] * psi[0];
    }
}

// matrix(k) is the leading run of qubit k.
template <unsigned parts, typename Matrix>
HPC_QLSTM_ONE_COPY void product_state(std::size_t qubits, Matrix matrix, Lanes* psi) {
    psi[0] = splat(1.0);
    if constexpr (parts == 2) psi[1] = Lanes{};
    for (std::size_t k = 0; k < qubits; ++k) add_qubit<parts>(psi, k, matrix(k), psi);
}

// emit(k, v), v = Im <bra| (X, Y, Z) of qubit k |product state>, for every qubit from the last.
//
// The bra is contracted with one qubit's amplitudes after another, from the highest; what is left
// for qubit k meets the product of the qubits below it. That is O(2^q) work for all qubits
// together instead of one pass for each. `work` is another state's memory; both are overwritten.
template <unsigned parts, typename Matrix, typename Emit>
inline void product_gradient(std::size_t qubits, Matrix matrix, Lanes* bra, Lanes* work,
                             Emit emit) {
    // The product of the qubits below k lies at work[2^k .. 2^(k+1)).
    work[parts] = splat(1.0);
    if constexpr (parts == 2) work[3] = Lanes{};
    for (std::size_t k = 0; k + 1 < qubits; ++k) {
        add_qubit<parts>(work + (std::size_t{parts} << k), k, matrix(k),
                         work + (std::size_t{2 * parts} << k));
    }
    for (std::size_t k = qubits; k-- > 0;) {
        const std::size_t half = std::size_t{1} << k;
        const Lanes* below = work + parts * half;
        const Su2<Lanes> u = matrix(k);
        Lanes r0{}, i0{}, r1{}, i1{};  // <bra| with qubit k left open
        for (std::size_t n = 0; n < half; ++n) {
            Lanes *l0 = bra + parts * n, *l1 = bra + parts * (n + half);
            contract<parts>(l0, below + parts * n, r0, i0);
            contract<parts>(l1, below + parts * n, r1, i1);
            if constexpr (parts == 1) {
                l0[0] = l0[0] * u.ar + l1[0] * u.br;
            } else {
                const Lanes re = l0[0] * u.ar + l0[1] * u.ai + l1[0] * u.br + l1[1] * u.bi;
                const Lanes im = l0[1] * u.ar - l0[0] * u.ai + l1[1] * u.br - l1[0] * u.bi;
                l0[0] = re;
                l0[1] = im;
            }
        }
        Lanes v[3] = {r0 * u.bi + i0 * u.br + r1 * u.ai + i1 * u.ar,
                      r1 * u.ar - i1 * u.ai - r0 * u.br + i0 * u.bi,
                      r0 * u.ai + i0 * u.ar - r1 * u.bi - i1 * u.br};
        emit(k, v);
    }
}

}  // namespace
}  // namespace hpc_qlstm
