"""The first convolution, of an image of one channel: taps (rows, columns) around each `stride_t`-th frame and `stride_f`-th feature."""

from __future__ import annotations

import numpy as np

from kwsfeat.kernels._jit import stage
from kwsfeat.kernels.simd import at, fma, load_octet, store
from kwstrain.kernels.broadcast.entered import above, add_moments, new_sums, triple, write_sums
from kwstrain.kernels.broadcast.products import CHUNK, WIDTH, copy, load_rows, spread, store_rows, zero
from kwstrain.kernels.declaration import kernel


@stage
def padded(x, clip, top, before, rows, columns):
    """The image of a clip in a frame of zeros, flat: its first value at row `top`, column `before` of (rows, columns)."""
    image = np.zeros(rows * columns, np.float32)
    for t in range(x.shape[1]):
        for f in range(x.shape[2]):
            image[(top + t) * columns + before + f] = x[clip, t, f]
    return image


@kernel(
    x="f32[b, t, f]", weight="f32[k, l, n]", results={"y": "f32[b, u, g, n]", "sums": "f32[b, 2, n]"},
    numbers=("left", "before", "stride_t", "stride_f"), at_least={"n": WIDTH, "u": WIDTH},
)  # fmt: skip
def stem_forward(clip, x, weight, y, sums, clips, left, before, stride_t, stride_f):
    """The convolution with `left` zeros in time and `before` zeros in frequency; sum and sum of squares of each channel."""
    _, frames, bands, n = y.shape
    n_rows, n_columns, _ = weight.shape
    columns = max(before + x.shape[2], (bands - 1) * stride_f + n_columns)
    image = padded(x, clip, left, before, max(left + x.shape[1], (frames - 1) * stride_t + n_rows), columns)
    first = clip * frames * bands * n
    found, step = new_sums(2, n), stride_t * columns
    for tile in range((frames + 7) // 8):
        t = min(8 * tile, frames - 8)
        for f in range(bands):
            for group in range((n + 7) // 8):
                c = min(8 * group, n - 8)
                y0, y1, y2, y3, y4, y5, y6, y7 = zero(), zero(), zero(), zero(), zero(), zero(), zero(), zero()
                for k in range(n_rows):
                    i = (t * stride_t + k) * columns + f * stride_f
                    for j in range(n_columns):
                        w = load_octet(weight, (k * n_columns + j) * n + c)
                        y0 = fma(spread(image, i + j), w, y0)
                        y1 = fma(spread(image, i + j + step), w, y1)
                        y2 = fma(spread(image, i + j + 2 * step), w, y2)
                        y3 = fma(spread(image, i + j + 3 * step), w, y3)
                        y4 = fma(spread(image, i + j + 4 * step), w, y4)
                        y5 = fma(spread(image, i + j + 5 * step), w, y5)
                        y6 = fma(spread(image, i + j + 6 * step), w, y6)
                        y7 = fma(spread(image, i + j + 7 * step), w, y7)
                store_rows(y, first + (t * bands + f) * n + c, bands * n, y0, y1, y2, y3, y4, y5, y6, y7)
        new = min(8, frames - 8 * tile)
        add_moments(y, first + (t + 8 - new) * bands * n, new * bands, n, found)
    write_sums(found, 2, n, sums, clip * 2 * n)


@kernel(
    dr="f32[b, u, g, n]", y="f32[b, u, g, n]", enter="f32[3, n]", norm="f32[3, n]", x="f32[b, t, f]",
    results={"dweight": "f32[b, k, l, n]"}, numbers=("left", "before", "stride_t", "stride_f"), at_least={"n": WIDTH, "u": WIDTH},
)  # fmt: skip
def stem_backward(clip, dr, y, enter, norm, x, dweight, clips, left, before, stride_t, stride_f):
    """From `dr`, the gradient behind the ReLU of `enter`, to the weights; `norm` as in ``pointwise_backward``."""
    _, frames, bands, n = y.shape
    _, n_rows, n_columns, _ = dweight.shape
    columns = max(before + x.shape[2], (bands - 1) * stride_f + n_columns)
    image = padded(x, clip, left, before, max(left + x.shape[1], (frames - 1) * stride_t + n_rows), columns)
    taps = n_rows * n_columns
    offset = np.empty(taps, np.int64)
    for k in range(taps):
        offset[k] = k // n_columns * columns + k % n_columns
    first, at_once = clip * frames * bands * n, max(1, CHUNK // bands)
    dy = np.empty(at_once * bands * n, np.float32)
    sums, after = np.zeros(taps * n, np.float32), np.zeros(taps * n, np.float32)
    for start in range(0, frames, at_once):
        end = min(frames, start + at_once)
        for group in range((n + 7) // 8):
            c = min(8 * group, n - 8)
            entry, coefficients = triple(enter, c, n), triple(norm, c, n)
            for i in range(c, (end - start) * bands * n, n):
                j = first + start * bands * n + i
                v = load_octet(y, j)
                d = above(fma(entry[0], v, entry[1]), entry[2], load_octet(dr, j))
                store(dy, i, fma(coefficients[0], d, fma(coefficients[1], v, coefficients[2])))
        for tile in range((taps + 7) // 8):
            k = min(8 * tile, taps - 8)
            o0, o1, o2, o3 = at(offset, k), at(offset, k + 1), at(offset, k + 2), at(offset, k + 3)
            o4, o5, o6, o7 = at(offset, k + 4), at(offset, k + 5), at(offset, k + 6), at(offset, k + 7)
            for group in range((n + 7) // 8):
                c = min(8 * group, n - 8)
                w0, w1, w2, w3, w4, w5, w6, w7 = load_rows(sums, k * n + c, n)
                j = c
                for t in range(start, end):
                    for f in range(bands):
                        i, d = t * stride_t * columns + f * stride_f, load_octet(dy, j)
                        w0 = fma(spread(image, i + o0), d, w0)
                        w1 = fma(spread(image, i + o1), d, w1)
                        w2 = fma(spread(image, i + o2), d, w2)
                        w3 = fma(spread(image, i + o3), d, w3)
                        w4 = fma(spread(image, i + o4), d, w4)
                        w5 = fma(spread(image, i + o5), d, w5)
                        w6 = fma(spread(image, i + o6), d, w6)
                        w7 = fma(spread(image, i + o7), d, w7)
                        j += n
                store_rows(after, k * n + c, n, w0, w1, w2, w3, w4, w5, w6, w7)
        sums, after = after, sums
    copy(sums, taps * n, dweight, clip * taps * n)
