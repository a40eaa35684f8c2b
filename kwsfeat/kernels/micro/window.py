"""Samples to windowed frames as loud as 16 bits allow: a lane is a frame, and two samples are the complex number that the FFT wants."""

from kwsfeat.kernels._jit import LANES, stage
from kwsfeat.kernels.micro.plan import HALF
from kwsfeat.kernels.simd import at
from kwsfeat.kernels.simd_int import (
    as_ints,
    as_pairs,
    halves,
    larger,
    leading_zeros,
    load_ints,
    splat_int,
    store_ints,
    swapped,
    transpose_ints,
    upper_product,
    wrapped,
)


@stage
def windowed_frames(y, start, plan, scratch):
    """LANES frames from y[start] on to scratch.points, in the order of the FFT, and each lane's shift.

    y : int16, of which LANES frames and up to 2 LANES - 1 samples more are there.
    """
    n = plan.window.size
    for k in range(0, n, LANES):
        transpose_ints(y, start + 2 * k, plan.hop, scratch.frames, k * LANES, LANES)
    sixteen, loudest, zero = splat_int(16), as_pairs(splat_int(0)), as_pairs(splat_int(0))
    for k in range(n):
        x = as_pairs(load_ints(scratch.frames, k * LANES))
        v = upper_product(x, as_pairs(splat_int(at(plan.window, k)))) + (x & as_pairs(splat_int(at(plan.window_whole, k))))
        loudest = larger(loudest, larger(v, zero - v))
        store_ints(scratch.frames, k * LANES, as_ints(v))
    shift = leading_zeros(wrapped(as_ints(larger(loudest, swapped(loudest))))) - splat_int(17)
    store_ints(scratch.shift, 0, shift)
    for k in range(n):
        x = load_ints(scratch.frames, k * LANES)
        upper = ((x >> sixteen) << sixteen) << shift
        store_ints(scratch.points, at(plan.order, k) * LANES, as_ints(halves(as_pairs(x << shift), as_pairs(upper))))
    for k in range(n, HALF):
        store_ints(scratch.points, at(plan.order, k) * LANES, splat_int(0))
