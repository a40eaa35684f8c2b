"""A matrix product over channels that a BatchNorm and a ReLU follow, and the same two alone."""

from __future__ import annotations

import numpy as np

from kwsfeat.kernels._jit import stage
from kwsfeat.kernels.simd import fma, load_octet, store
from kwstrain.kernels.broadcast.entered import above, add_moments, entered, new_sums, triple, write_sums
from kwstrain.kernels.broadcast.products import CHUNK, WIDTH, chunk, copy, correlate, multiply
from kwstrain.kernels.declaration import kernel


@stage
def _enter(x, row, size, enter, n, rows):
    """`size` entered rows of n channels, from x's `row` on, into `rows`."""
    for group in range((n + 7) // 8):
        c = min(8 * group, n - 8)
        entry = triple(enter, c, n)
        for i in range(c, size * n, n):
            store(rows, i, entered(x, row * n + i, entry))


@kernel(
    x="f32[b, t, f, i]",
    enter="f32[3, i]",
    weight="f32[i, o]",
    results={"y": "f32[b, t, f, o]", "sums": "f32[b, 2, o]"},
    at_least={"i": WIDTH, "o": WIDTH},
)
def pointwise_forward(clip, x, enter, weight, y, sums, clips):
    """The product of the entered x, and the sum and the sum of squares of each channel of each clip."""
    n_in, n = weight.shape
    row, end = clip * x.shape[1] * x.shape[2], (clip + 1) * x.shape[1] * x.shape[2]
    rows, found = np.empty((CHUNK + WIDTH) * n_in, np.float32), new_sums(2, n)
    while row < end:
        size = chunk(row, end)
        _enter(x, row, size, enter, n_in, rows)
        multiply(rows, 0, size, n_in, weight, n, y, row * n)
        add_moments(y, row * n, size, n, found)
        row += size
    write_sums(found, 2, n, sums, clip * 2 * n)


@kernel(
    dh="f32[b, t, f, o]", y="f32[b, t, f, o]", norm="f32[3, o]", x="f32[b, t, f, i]", enter="f32[3, i]", transposed="f32[o, i]",
    results={"dx": "f32[b, t, f, i]", "dweight": "f32[b, i, o]", "sums": "f32[b, 2, i]"}, at_least={"i": WIDTH, "o": WIDTH},
)  # fmt: skip
def pointwise_backward(clip, dh, y, norm, x, enter, transposed, dx, dweight, sums, clips):
    """From `dh`, the gradient before the ReLU; before the BatchNorm it is ``norm[0] * dh + norm[1] * y + norm[2]``.

    `dx` is the gradient behind scale and offset of `enter`; its sum, and that of its product with x.
    """
    n, n_in = transposed.shape
    row, end = clip * x.shape[1] * x.shape[2], (clip + 1) * x.shape[1] * x.shape[2]
    dy, rows = np.empty((CHUNK + WIDTH) * n, np.float32), np.empty((CHUNK + WIDTH) * n_in, np.float32)
    before, after = np.zeros(n_in * n, np.float32), np.zeros(n_in * n, np.float32)
    groups = (n_in + 7) // 8
    found = new_sums(2, n_in)
    while row < end:
        size = chunk(row, end)
        for group in range((n + 7) // 8):
            c = min(8 * group, n - 8)
            of_dh, of_y, constant = triple(norm, c, n)
            for i in range(c, size * n, n):
                j = row * n + i
                store(dy, i, fma(of_dh, load_octet(dh, j), fma(of_y, load_octet(y, j), constant)))
        _enter(x, row, size, enter, n_in, rows)
        correlate(rows, 0, size, n_in, dy, 0, n, before, after)
        before, after = after, before
        multiply(dy, 0, size, n, transposed, n_in, rows, 0)
        for group in range(groups):
            c = min(8 * group, n_in - 8)
            scale, offset, floor = triple(enter, c, n_in)
            total, product = load_octet(found, 8 * group), load_octet(found, 8 * (groups + group))
            for i in range(c, size * n_in, n_in):
                v = load_octet(x, row * n_in + i)
                d = above(fma(scale, v, offset), floor, load_octet(rows, i))
                store(dx, row * n_in + i, d)
                total = total + d
                product = fma(d, v, product)
            store(found, 8 * group, total)
            store(found, 8 * (groups + group), product)
        row += size
    copy(before, n_in * n, dweight, clip * n_in * n)
    write_sums(found, 2, n_in, sums, clip * 2 * n_in)


@kernel(x="f32[b, t, f, o]", enter="f32[3, o]", results={"y": "f32[b, t, f, o]"}, at_least={"o": WIDTH})
def enter_forward(clip, x, enter, y, clips):
    """The entered values."""
    n = x.shape[3]
    size = x.shape[1] * x.shape[2] * n
    for row in range(clip * size, (clip + 1) * size, n):
        for group in range((n + 7) // 8):
            c = min(8 * group, n - 8)
            store(y, row + c, entered(x, row + c, triple(enter, c, n)))


@kernel(dy="f32[b, t, f, o]", x="f32[b, t, f, o]", enter="f32[3, o]", results={"sums": "f32[b, 2, o]"}, at_least={"o": WIDTH})
def enter_backward(clip, dy, x, enter, sums, clips):
    """Sums of the gradient before the ReLU and of its product with x."""
    n = x.shape[3]
    size = x.shape[2] * n
    groups = (n + 7) // 8
    found = new_sums(2, n)
    for row in range(clip * x.shape[1] * size, (clip + 1) * x.shape[1] * size, size):
        for group in range(groups):
            c = min(8 * group, n - 8)
            scale, offset, floor = triple(enter, c, n)
            total, product = load_octet(found, 8 * group), load_octet(found, 8 * (groups + group))
            for i in range(row + c, row + size, n):
                v = load_octet(x, i)
                d = above(fma(scale, v, offset), floor, load_octet(dy, i))
                total = total + d
                product = fma(d, v, product)
            store(found, 8 * group, total)
            store(found, 8 * (groups + group), product)
    write_sums(found, 2, n, sums, clip * 2 * n)
