// Sine and cosine of all lanes at once.
#pragma once

#include "lanes.hpp"

namespace hpc_qlstm {
namespace {

// To about one unit in the last place. Reduction by multiples of pi / 2 in three pieces of 33 bits
// (products with a 20-bit multiple are exact) and the polynomials on [-pi/4, pi/4] are those of
// fdlibm (Sun Microsystems, 1993; k_sin.c, k_cos.c, e_rem_pio2.c). A lane beyond 2^20, infinite or
// NaN goes to the C library, alone.
inline void sincos(Lanes x, Lanes& sine, Lanes& cosine) {
    const Lanes magic = splat(0x1.8p52);  // adding it rounds to an integer
    const Lanes shifted = x * 6.36619772367581382433e-01 + magic;
    const Lanes multiple = shifted - magic;
    Lanes r = x - multiple * 1.57079632673412561417e+00;
    const Lanes middle = multiple * 6.07710050630396597660e-11;
    const Lanes high = r - middle;
    const Lanes error = (r - high) - middle;
    r = high + (error - multiple * 2.02226624879595063154e-21);

    const Lanes z = r * r;
    Lanes s = 1.58969099521155010221e-10 * z - 2.50507602534068634195e-08;
    s = s * z + 2.75573137070700676789e-06;
    s = s * z - 1.98412698298579493134e-04;
    s = s * z + 8.33333333332248946124e-03;
    s = s * z - 1.66666666666666324348e-01;
    s = r + r * z * s;
    Lanes c = -1.13596475577881948265e-11 * z + 2.08757232129817482790e-09;
    c = c * z - 2.75573143513906633035e-07;
    c = c * z + 2.48015872894767294178e-05;
    c = c * z - 1.38888888888741095749e-03;
    c = c * z + 4.16666666666666019037e-02;
    c = (1.0 - 0.5 * z) + z * z * c;

    // The low bits of `shifted` are the multiple, so its last two are the quadrant.
    typedef long long Bits __attribute__((vector_size(sizeof(Lanes))));
    const Bits quadrant = (Bits)shifted;
    const Bits odd = (quadrant & 1) != 0;
    const Lanes sine_of = odd ? c : s, cosine_of = odd ? s : c;
    sine = (quadrant & 2) != 0 ? -sine_of : sine_of;
    cosine = ((quadrant + 1) & 2) != 0 ? -cosine_of : cosine_of;
    for (std::size_t lane = 0; lane < kLanes; ++lane) {
        if (!(__builtin_fabs(x[lane]) < 0x1p20)) {
            sine[lane] = __builtin_sin(x[lane]);
            cosine[lane] = __builtin_cos(x[lane]);
        }
    }
}

}  // namespace
}  // namespace hpc_qlstm
