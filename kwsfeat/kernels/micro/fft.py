"""kissfft's fixed-point real FFT of 512 points: 256 complex ones in four passes of radix 4, and the pass that separates two halves.

A complex number is a pair of int16. A pass divides by 4 first, so that only sums can leave 16 bits, and those wrap.
"""

from kwsfeat.kernels._jit import LANES, inlined, stage
from kwsfeat.kernels.micro.plan import HALF
from kwsfeat.kernels.simd import at
from kwsfeat.kernels.simd_int import (
    as_ints,
    as_pairs,
    dot,
    halves,
    load_ints,
    rounded_product,
    splat_int,
    store_ints,
    swapped,
    unsigned_shift,
)


@inlined
def _both(number):
    """One number in both halves of every pair."""
    return as_pairs(splat_int(number * 0x10001))


@inlined
def _get(points, k):
    return as_pairs(load_ints(points, k * LANES))


@inlined
def _put(points, k, value):
    store_ints(points, k * LANES, as_ints(value))


@inlined
def _turned(z, turns, k):
    """Times entry k of a table whose entries are (cos, -sin) and (sin, cos)."""
    half = splat_int(1 << 14)
    re = dot(z, as_pairs(splat_int(at(turns, 2 * k)))) + half
    im = dot(z, as_pairs(splat_int(at(turns, 2 * k + 1)))) + half
    return halves(as_pairs(unsigned_shift(re, splat_int(15))), as_pairs(im << splat_int(1)))


@inlined
def _butterfly(points, a, m, p, q, r, t):
    """The sums of four points, the last three turned, to a, a + m, a + 2 m and a + 3 m."""
    near, far, both, across = p + r, p - r, q + t, swapped(q - t)
    plus, minus = far + across, far - across
    _put(points, a, near + both)
    _put(points, a + m, halves(plus, minus))
    _put(points, a + 2 * m, near - both)
    _put(points, a + 3 * m, halves(minus, plus))


@stage
def complex_fft(points, plan):
    """In place, from the order of ``plan.order`` to the natural one."""
    quarter, almost_one = _both(32767 // 4), _both(32767)
    for a in range(0, HALF, 4):  # turned by nothing, which is not quite 1
        q = rounded_product(rounded_product(_get(points, a + 1), quarter), almost_one)
        r = rounded_product(rounded_product(_get(points, a + 2), quarter), almost_one)
        t = rounded_product(rounded_product(_get(points, a + 3), quarter), almost_one)
        _butterfly(points, a, 1, rounded_product(_get(points, a), quarter), q, r, t)
    m = 4
    while m < HALF:
        step = HALF // (4 * m)
        for k in range(m):
            for a in range(k, HALF, 4 * m):
                q = _turned(rounded_product(_get(points, a + m), quarter), plan.turns, k * step)
                r = _turned(rounded_product(_get(points, a + 2 * m), quarter), plan.turns, 2 * k * step)
                t = _turned(rounded_product(_get(points, a + 3 * m), quarter), plan.turns, 3 * k * step)
                _butterfly(points, a, m, rounded_product(_get(points, a), quarter), q, r, t)
        m *= 4


@stage
def energies(points, energy, plan):
    """Squared magnitudes of the real signal's bins 1 .. HALF - 1; the band tables want no other.

    Half of a sum that does not fit into 16 bits: a + b = (a ^ b) + 2 (a & b), a - b = (a ^ b) - 2 (~a & b).
    """
    half, zero, ones, one = _both(32767 // 2), as_pairs(splat_int(0)), as_pairs(splat_int(-1)), _both(1)
    for k in range(1, HALF // 2 + 1):
        a, b = rounded_product(_get(points, k), half), _get(points, HALF - k)
        b = rounded_product(halves(b, zero - b), half)
        even, odd = a + b, _turned(a - b, plan.real_turns, k)
        differing = (even ^ odd) >> one
        z = (even & odd) + differing
        store_ints(energy, k * LANES, dot(z, z))
        z = differing - halves((even ^ ones) & odd, (odd ^ ones) & even)
        store_ints(energy, (HALF - k) * LANES, dot(z, z))
