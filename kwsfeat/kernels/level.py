"""The mean square of a clip; always summed in the same order, which a BLAS does not promise."""

from __future__ import annotations

import numpy as np

from kwsfeat.kernels._jit import jit

f32 = np.float32


@jit
def mean_square(y):
    """Mean of the squares of `y`, float32, (n,), n >= 1."""
    total = 0.0
    for first in range(0, y.size, 256):  # in float32 within a run, so that it is fast; in float64 between runs
        part = f32(0)
        for i in range(first, min(first + 256, y.size)):
            part += y[i] * y[i]
        total += part
    return total / y.size
