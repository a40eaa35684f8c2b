"""A block of BC-ResNet, forward: a convolution over bands, the mean of the bands convolved over frames and mixed, and their sum.

x (clips, frames, bands_in, n) is entered and convolved by `over_bands` (3, n) at every `stride`-th band. That convolution is
computed anew in each kernel: its multiplications cost less than reading it. Each of `parts` equal groups of bands is normalised by
itself. `over_time` (3, n) reaches from `left` frames before a frame on, in steps of `dilation`.
"""

from __future__ import annotations

import numpy as np

from kwsfeat.kernels._jit import inlined, stage
from kwsfeat.kernels.simd import at_least, fma, load_octet, splat_octet, store
from kwsfeat.kernels.simd_exp import exp
from kwstrain.kernels.broadcast.entered import add_to, entered, new_sums, triple, write_sums
from kwstrain.kernels.broadcast.products import WIDTH, multiply, zero
from kwstrain.kernels.declaration import kernel


@inlined
def width_of_part(bands_in, stride, parts):
    """Bands in each part."""
    return ((bands_in - 1) // stride + 1) // parts


@inlined
def band(x, i, entry, taps, n, at, bands_in):
    """8 channels of the convolution whose middle is x[i], band `at` of `bands_in`."""
    y = taps[1] * entered(x, i, entry)
    if at > 0:
        y = fma(taps[0], entered(x, i - n, entry), y)
    if at + 1 < bands_in:
        y = fma(taps[2], entered(x, i + n, entry), y)
    return y


@inlined
def instant(means, first, taps, n, t, frames, dilation, left):
    """8 channels of the convolution over time at frame t; means[first] is their frame 0."""
    y, earliest = zero(), t - left
    if earliest >= 0:
        y = fma(taps[0], load_octet(means, first + earliest * n), y)
    if 0 <= earliest + dilation < frames:
        y = fma(taps[1], load_octet(means, first + (earliest + dilation) * n), y)
    if earliest + 2 * dilation < frames:
        y = fma(taps[2], load_octet(means, first + (earliest + 2 * dilation) * n), y)
    return y


@inlined
def sigmoid(u):
    """The logistic function."""
    return splat_octet(np.float32(1)) / (splat_octet(np.float32(1)) + exp(zero() - u))


@kernel(
    x="f32[b, t, f, n]", enter="f32[3, n]", over_bands="f32[3, n]",
    results={"sums": "f32[b, 2, p, n]"}, numbers=("stride",), at_least={"n": WIDTH, "t": WIDTH},
)  # fmt: skip
def band_moments(clip, x, enter, over_bands, sums, clips, stride):
    """Sum and sum of squares of each channel in each part."""
    _, frames, bands_in, n = x.shape
    parts, groups = sums.shape[2], (n + 7) // 8
    wide = width_of_part(bands_in, stride, parts)
    found = new_sums(2 * parts, n)
    for t in range(frames):
        row = (clip * frames + t) * bands_in * n
        for group in range(groups):
            c = min(8 * group, n - 8)
            entry, taps = triple(enter, c, n), triple(over_bands, c, n)
            for part in range(parts):
                s, q = zero(), zero()
                for f in range(part * wide, (part + 1) * wide):
                    y = band(x, row + f * stride * n + c, entry, taps, n, f * stride, bands_in)
                    s = s + y
                    q = fma(y, y, q)
                add_to(found, 8 * (part * groups + group), s)
                add_to(found, 8 * ((parts + part) * groups + group), q)
    write_sums(found, 2 * parts, n, sums, clip * 2 * parts * n)


@kernel(
    x="f32[b, t, f, n]", enter="f32[3, n]", over_bands="f32[3, n]", band_norm="f32[3, p, n]", over_time="f32[3, n]",
    results={"means": "f32[b, t, n]", "sums": "f32[b, 2, n]"}, numbers=("stride", "dilation", "left"), at_least={"n": WIDTH, "t": WIDTH},
)  # fmt: skip
def band_means(clip, x, enter, over_bands, band_norm, over_time, means, sums, clips, stride, dilation, left):
    """Mean of the normalised bands of each frame, and the moments of its convolution over time."""
    _, frames, bands_in, n = x.shape
    parts = band_norm.shape[1]
    wide = width_of_part(bands_in, stride, parts)
    share, n_wide = splat_octet(np.float32(1 / (parts * wide))), splat_octet(np.float32(wide))
    for t in range(frames):
        row = (clip * frames + t) * bands_in * n
        for group in range((n + 7) // 8):
            c = min(8 * group, n - 8)
            entry, taps = triple(enter, c, n), triple(over_bands, c, n)
            mean = zero()
            for part in range(parts):
                s = zero()
                for f in range(part * wide, (part + 1) * wide):
                    s = s + band(x, row + f * stride * n + c, entry, taps, n, f * stride, bands_in)
                offset = load_octet(band_norm, (parts + part) * n + c)
                mean = mean + fma(load_octet(band_norm, part * n + c), s, offset * n_wide)
            store(means, (clip * frames + t) * n + c, mean * share)
    for group in range((n + 7) // 8):
        c = min(8 * group, n - 8)
        taps = triple(over_time, c, n)
        total, squares = zero(), zero()
        for t in range(frames):
            y = instant(means, clip * frames * n + c, taps, n, t, frames, dilation, left)
            total = total + y
            squares = fma(y, y, squares)
        store(sums, clip * 2 * n + c, total)
        store(sums, clip * 2 * n + n + c, squares)


@stage
def activated(means, clip, over_time, time_norm, dilation, left, y):
    """SiLU of the normalised convolution over time of one clip: y (frames, n)."""
    _, frames, n = means.shape
    for group in range((n + 7) // 8):
        c = min(8 * group, n - 8)
        taps, scale, offset = triple(over_time, c, n), load_octet(time_norm, c), load_octet(time_norm, n + c)
        for t in range(frames):
            u = fma(scale, instant(means, clip * frames * n + c, taps, n, t, frames, dilation, left), offset)
            store(y, t * n + c, u * sigmoid(u))


@kernel(
    x="f32[b, t, f, n]", enter="f32[3, n]", over_bands="f32[3, n]", band_norm="f32[3, p, n]", means="f32[b, t, n]",
    over_time="f32[3, n]", time_norm="f32[3, n]", mix="f32[n, n]", keep="f32[b, n]",
    results={"out": "f32[b, t, g, n]"}, numbers=("stride", "dilation", "left", "residual"), at_least={"n": WIDTH, "t": WIDTH},
)  # fmt: skip
def block_sum(clip, x, enter, over_bands, band_norm, means, over_time, time_norm, mix, keep, out, clips, stride, dilation, left, residual):
    """ReLU of the normalised bands, what the frames give to all of them, and with `residual` (0 or 1) x."""
    _, frames, bands_in, n = x.shape
    parts, bands = band_norm.shape[1], out.shape[2]
    wide = bands // parts
    active, mixed = np.empty(frames * n, np.float32), np.empty(frames * n, np.float32)
    activated(means, clip, over_time, time_norm, dilation, left, active)
    multiply(active, 0, frames, n, mix, n, mixed, 0)
    for t in range(frames):
        row, first = (clip * frames + t) * bands_in * n, (clip * frames + t) * bands * n
        for group in range((n + 7) // 8):
            c = min(8 * group, n - 8)
            entry, taps = triple(enter, c, n), triple(over_bands, c, n)
            of_frame = load_octet(mixed, t * n + c) * load_octet(keep, clip * n + c)
            for part in range(parts):
                scale, offset = load_octet(band_norm, part * n + c), load_octet(band_norm, (parts + part) * n + c) + of_frame
                for f in range(part * wide, (part + 1) * wide):
                    i = row + f * stride * n + c
                    y = fma(scale, band(x, i, entry, taps, n, f * stride, bands_in), offset)
                    if residual:
                        y = y + entered(x, i, entry)
                    store(out, first + f * n + c, at_least(y, zero()))
