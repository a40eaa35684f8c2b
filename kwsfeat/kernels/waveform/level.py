"""How loud a clip is: its mean square, always summed in the same order, which a BLAS does not promise, and its peak."""

from __future__ import annotations

import numpy as np

from kwsfeat.kernels._jit import LANES, jit
from kwsfeat.kernels.simd import lane_sum, larger_magnitude, largest_lane, load, splat

f32 = np.float32
_RUN = 32 * LANES  # summed in float32; the runs are summed in float64


@jit
def mean_square(y):
    """Mean of the squares of `y`, float32, (n,)."""
    total = 0.0
    whole = y.size // _RUN * _RUN
    for first in range(0, whole, _RUN):
        even, odd = splat(f32(0)), splat(f32(0))
        for i in range(first, first + _RUN, 2 * LANES):
            a, b = load(y, i), load(y, i + LANES)
            even = even + a * a
            odd = odd + b * b
        total += lane_sum(even + odd)
    for i in range(whole, y.size):
        total += y[i] * y[i]
    return total / y.size


@jit
def peak(y):
    """The largest magnitude in `y`, float32, (n,); infinite or NaN where a sample is."""
    largest = splat(f32(0))
    whole = y.size // LANES * LANES
    for i in range(0, whole, LANES):
        largest = larger_magnitude(load(y, i), largest)
    for i in range(whole, y.size):
        largest = larger_magnitude(splat(y[i]), largest)
    return largest_lane(largest)
