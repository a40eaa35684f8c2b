"""How an array enters a kernel: scale, offset and lower bound of each channel, so that normalised values are never stored.

`enter` (3, n) says ``max(enter[0] * x + enter[1], enter[2])``. Scale 1, offset 0 and a bound of minus infinity change nothing.
"""

from __future__ import annotations

import numpy as np

from kwsfeat.kernels._jit import inlined, stage
from kwsfeat.kernels.simd import at_least, fma, load_octet, store, where_less
from kwstrain.kernels.broadcast.products import zero


@inlined
def triple(array, c, n):
    """8 channels from c on of the three rows of `array` (3, n)."""
    return load_octet(array, c), load_octet(array, n + c), load_octet(array, 2 * n + c)


@inlined
def entered(x, i, enter):
    """The entered values of the 8 channels at x[i]; `enter` is their `triple`."""
    return at_least(fma(enter[0], load_octet(x, i), enter[1]), enter[2])


@inlined
def above(value, floor, then):
    """`then` where value > floor, else 0: the gradient of a lower bound."""
    return where_less(floor, value, then, zero())


@inlined
def new_sums(rows, n):
    """Zeros (rows, groups, 8), flat: 8 sums for each group of the n channels."""
    return np.zeros(rows * ((n + 7) // 8) * 8, np.float32)


@inlined
def add_to(sums, i, value):
    """sums[i : i + 8] += value."""
    store(sums, i, load_octet(sums, i) + value)


@stage
def add_moments(x, x_at, n_rows, n, sums):
    """Add to sums (2, groups, 8) the sum and the sum of squares of each of n channels over rows."""
    groups = (n + 7) // 8
    for group in range(groups):
        total, squares, i = zero(), zero(), x_at + min(8 * group, n - 8)
        for _ in range(n_rows):
            v = load_octet(x, i)
            total = total + v
            squares = fma(v, v, squares)
            i += n
        add_to(sums, 8 * group, total)
        add_to(sums, 8 * (groups + group), squares)


@stage
def write_sums(sums, rows, n, out, first):
    """out[first :], (rows, n), from sums (rows, groups, 8), in which channels that two groups share stand twice."""
    groups = (n + 7) // 8
    for row in range(rows):
        for group in range(groups):
            store(out, first + row * n + min(8 * group, n - 8), load_octet(sums, 8 * (row * groups + group)))
