// Sine and cosine of all lanes at once.
#pragma once

#include "simd/lanes.hpp"

namespace hpc_qlstm {
namespace {

template <typename T>
struct SincosConstants;

// The polynomials of fdlibm (Sun Microsystems, 1993; k_sin.c, k_cos.c) and pi / 2 in pieces of 33
// bits (e_rem_pio2.c), whose products with a 20-bit multiple are exact.
template <>
struct SincosConstants<double> {
    static constexpr double magic = 0x1.8p52, limit = 0x1p20;
    static constexpr double pieces[3] = {1.57079632673412561417e+00, 6.07710050630396597660e-11,
                                         2.02226624879595063154e-21};
    static constexpr double sine[] = {1.58969099521155010221e-10, -2.50507602534068634195e-08,
                                      2.75573137070700676789e-06, -1.98412698298579493134e-04,
                                      8.33333333332248946124e-03, -1.66666666666666324348e-01};
    static constexpr double cosine[] = {-1.13596475577881948265e-11, 2.08757232129817482790e-09,
                                        -2.75573143513906633035e-07, 2.48015872894767294178e-05,
                                        -1.38888888888741095749e-03, 4.16666666666666019037e-02};
};

// Taylor polynomials, below the rounding on [-pi/4, pi/4]; pi / 2 in pieces of 8, 11 and 24 bits.
template <>
struct SincosConstants<float> {
    static constexpr float magic = 0x1.8p23f, limit = 0x1p12f;
    static constexpr float pieces[3] = {0x1.92p0f, 0x1.fb4p-12f, 0x1.4442d2p-24f};
    static constexpr float sine[] = {2.75573192e-06f, -1.98412698e-04f, 8.33333333e-03f,
                                     -1.66666667e-01f};
    static constexpr float cosine[] = {2.48015873e-05f, -1.38888889e-03f, 4.16666667e-02f};
};

template <std::size_t n>
HPC_QLSTM_INLINE Lanes polynomial(const Real (&coefficients)[n], Lanes z) {
    Lanes sum = coefficients[0] * z + coefficients[1];
    for (std::size_t j = 2; j < n; ++j) sum = sum * z + coefficients[j];
    return sum;
}

// To about one unit in the last place. A lane beyond the limit, infinite or NaN goes to the C
// library, alone.
inline void sincos(Lanes x, Lanes& sine, Lanes& cosine) {
    typedef SincosConstants<Real> Constants;
    const Lanes magic = splat(Constants::magic);  // adding it rounds to an integer
    const Lanes shifted = x * static_cast<Real>(6.36619772367581382433e-01) + magic;
    const Lanes multiple = shifted - magic;
    Lanes r = x - multiple * Constants::pieces[0];
    const Lanes middle = multiple * Constants::pieces[1];
    const Lanes high = r - middle;
    const Lanes error = (r - high) - middle;
    r = high + (error - multiple * Constants::pieces[2]);

    const Lanes z = r * r;
    const Lanes s = r + r * z * polynomial(Constants::sine, z);
    const Lanes c = (Real{1} - Real(0.5) * z) + z * z * polynomial(Constants::cosine, z);

    // The low bits of `shifted` are the multiple, so its last two are the quadrant.
    const Bits quadrant = (Bits)shifted;
    const Bits odd = (quadrant & 1) != 0;
    const Lanes sine_of = odd ? c : s, cosine_of = odd ? s : c;
    sine = (quadrant & 2) != 0 ? -sine_of : sine_of;
    cosine = ((quadrant + 1) & 2) != 0 ? -cosine_of : cosine_of;
    for (std::size_t lane = 0; lane < kLanes; ++lane) {
        if (!(__builtin_fabs(x[lane]) < Constants::limit)) {
            sine[lane] = static_cast<Real>(__builtin_sin(x[lane]));
            cosine[lane] = static_cast<Real>(__builtin_cos(x[lane]));
        }
    }
}

}  // namespace
}  // namespace hpc_qlstm
