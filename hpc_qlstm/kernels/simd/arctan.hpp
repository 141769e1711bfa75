// The arctangent of all lanes at once.
#pragma once

#include "simd/lanes.hpp"

namespace hpc_qlstm {
namespace {

// To about one unit in the last place. arctan(x) = arctan(c) + arctan((x - c) / (1 + c x)) with
// the c of 0, 1/2, 1, 3/2 and infinity next to |x|; the arctangents of c in two pieces, and the
// polynomial for the rest, are those of fdlibm (Sun Microsystems, 1993; s_atan.c).
inline Lanes arctan(Lanes x) {
    const Lanes size = x < Lanes{} ? -x : x, zero{}, one = splat(1.0);
    Lanes above = size, below = one, high = zero, low = zero;
    const auto from = [&](double limit, double c, double c_high, double c_low) {
        const Lanes edge = splat(limit);
        above = size >= edge ? size - splat(c) : above;
        below = size >= edge ? one + splat(c) * size : below;
        high = size >= edge ? splat(c_high) : high;
        low = size >= edge ? splat(c_low) : low;
    };
    from(7.0 / 16, 0.5, 4.63647609000806093515e-01, 2.26987774529616870924e-17);
    from(11.0 / 16, 1.0, 7.85398163397448278999e-01, 3.06161699786838301793e-17);
    from(19.0 / 16, 1.5, 9.82793723247329054082e-01, 1.39033110312309984516e-17);
    const Lanes edge = splat(39.0 / 16);
    above = size >= edge ? -one : above;
    below = size >= edge ? size : below;
    high = size >= edge ? splat(1.57079632679489655800e+00) : high;
    low = size >= edge ? splat(6.12323399573676603587e-17) : low;

    constexpr Real series[] = {Real(1.62858201153657823623e-02), Real(-3.65315727442169155270e-02),
                               Real(4.97687799461593236017e-02), Real(-5.83357013379057348645e-02),
                               Real(6.66107313738753120669e-02), Real(-7.69187620504482999495e-02),
                               Real(9.09088713343650656196e-02), Real(-1.11111104054623557880e-01),
                               Real(1.42857142725034663711e-01), Real(-1.99999999998764832476e-01),
                               Real(3.33333333333329318027e-01)};
    const Lanes t = above / below, z = t * t;
    Lanes sum = splat(series[0]);
    for (std::size_t n = 1; n < sizeof(series) / sizeof(series[0]); ++n) sum = sum * z + series[n];
    const Lanes angle = high - ((t * z * sum - low) - t);
    return x < Lanes{} ? -angle : angle;
}

}  // namespace
}  // namespace hpc_qlstm
