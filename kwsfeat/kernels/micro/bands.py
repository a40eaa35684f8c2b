"""Bins to bands: triangles with whole weights, and the root of their sum, as loud as the frame was."""

from kwsfeat.kernels._jit import LANES, stage
from kwsfeat.kernels.simd import at
from kwsfeat.kernels.simd_int import (
    as_doubles,
    load_ints,
    multiply_add,
    nearest_root,
    splat_double,
    splat_int,
    store_ints,
    unsigned_shift,
)


@stage
def band_levels(energy, levels, shift, plan):
    """levels[i * LANES:] of the bands. A part of the axis is the upper side of one triangle and the lower side of the next.

    A sum is below 2**52: 12 bits of weight, 31 of energy, and fewer than 257 bins. Doubles are exact, and faster than int64.
    """
    by = load_ints(shift, 0)
    nothing = as_doubles(splat_int(0))
    begun = nothing
    o = 0
    for i in range(plan.band_first.size):
        first, count = at(plan.band_first, i), at(plan.band_count, i)
        ended, begins = begun, nothing
        for j in range(count):
            e = as_doubles(load_ints(energy, (first + j) * LANES))
            ended = multiply_add(e, splat_double(at(plan.band_up, o + j)), ended)
            begins = multiply_add(e, splat_double(at(plan.band_down, o + j)), begins)
        if i > 0:
            store_ints(levels, (i - 1) * LANES, unsigned_shift(nearest_root(ended), by))
        begun = begins
        o += count
