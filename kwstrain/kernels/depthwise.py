"""A depthwise convolution over frames and features of what enters, and its gradient: eight channels of a clip at a time.

Of these the image lies in a frame of zeros, which stays in the first-level cache: no tap has to ask whether it is inside. Four frames
are computed together, which share what is loaded of the weights.
"""

from __future__ import annotations

import numpy as np

from kwsfeat.kernels._jit import stage
from kwsfeat.kernels.simd import fma, load_octet, store
from kwstrain.kernels.broadcast.entered import above, entered, triple
from kwstrain.kernels.broadcast.products import zero
from kwstrain.kernels.declaration import kernel

STEPS = ("stride_t", "stride_f", "dilation_t", "dilation_f", "pad_t", "pad_f")  # of frames and features; zeros before the first
_ROWS = 4  # frames that are computed together


@stage
def _size(n_out, taps, stride, dilation, pad, n):
    """Rows or columns of an image with its zeros: as many as the taps of `n_out` places, or the image, need."""
    return max((n_out - 1) * stride + (taps - 1) * dilation + 1, pad + n)


@stage
def _convolve(image, columns, weight, taps_t, taps_f, stride_t, stride_f, dilation_t, dilation_f, y, frames, features):
    """y (frames, features): `frames` is a multiple of four; of the octets of `image` (..., columns) by those of `weight`."""
    step = 8 * stride_t * columns
    for t in range(0, frames, _ROWS):
        for f in range(features):
            y0, y1, y2, y3 = zero(), zero(), zero(), zero()
            first, place = t * step + 8 * f * stride_f, 0
            for k in range(taps_t):
                i = first + 8 * k * dilation_t * columns
                for _ in range(taps_f):
                    w = load_octet(weight, place)
                    y0 = fma(w, load_octet(image, i), y0)
                    y1 = fma(w, load_octet(image, i + step), y1)
                    y2 = fma(w, load_octet(image, i + 2 * step), y2)
                    y3 = fma(w, load_octet(image, i + 3 * step), y3)
                    i += 8 * dilation_f
                    place += 8
            j = 8 * (t * features + f)
            store(y, j, y0)
            store(y, j + 8 * features, y1)
            store(y, j + 16 * features, y2)
            store(y, j + 24 * features, y3)


@stage
def _enter(x, first, enter, c, n, frames, features, image, columns, pad_t, pad_f):
    """The entered image of 8 channels from c on, which begins at x[first], into its frame of zeros."""
    entry = triple(enter, c, n)
    for t in range(frames):
        for f in range(features):
            store(image, 8 * ((pad_t + t) * columns + pad_f + f), entered(x, first + (t * features + f) * n + c, entry))


@kernel(
    x="f32[b, t, f, n]", enter="f32[3, n]", weight="f32[k, l, n]", results={"y": "f32[b, u, g, n]", "sums": "f32[b, 2, n]"}, numbers=STEPS
)  # fmt: skip
def depthwise_forward(clip, x, enter, weight, y, sums, clips, stride_t, stride_f, dilation_t, dilation_f, pad_t, pad_f):
    """y at (t, f) sees x at (t * stride + k * dilation - pad) of both axes; sum and sum of squares of each channel of y."""
    _, frames, features, n = x.shape
    taps_t, taps_f, _ = weight.shape
    _, frames_out, features_out, _ = y.shape
    whole = (frames_out + _ROWS - 1) // _ROWS * _ROWS
    rows = _size(whole, taps_t, stride_t, dilation_t, pad_t, frames)
    columns = _size(features_out, taps_f, stride_f, dilation_f, pad_f, features)
    image, taps = np.zeros(8 * rows * columns, np.float32), np.empty(8 * taps_t * taps_f, np.float32)
    found = np.empty(8 * whole * features_out, np.float32)
    first, first_out = clip * frames * features * n, clip * frames_out * features_out * n
    for group in range((n + 7) // 8):
        c = min(8 * group, n - 8)
        for k in range(taps_t * taps_f):
            store(taps, 8 * k, load_octet(weight, k * n + c))
        _enter(x, first, enter, c, n, frames, features, image, columns, pad_t, pad_f)
        _convolve(image, columns, taps, taps_t, taps_f, stride_t, stride_f, dilation_t, dilation_f, found, whole, features_out)
        total, squares = zero(), zero()
        for i in range(frames_out * features_out):
            v = load_octet(found, 8 * i)
            store(y, first_out + i * n + c, v)
            total = total + v
            squares = fma(v, v, squares)
        store(sums, clip * 2 * n + c, total)
        store(sums, clip * 2 * n + n + c, squares)


@kernel(
    dh="f32[b, u, g, n]", y="f32[b, u, g, n]", norm="f32[3, n]", x="f32[b, t, f, n]", enter="f32[3, n]", weight="f32[k, l, n]",
    results={"dx": "f32[b, t, f, n]", "dweight": "f32[b, k, l, n]", "sums": "f32[b, 2, n]"}, numbers=STEPS,
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
    whole, whole_out = (frames + _ROWS - 1) // _ROWS * _ROWS, (frames_out + _ROWS - 1) // _ROWS * _ROWS
    rows = _size(whole_out, taps_t, stride_t, dilation_t, pad_t, frames)
    columns = _size(features_out, taps_f, stride_f, dilation_f, pad_f, features)
    # The gradients of y as an image in which they lie a stride apart: convolved by the taps turned round they are those of x.
    before_t, before_f = (taps_t - 1) * dilation_t - pad_t, (taps_f - 1) * dilation_f - pad_f
    rows_back, columns_back = _size(whole, taps_t, 1, dilation_t, 0, 1), _size(features, taps_f, 1, dilation_f, 0, 1)
    n_taps = taps_t * taps_f
    image, taps = np.zeros(8 * rows * columns, np.float32), np.empty(8 * n_taps, np.float32)
    apart, dy = np.zeros(8 * rows_back * columns_back, np.float32), np.zeros(8 * whole_out * features_out, np.float32)
    found = np.empty(8 * whole * features, np.float32)
    first, first_out = clip * frames * features * n, clip * frames_out * features_out * n
    for group in range((n + 7) // 8):
        c = min(8 * group, n - 8)
        for k in range(n_taps):
            store(taps, 8 * k, load_octet(weight, (n_taps - 1 - k) * n + c))
        of_dh, of_y, constant = triple(norm, c, n)
        for t in range(frames_out):
            row = before_t + t * stride_t
            for f in range(features_out):
                i, column = first_out + (t * features_out + f) * n + c, before_f + f * stride_f
                d = fma(of_dh, load_octet(dh, i), fma(of_y, load_octet(y, i), constant))
                store(dy, 8 * (t * features_out + f), d)
                if 0 <= row < rows_back and 0 <= column < columns_back:
                    store(apart, 8 * (row * columns_back + column), d)
        _convolve(apart, columns_back, taps, taps_t, taps_f, 1, 1, dilation_t, dilation_f, found, whole, features)
        scale, offset, floor = triple(enter, c, n)
        total, product = zero(), zero()
        for i in range(frames * features):
            v = load_octet(x, first + i * n + c)
            d = above(fma(scale, v, offset), floor, load_octet(found, 8 * i))
            store(dx, first + i * n + c, d)
            total = total + d
            product = fma(d, v, product)
        store(sums, clip * 2 * n + c, total)
        store(sums, clip * 2 * n + n + c, product)
        _enter(x, first, enter, c, n, frames, features, image, columns, pad_t, pad_f)
        step, step_out = 8 * stride_t * columns, 8 * features_out
        for k in range(taps_t):
            for j in range(taps_f):
                w0, w1, w2, w3 = zero(), zero(), zero(), zero()
                for t in range(0, whole_out, _ROWS):
                    i, o = t * step + 8 * (k * dilation_t * columns + j * dilation_f), t * step_out
                    for _ in range(features_out):
                        w0 = fma(load_octet(dy, o), load_octet(image, i), w0)
                        w1 = fma(load_octet(dy, o + step_out), load_octet(image, i + step), w1)
                        w2 = fma(load_octet(dy, o + 2 * step_out), load_octet(image, i + 2 * step), w2)
                        w3 = fma(load_octet(dy, o + 3 * step_out), load_octet(image, i + 3 * step), w3)
                        i += 8 * stride_f
                        o += 8
                store(dweight, ((clip * taps_t + k) * taps_f + j) * n + c, (w0 + w1) + (w2 + w3))
