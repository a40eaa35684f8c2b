"""Matrix products of a clip's rows with a small matrix, eight rows and a vector of columns at a time.

Where that does not divide a length, the last tile lies over the one before it and writes the same values again. So every length must be
at least 8. A vector is the machine's, or an octet where there are fewer columns than in that.
"""

from __future__ import annotations

import numpy as np

from kwsfeat.kernels._jit import LANES, inlined, stage
from kwsfeat.kernels.simd import at, broadcast, fma, load, load_octet, splat, splat_octet, store

WIDTH = 8  # channels, and rows, that are computed together
CHUNK = 64  # rows whose values stay in the first-level cache between two products


@inlined
def spread(array, index):
    """array[index] in all 8 lanes."""
    return splat_octet(at(array, index))


@inlined
def zero():
    """Nothing, eight times."""
    return splat_octet(np.float32(0))


@inlined
def _zero_of_lanes():
    return splat(np.float32(0))


def _multiplier(width, load, spread, zero):
    """The stage `multiply` by vectors of this width."""

    @stage
    def multiply(x, x_at, n_rows, n_in, w, n_out, y, y_at):
        for tile in range((n_rows + 7) // 8):
            row = min(8 * tile, n_rows - 8)
            for group in range((n_out + width - 1) // width):
                c = min(width * group, n_out - width)
                i0 = x_at + row * n_in
                i1, i2, i3, i4 = i0 + n_in, i0 + 2 * n_in, i0 + 3 * n_in, i0 + 4 * n_in
                i5, i6, i7 = i0 + 5 * n_in, i0 + 6 * n_in, i0 + 7 * n_in
                y0, y1, y2, y3, y4, y5, y6, y7 = zero(), zero(), zero(), zero(), zero(), zero(), zero(), zero()
                for k in range(n_in):
                    v = load(w, k * n_out + c)
                    y0 = fma(spread(x, i0 + k), v, y0)
                    y1 = fma(spread(x, i1 + k), v, y1)
                    y2 = fma(spread(x, i2 + k), v, y2)
                    y3 = fma(spread(x, i3 + k), v, y3)
                    y4 = fma(spread(x, i4 + k), v, y4)
                    y5 = fma(spread(x, i5 + k), v, y5)
                    y6 = fma(spread(x, i6 + k), v, y6)
                    y7 = fma(spread(x, i7 + k), v, y7)
                store_rows(y, y_at + row * n_out + c, n_out, y0, y1, y2, y3, y4, y5, y6, y7)

    return multiply


def _correlator(width, load, spread):
    """The stage `correlate` by vectors of this width."""

    @stage
    def correlate(x, x_at, n_rows, n_in, y, y_at, n_out, before, after):
        for tile in range((n_in + 7) // 8):
            k = min(8 * tile, n_in - 8)
            for group in range((n_out + width - 1) // width):
                c = min(width * group, n_out - width)
                i, j, first = x_at + k, y_at + c, k * n_out + c
                w0, w1 = load(before, first), load(before, first + n_out)
                w2, w3 = load(before, first + 2 * n_out), load(before, first + 3 * n_out)
                w4, w5 = load(before, first + 4 * n_out), load(before, first + 5 * n_out)
                w6, w7 = load(before, first + 6 * n_out), load(before, first + 7 * n_out)
                for _ in range(n_rows):
                    v = load(y, j)
                    w0 = fma(spread(x, i), v, w0)
                    w1 = fma(spread(x, i + 1), v, w1)
                    w2 = fma(spread(x, i + 2), v, w2)
                    w3 = fma(spread(x, i + 3), v, w3)
                    w4 = fma(spread(x, i + 4), v, w4)
                    w5 = fma(spread(x, i + 5), v, w5)
                    w6 = fma(spread(x, i + 6), v, w6)
                    w7 = fma(spread(x, i + 7), v, w7)
                    i += n_in
                    j += n_out
                store_rows(after, k * n_out + c, n_out, w0, w1, w2, w3, w4, w5, w6, w7)

    return correlate


_multiply_octets, _correlate_octets = _multiplier(WIDTH, load_octet, spread, zero), _correlator(WIDTH, load_octet, spread)
_IS_WIDE = LANES > WIDTH
_multiply_lanes = _multiplier(LANES, load, broadcast, _zero_of_lanes) if _IS_WIDE else _multiply_octets
_correlate_lanes = _correlator(LANES, load, broadcast) if _IS_WIDE else _correlate_octets


@inlined
def multiply(x, x_at, n_rows, n_in, w, n_out, y, y_at):
    """y (n_rows, n_out) = x (n_rows, n_in) @ w (n_in, n_out); x and y begin at an offset."""
    if n_out >= LANES:
        _multiply_lanes(x, x_at, n_rows, n_in, w, n_out, y, y_at)
    else:
        _multiply_octets(x, x_at, n_rows, n_in, w, n_out, y, y_at)


@inlined
def correlate(x, x_at, n_rows, n_in, y, y_at, n_out, before, after):
    """after (n_in, n_out) = before + x (n_rows, n_in) transposed @ y (n_rows, n_out); x and y begin at an offset.

    `after` must be another array than `before`: tiles that lie over each other would add twice.
    """
    if n_out >= LANES:
        _correlate_lanes(x, x_at, n_rows, n_in, y, y_at, n_out, before, after)
    else:
        _correlate_octets(x, x_at, n_rows, n_in, y, y_at, n_out, before, after)


@inlined
def load_rows(y, first, stride):
    """8 octets of rows `stride` apart."""
    return (
        load_octet(y, first), load_octet(y, first + stride), load_octet(y, first + 2 * stride), load_octet(y, first + 3 * stride),
        load_octet(y, first + 4 * stride), load_octet(y, first + 5 * stride), load_octet(y, first + 6 * stride),
        load_octet(y, first + 7 * stride),
    )  # fmt: skip


@inlined
def chunk(row, end):
    """How many rows to do from `row` on: few enough for the first-level cache, and no less than 8 left for the last ones."""
    return CHUNK if end - row >= CHUNK + WIDTH else end - row


@stage
def copy(x, n, y, y_at):
    """y[y_at : y_at + n] = x[:n], n at least 8."""
    for group in range((n + 7) // 8):
        i = min(8 * group, n - 8)
        store(y, y_at + i, load_octet(x, i))


@inlined
def store_rows(y, at_first, stride, y0, y1, y2, y3, y4, y5, y6, y7):
    """Write 8 octets to rows `stride` apart."""
    store(y, at_first, y0)
    store(y, at_first + stride, y1)
    store(y, at_first + 2 * stride, y2)
    store(y, at_first + 3 * stride, y3)
    store(y, at_first + 4 * stride, y4)
    store(y, at_first + 5 * stride, y5)
    store(y, at_first + 6 * stride, y6)
    store(y, at_first + 7 * stride, y7)
