// The hyperbolic tangent of all lanes at once.
#pragma once

#include "simd/lanes.hpp"

namespace hpc_qlstm {
namespace {

// e^y - 1 for 0 <= y <= 88, to about one unit in the last place: y = k ln 2 + r, |r| <= ln 2 / 2,
// the Taylor series of e^r - 1 (its first left-out term is below 2^-56), then
// 2^k (e^r - 1) + 2^k - 1.
inline Lanes expm1(Lanes y) {
    const Lanes magic = splat(0x1.8p52);  // adding it rounds to an integer
    const Lanes shifted = y * static_cast<Real>(1.44269504088896338700e+00) + magic;
    const Lanes k = shifted - magic;
    // ln 2 in two pieces; the first has 33 bits, its product with k is exact.
    const Lanes r = (y - k * static_cast<Real>(6.93147180369123816490e-01)) -
                    k * static_cast<Real>(1.90821492927058770002e-10);
    constexpr Real series[] = {1.0 / 6227020800, 1.0 / 479001600, 1.0 / 39916800, 1.0 / 3628800,
                               1.0 / 362880,     1.0 / 40320,     1.0 / 5040,     1.0 / 720,
                               1.0 / 120,        1.0 / 24,        1.0 / 6,        0.5};
    Lanes sum = splat(series[0]);
    for (std::size_t n = 1; n < sizeof(series) / sizeof(series[0]); ++n) sum = sum * r + series[n];
    const Lanes small = r + r * r * sum;
    const Bits exponent = ((Bits)shifted - (Bits)magic + 1023) << 52;
    const Lanes scale = (Lanes)exponent;
    return scale * small + (scale - Real{1});
}

// From e^(2|x|) - 1; beyond 20 it is 1 to the last bit. NaN stays NaN.
inline Lanes hyperbolic_tangent(Lanes x) {
    const Lanes size = x < Lanes{} ? -x : x;
    const Lanes limit = splat(20.0);
    const Lanes e = expm1(Real{2} * (size > limit ? limit : size));
    const Lanes t = e / (e + Real{2});
    return x < Lanes{} ? -t : t;
}

}  // namespace
}  // namespace hpc_qlstm
