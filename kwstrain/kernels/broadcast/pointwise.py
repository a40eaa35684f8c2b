"""A matrix product over channels that a BatchNorm and a ReLU follow, and the same two alone."""

from __future__ import annotations

import numpy as np

from kwsfeat.kernels.simd import fma, load_octet, store
from kwstrain.kernels.broadcast.entered import above, add_moments, entered, new_sums, triple, write_sums
from kwstrain.kernels.broadcast.products import CHUNK, WIDTH, chunk, copy, correlate, multiply
from kwstrain.kernels.declaration import kernel


@kernel(x="f32[b, t, f, i]", weight="f32[i, o]", results={"y": "f32[b, t, f, o]", "sums": "f32[b, 2, o]"})
def pointwise_forward(clip, x, weight, y, sums, clips):
    """The product, and the sum and the sum of squares of each channel of each clip."""
    n_in, n = weight.shape
    row, end = clip * x.shape[1] * x.shape[2], (clip + 1) * x.shape[1] * x.shape[2]
    found = new_sums(2, n)
    while row < end:
        size = chunk(row, end)
        multiply(x, row * n_in, size, n_in, weight, n, y, row * n)
        add_moments(y, row * n, size, n, found)
        row += size
    write_sums(found, 2, n, sums, clip * 2 * n)


@kernel(
    dh="f32[b, t, f, o]", y="f32[b, t, f, o]", norm="f32[3, o]", x="f32[b, t, f, i]", transposed="f32[o, i]",
    results={"dx": "f32[b, t, f, i]", "dweight": "f32[b, i, o]"},
)  # fmt: skip
def pointwise_backward(clip, dh, y, norm, x, transposed, dx, dweight, clips):
    """From `dh`, the gradient before the ReLU; before the BatchNorm it is ``norm[0] * dh + norm[1] * y + norm[2]``."""
    n, n_in = transposed.shape
    row, end = clip * x.shape[1] * x.shape[2], (clip + 1) * x.shape[1] * x.shape[2]
    dy = np.empty((CHUNK + WIDTH) * n, np.float32)
    before, after = np.zeros(n_in * n, np.float32), np.zeros(n_in * n, np.float32)
    while row < end:
        size = chunk(row, end)
        for group in range((n + 7) // 8):
            c = min(8 * group, n - 8)
            of_dh, of_y, constant = triple(norm, c, n)
            for i in range(c, size * n, n):
                j = row * n + i
                store(dy, i, fma(of_dh, load_octet(dh, j), fma(of_y, load_octet(y, j), constant)))
        multiply(dy, 0, size, n, transposed, n_in, dx, row * n_in)
        correlate(x, row * n_in, size, n_in, dy, 0, n, before, after)
        before, after = after, before
        row += size
    copy(before, n_in * n, dweight, clip * n_in * n)


@kernel(x="f32[b, t, f, o]", enter="f32[3, o]", results={"y": "f32[b, t, f, o]"})
def enter_forward(clip, x, enter, y, clips):
    """The entered values."""
    n = x.shape[3]
    size = x.shape[1] * x.shape[2] * n
    for row in range(clip * size, (clip + 1) * size, n):
        for group in range((n + 7) // 8):
            c = min(8 * group, n - 8)
            store(y, row + c, entered(x, row + c, triple(enter, c, n)))


@kernel(dy="f32[b, t, f, o]", x="f32[b, t, f, o]", enter="f32[3, o]", results={"sums": "f32[b, 2, o]"})
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
