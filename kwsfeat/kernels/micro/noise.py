"""Levels to features, one frame after the other: a lane is a band. Noise reduction, gain by the noise (PCAN), logarithm.

The C code multiplies into 64 bits and shifts right. With the number in two parts, so that the shift takes the upper one as it is,
32 bits are enough: (2**n h + l) w >> n = h w + (l w >> n).
"""

from kwsfeat.kernels._jit import inlined
from kwsfeat.kernels.simd_int import (
    gather,
    larger_unsigned,
    leading_zeros,
    smaller_unsigned,
    splat_int,
    unsigned_shift,
    where_below,
    wrapped,
)

_LEAST_LEFT = 819  # of a level, in 2**-14, whatever the noise: 0.05
_LN2 = 45426  # in 2**-16


@inlined
def _parts(value, bits):
    return unsigned_shift(value, splat_int(bits)), value & splat_int((1 << bits) - 1)


@inlined
def _share(value, weight, bits):
    """(value * weight) >> bits; the weight has so few bits that its product with `bits` others has at most 32."""
    high, low = _parts(value, bits)
    return high * weight + unsigned_shift(low * weight, splat_int(bits))


@inlined
def next_noise(level, noise, smoothing):
    """The level, and the noise with it, both in 2**-10."""
    scaled = level << splat_int(10)
    rest = splat_int(1 << 14) - smoothing
    new_high, new_low = _parts(scaled, 14)
    old_high, old_low = _parts(noise, 14)
    low = unsigned_shift(new_low * smoothing + old_low * rest, splat_int(14))
    return scaled, new_high * smoothing + old_high * rest + low


@inlined
def without_noise(level, scaled, noise):
    """What is left of a level, a twentieth at least."""
    left = unsigned_shift(scaled - smaller_unsigned(noise, scaled), splat_int(10))
    return larger_unsigned(left, _share(level, splat_int(_LEAST_LEFT), 14))


@inlined
def gained(level, noise, gain, gain_bend):
    """The level times what a parabola between powers of two gives for the noise; small results are squared."""
    zeros = leading_zeros(noise)
    bits = splat_int(32) - zeros
    fraction = unsigned_shift(noise << (zeros & splat_int(31)), splat_int(21)) & splat_int(0x3FF)
    packed = gather(gain, bits)
    bend = (gather(gain_bend, bits) * fraction) >> splat_int(5)
    slope = (packed >> splat_int(16)) << splat_int(5)
    factor = wrapped((((bend + slope) * fraction + splat_int(1 << 14)) >> splat_int(15)) + wrapped(packed))
    x = _share(level, factor, 6)
    squared = unsigned_shift(x * x, splat_int(20))
    return where_below(x, splat_int(8192), squared, unsigned_shift(x, splat_int(6)) - splat_int(64))


@inlined
def logarithm(x, table):
    """ln(8 x) in 2**-6; 0 for 0. Between 128 points of the logarithm to base 2, lines."""
    x = x << splat_int(3)
    zeros = leading_zeros(x)
    fraction = unsigned_shift((x << (zeros & splat_int(31))) << splat_int(1), splat_int(16))
    segment = unsigned_shift(fraction, splat_int(9))
    packed = gather(table, segment)
    inside = fraction - (segment << splat_int(9))
    above = wrapped(packed) + (((packed >> splat_int(16)) * inside) >> splat_int(16))
    whole, part = _parts(((splat_int(31) - zeros) << splat_int(16)) + fraction + above, 16)
    half = splat_int(1 << 15)
    ln = whole * splat_int(_LN2) + unsigned_shift(part * splat_int(_LN2) + half, splat_int(16))
    return where_below(x, splat_int(2), splat_int(0), unsigned_shift((ln << splat_int(6)) + half, splat_int(16)))
