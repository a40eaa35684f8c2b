"""A depthwise convolution over frames and features of what enters, and its gradient: a vector of channels of a clip at a time.

Of these the image lies in a frame of zeros, which stays in the first-level cache: no tap has to ask whether it is inside. Four frames
are computed together, which share what is loaded of the weights. There must be at least as many channels as a vector has lanes.
"""

from __future__ import annotations

import numpy as np

from kwsfeat.kernels._jit import LANES, inlined, stage
from kwsfeat.kernels.simd import at, at_least, fma, load, splat, store, where_less
from kwstrain.kernels.declaration import kernel

STEPS = ("stride_t", "stride_f", "dilation_t", "dilation_f", "pad_t", "pad_f")  # of frames and features; zeros before the first
_ROWS = 4  # frames that are computed together


@inlined
def _zero():
    return splat(np.float32(0))


@inlined
def _group(index, n):
    """Where the channels of a group begin: the last one lies over that before it."""
    return min(LANES * index, n - LANES)


@inlined
def _rows_up(n):
    """So many frames that they are whole groups of those computed together."""
    return (n + _ROWS - 1) // _ROWS * _ROWS


@inlined
def _extent(n_out, taps, stride, dilation, pad, n):
    """Rows or columns of an image with its zeros: as many as the taps of `n_out` places, or the image, need."""
    return max((n_out - 1) * stride + (taps - 1) * dilation + 1, pad + n)


@stage
def _offsets(taps_t, taps_f, dilation_t, dilation_f, columns):
    """Where the taps find their values, from the first one's on, in an image of so many columns."""
    offset = np.empty(taps_t * taps_f, np.int64)
    for k in range(taps_t):
        for j in range(taps_f):
            offset[k * taps_f + j] = LANES * (k * dilation_t * columns + j * dilation_f)
    return offset


@stage
def _convolve(image, offset, weight, step_t, step_f, y, frames, features):
    """y (frames, features), `frames` a multiple of four: the sum over taps of `weight` and of the image at their `offset`."""
    n_taps, row = offset.size, LANES * features
    for t in range(0, frames, _ROWS):
        for f in range(features):
            y0, y1, y2, y3 = _zero(), _zero(), _zero(), _zero()
            first = t * step_t + f * step_f
            for k in range(n_taps):
                i, w = first + at(offset, k), load(weight, LANES * k)
                y0 = fma(w, load(image, i), y0)
                y1 = fma(w, load(image, i + step_t), y1)
                y2 = fma(w, load(image, i + 2 * step_t), y2)
                y3 = fma(w, load(image, i + 3 * step_t), y3)
            j = t * row + LANES * f
            store(y, j, y0)
            store(y, j + row, y1)
            store(y, j + 2 * row, y2)
            store(y, j + 3 * row, y3)


@stage
def _enter(x, first, enter, c, n, frames, features, image, columns, pad_t, pad_f):
    """The entered image of the channels from c on, which begins at x[first], into its frame of zeros."""
    scale, offset, floor = load(enter, c), load(enter, n + c), load(enter, 2 * n + c)
    for t in range(frames):
        for f in range(features):
            value = load(x, first + (t * features + f) * n + c)
            store(image, LANES * ((pad_t + t) * columns + pad_f + f), at_least(fma(scale, value, offset), floor))


@kernel(
    x="f32[b, t, f, n]", enter="f32[3, n]", weight="f32[k, l, n]", results={"y": "f32[b, u, g, n]", "sums": "f32[b, 2, n]"}, numbers=STEPS,
    at_least={"n": LANES},
)  # fmt: skip
def depthwise_forward(clip, x, enter, weight, y, sums, clips, stride_t, stride_f, dilation_t, dilation_f, pad_t, pad_f):
    """y at (t, f) sees x at (t * stride + k * dilation - pad) of both axes; sum and sum of squares of each channel of y."""
    _, frames, features, n = x.shape
    taps_t, taps_f, _ = weight.shape
    _, frames_out, features_out, _ = y.shape
    whole = _rows_up(frames_out)
    rows = _extent(whole, taps_t, stride_t, dilation_t, pad_t, frames)
    columns = _extent(features_out, taps_f, stride_f, dilation_f, pad_f, features)
    offset = _offsets(taps_t, taps_f, dilation_t, dilation_f, columns)
    image, taps = np.zeros(LANES * rows * columns, np.float32), np.empty(LANES * offset.size, np.float32)
    found = np.empty(LANES * whole * features_out, np.float32)
    first, first_out = clip * frames * features * n, clip * frames_out * features_out * n
    for group in range((n + LANES - 1) // LANES):
        c = _group(group, n)
        for k in range(offset.size):
            store(taps, LANES * k, load(weight, k * n + c))
        _enter(x, first, enter, c, n, frames, features, image, columns, pad_t, pad_f)
        _convolve(image, offset, taps, LANES * stride_t * columns, LANES * stride_f, found, whole, features_out)
        total, squares = _zero(), _zero()
        for i in range(frames_out * features_out):
            value = load(found, LANES * i)
            store(y, first_out + i * n + c, value)
            total = total + value
            squares = fma(value, value, squares)
        store(sums, clip * 2 * n + c, total)
        store(sums, clip * 2 * n + n + c, squares)


@kernel(
    dh="f32[b, u, g, n]", y="f32[b, u, g, n]", norm="f32[3, n]", x="f32[b, t, f, n]", enter="f32[3, n]", weight="f32[k, l, n]",
    results={"dx": "f32[b, t, f, n]", "dweight": "f32[b, k, l, n]", "sums": "f32[b, 2, n]"}, numbers=STEPS, at_least={"n": LANES},
)  # fmt: skip
def depthwise_backward(
    clip, dh, y, norm, x, enter, weight, dx, dweight, sums, clips, stride_t, stride_f, dilation_t, dilation_f, pad_t, pad_f
):  # fmt: skip
    """From `dh`, whose gradient before the BatchNorm that follows is ``norm[0] * dh + norm[1] * y + norm[2]``.

    `dx` is the gradient behind scale and offset of `enter`; its sum, and that of its product with x.
    """
    _, frames, features, n = x.shape
    taps_t, taps_f, _ = weight.shape
    _, frames_out, features_out, _ = dh.shape
    whole, whole_out, n_taps = _rows_up(frames), _rows_up(frames_out), taps_t * taps_f
    rows = _extent(whole_out, taps_t, stride_t, dilation_t, pad_t, frames)
    columns = _extent(features_out, taps_f, stride_f, dilation_f, pad_f, features)
    offset = _offsets(taps_t, taps_f, dilation_t, dilation_f, columns)
    image = np.zeros(LANES * rows * columns, np.float32)
    # The gradients of y as an image in which they lie a stride apart: convolved by the taps turned round they are those of x.
    before_t, before_f = (taps_t - 1) * dilation_t - pad_t, (taps_f - 1) * dilation_f - pad_f
    rows_back, columns_back = _extent(whole, taps_t, 1, dilation_t, 0, 1), _extent(features, taps_f, 1, dilation_f, 0, 1)
    offset_back = _offsets(taps_t, taps_f, dilation_t, dilation_f, columns_back)
    apart, dy = np.zeros(LANES * rows_back * columns_back, np.float32), np.zeros(LANES * whole_out * features_out, np.float32)
    taps, found = np.empty(LANES * n_taps, np.float32), np.empty(LANES * whole * features, np.float32)
    first, first_out = clip * frames * features * n, clip * frames_out * features_out * n
    for group in range((n + LANES - 1) // LANES):
        c = _group(group, n)
        for k in range(n_taps):
            store(taps, LANES * k, load(weight, (n_taps - 1 - k) * n + c))
        of_dh, of_y, constant = load(norm, c), load(norm, n + c), load(norm, 2 * n + c)
        for t in range(frames_out):
            row = before_t + t * stride_t
            for f in range(features_out):
                i, column = first_out + (t * features_out + f) * n + c, before_f + f * stride_f
                d = fma(of_dh, load(dh, i), fma(of_y, load(y, i), constant))
                store(dy, LANES * (t * features_out + f), d)
                if 0 <= row < rows_back and 0 <= column < columns_back:
                    store(apart, LANES * (row * columns_back + column), d)
        _convolve(apart, offset_back, taps, LANES * columns_back, LANES, found, whole, features)
        scale, shift, floor = load(enter, c), load(enter, n + c), load(enter, 2 * n + c)
        total, product = _zero(), _zero()
        for i in range(frames * features):
            value = load(x, first + i * n + c)
            d = where_less(floor, fma(scale, value, shift), load(found, LANES * i), _zero())
            store(dx, first + i * n + c, d)
            total = total + d
            product = fma(d, value, product)
        store(sums, clip * 2 * n + c, total)
        store(sums, clip * 2 * n + n + c, product)
        _enter(x, first, enter, c, n, frames, features, image, columns, pad_t, pad_f)
        step, row = LANES * stride_t * columns, LANES * features_out
        for k in range(n_taps):
            w0, w1, w2, w3 = _zero(), _zero(), _zero(), _zero()
            for t in range(0, whole_out, _ROWS):
                i, o = t * step + at(offset, k), t * row
                for _ in range(features_out):
                    w0 = fma(load(dy, o), load(image, i), w0)
                    w1 = fma(load(dy, o + row), load(image, i + step), w1)
                    w2 = fma(load(dy, o + 2 * row), load(image, i + 2 * step), w2)
                    w3 = fma(load(dy, o + 3 * row), load(image, i + 3 * step), w3)
                    i += LANES * stride_f
                    o += LANES
            store(dweight, (clip * n_taps + k) * n + c, (w0 + w1) + (w2 + w3))
