"""The mean square of a clip; always summed in the same order, which a BLAS does not promise."""

from __future__ import annotations

import numpy as np

from kwsfeat.kernels._jit import LANES, jit
from kwsfeat.kernels.simd import lane_sum, load, splat

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
