"""A block of BC-ResNet, backward, in three parts between which sums over the batch are taken: see `block`."""

from __future__ import annotations

import numpy as np

from kwsfeat.kernels.simd import fma, load_octet, splat_octet, store
from kwstrain.kernels.broadcast.block import activated, band, instant, sigmoid, width_of_part
from kwstrain.kernels.broadcast.entered import above, add_to, entered, new_sums, triple, write_sums
from kwstrain.kernels.broadcast.products import WIDTH, copy, correlate, multiply, zero
from kwstrain.kernels.declaration import kernel


@kernel(
    dout="f32[b, t, g, n]", out="f32[b, t, g, n]", x="f32[b, t, f, n]", enter="f32[3, n]", over_bands="f32[3, n]",
    means="f32[b, t, n]", over_time="f32[3, n]", time_norm="f32[3, n]", transposed="f32[n, n]", keep="f32[b, n]",
    results={"du": "f32[b, t, n]", "time_sums": "f32[b, 2, n]", "band_sums": "f32[b, 2, p, n]", "dmix": "f32[b, n, n]"},
    numbers=("stride", "dilation", "left"), at_least={"n": WIDTH, "t": WIDTH},
)  # fmt: skip
def back_to_time(
    clip, dout, out, x, enter, over_bands, means, over_time, time_norm, transposed, keep,
    du, time_sums, band_sums, dmix, clips, stride, dilation, left,
):  # fmt: skip
    """`du`: the gradient behind the BatchNorm over frames; its sum and that of its product with the convolution over time.

    band_sums: the same two of the gradient that reaches the bands from `out` itself.
    """
    _, frames, bands_in, n = x.shape
    bands, parts = out.shape[2], band_sums.shape[2]
    wide = bands // parts
    first = clip * frames * n
    dmixed, active, dactive = np.empty(frames * n, np.float32), np.empty(frames * n, np.float32), np.empty(frames * n, np.float32)
    groups = (n + 7) // 8
    found = new_sums(2 * parts, n)
    for t in range(frames):
        row, out_row = (clip * frames + t) * bands_in * n, (clip * frames + t) * bands * n
        for group in range(groups):
            c = min(8 * group, n - 8)
            entry, taps = triple(enter, c, n), triple(over_bands, c, n)
            of_frame = zero()
            for part in range(parts):
                s, q = zero(), zero()
                for f in range(part * wide, (part + 1) * wide):
                    d = above(load_octet(out, out_row + f * n + c), zero(), load_octet(dout, out_row + f * n + c))
                    s = s + d
                    q = fma(d, band(x, row + f * stride * n + c, entry, taps, n, f * stride, bands_in), q)
                of_frame = of_frame + s
                add_to(found, 8 * (part * groups + group), s)
                add_to(found, 8 * ((parts + part) * groups + group), q)
            store(dmixed, t * n + c, of_frame * load_octet(keep, clip * n + c))
    write_sums(found, 2 * parts, n, band_sums, clip * 2 * parts * n)
    activated(means, clip, over_time, time_norm, dilation, left, active)
    product = np.empty(n * n, np.float32)
    correlate(active, 0, frames, n, dmixed, 0, n, np.zeros(n * n, np.float32), product)
    copy(product, n * n, dmix, clip * n * n)
    multiply(dmixed, 0, frames, n, transposed, n, dactive, 0)
    one = splat_octet(np.float32(1))
    for group in range((n + 7) // 8):
        c = min(8 * group, n - 8)
        taps, scale, offset = triple(over_time, c, n), load_octet(time_norm, c), load_octet(time_norm, n + c)
        total, product = zero(), zero()
        for t in range(frames):
            y = instant(means, first + c, taps, n, t, frames, dilation, left)
            u = fma(scale, y, offset)
            p = sigmoid(u)
            d = load_octet(dactive, t * n + c) * p * fma(u, one - p, one)
            store(du, first + t * n + c, d)
            total = total + d
            product = fma(d, y, product)
        store(time_sums, clip * 2 * n + c, total)
        store(time_sums, clip * 2 * n + n + c, product)


@kernel(
    du="f32[b, t, n]", means="f32[b, t, n]", over_time="f32[3, n]", norm="f32[3, n]", x="f32[b, t, f, n]", enter="f32[3, n]",
    over_bands="f32[3, n]", of_out="f32[b, 2, p, n]",
    results={"dshare": "f32[b, t, n]", "dtime": "f32[b, 3, n]", "band_sums": "f32[b, 2, p, n]"},
    numbers=("stride", "dilation", "left"), at_least={"n": WIDTH, "t": WIDTH},
)  # fmt: skip
def back_to_means(
    clip, du, means, over_time, norm, x, enter, over_bands, of_out, dshare, dtime, band_sums, clips, stride, dilation, left
):  # fmt: skip
    """`dshare`: the gradient that the mean of a frame's bands gives to each of them. band_sums: the sums `of_out` with its own."""
    _, frames, bands_in, n = x.shape
    parts = band_sums.shape[2]
    wide = width_of_part(bands_in, stride, parts)
    share, n_wide = splat_octet(np.float32(1 / (parts * wide))), splat_octet(np.float32(wide))
    first = clip * frames * n
    dy = np.empty(frames * n, np.float32)
    for group in range((n + 7) // 8):
        c = min(8 * group, n - 8)
        taps, coefficients = triple(over_time, c, n), triple(norm, c, n)
        w0, w1, w2 = zero(), zero(), zero()
        for t in range(frames):
            y = instant(means, first + c, taps, n, t, frames, dilation, left)
            d = fma(coefficients[0], load_octet(du, first + t * n + c), fma(coefficients[1], y, coefficients[2]))
            store(dy, t * n + c, d)
            early, middle, late = t - left, t - left + dilation, t - left + 2 * dilation
            if early >= 0:
                w0 = fma(load_octet(means, first + early * n + c), d, w0)
            if 0 <= middle < frames:
                w1 = fma(load_octet(means, first + middle * n + c), d, w1)
            if late < frames:
                w2 = fma(load_octet(means, first + late * n + c), d, w2)
        store(dtime, clip * 3 * n + c, w0)
        store(dtime, clip * 3 * n + n + c, w1)
        store(dtime, clip * 3 * n + 2 * n + c, w2)
        reverse = (taps[2], taps[1], taps[0])
        all_shares = zero()
        for t in range(frames):
            d = share * instant(dy, c, reverse, n, t, frames, dilation, 2 * dilation - left)
            store(dshare, first + t * n + c, d)
            all_shares = fma(n_wide, d, all_shares)
        for part in range(parts):
            i = (clip * 2 * parts + part) * n + c
            store(band_sums, i, load_octet(of_out, i) + all_shares)
    groups = (n + 7) // 8
    found = new_sums(parts, n)
    for part in range(parts):
        for group in range(groups):
            c = min(8 * group, n - 8)
            store(found, 8 * (part * groups + group), load_octet(of_out, ((clip * 2 + 1) * parts + part) * n + c))
    for t in range(frames):
        row = (clip * frames + t) * bands_in * n
        for group in range(groups):
            c = min(8 * group, n - 8)
            entry, taps = triple(enter, c, n), triple(over_bands, c, n)
            d = load_octet(dshare, first + t * n + c)
            for part in range(parts):
                s = zero()
                for f in range(part * wide, (part + 1) * wide):
                    s = s + band(x, row + f * stride * n + c, entry, taps, n, f * stride, bands_in)
                add_to(found, 8 * (part * groups + group), s * d)
    write_sums(found, parts, n, band_sums, (clip * 2 + 1) * parts * n)


@kernel(
    dout="f32[b, t, g, n]", out="f32[b, t, g, n]", dshare="f32[b, t, n]", x="f32[b, t, f, n]", enter="f32[3, n]", over_bands="f32[3, n]",
    norm="f32[3, p, n]",
    results={"dh": "f32[b, t, f, n]", "dbands": "f32[b, 3, n]", "sums": "f32[b, 2, n]"},
    numbers=("stride", "residual"), at_least={"n": WIDTH, "t": WIDTH},
)  # fmt: skip
def back_to_input(clip, dout, out, dshare, x, enter, over_bands, norm, dh, dbands, sums, clips, stride, residual):
    """`dh`: the gradient behind scale and offset of `enter`; its sum, and that of its product with x."""
    _, frames, bands_in, n = x.shape
    bands, parts = out.shape[2], norm.shape[1]
    wide = bands // parts
    groups = (n + 7) // 8
    spaced = np.zeros((bands_in + 2) * 8, np.float32)  # gradients of the bands where their middles are, 0 between them and around
    of_weights, found = new_sums(3, n), new_sums(2, n)
    for t in range(frames):
        row, out_row = (clip * frames + t) * bands_in * n, (clip * frames + t) * bands * n
        for group in range(groups):
            c = min(8 * group, n - 8)
            entry, taps = triple(enter, c, n), triple(over_bands, c, n)
            of_frame = load_octet(dshare, (clip * frames + t) * n + c)
            w0, w1, w2 = zero(), zero(), zero()
            for part in range(parts):
                of_gradient, of_y = load_octet(norm, part * n + c), load_octet(norm, (parts + part) * n + c)
                constant = fma(of_gradient, of_frame, load_octet(norm, (2 * parts + part) * n + c))
                for f in range(part * wide, (part + 1) * wide):
                    i, at = out_row + f * n + c, f * stride
                    d = above(load_octet(out, i), zero(), load_octet(dout, i))
                    middle = entered(x, row + at * n + c, entry)
                    y = taps[1] * middle
                    lower, upper = zero(), zero()
                    if at > 0:
                        lower = entered(x, row + (at - 1) * n + c, entry)
                        y = fma(taps[0], lower, y)
                    if at + 1 < bands_in:
                        upper = entered(x, row + (at + 1) * n + c, entry)
                        y = fma(taps[2], upper, y)
                    d = fma(of_gradient, d, fma(of_y, y, constant))
                    w0 = fma(lower, d, w0)
                    w1 = fma(middle, d, w1)
                    w2 = fma(upper, d, w2)
                    store(spaced, (at + 1) * 8, d)
            add_to(of_weights, 8 * group, w0)
            add_to(of_weights, 8 * (groups + group), w1)
            add_to(of_weights, 8 * (2 * groups + group), w2)
            total, product = zero(), zero()
            for j in range(bands_in):
                d = taps[0] * load_octet(spaced, (j + 2) * 8)
                d = fma(taps[1], load_octet(spaced, (j + 1) * 8), d)
                d = fma(taps[2], load_octet(spaced, j * 8), d)
                if residual:
                    d = d + above(load_octet(out, out_row + j * n + c), zero(), load_octet(dout, out_row + j * n + c))
                v = load_octet(x, row + j * n + c)
                d = above(fma(entry[0], v, entry[1]), entry[2], d)
                store(dh, row + j * n + c, d)
                total = total + d
                product = fma(d, v, product)
            add_to(found, 8 * group, total)
            add_to(found, 8 * (groups + group), product)
    write_sums(of_weights, 3, n, dbands, clip * 3 * n)
    write_sums(found, 2, n, sums, clip * 2 * n)
