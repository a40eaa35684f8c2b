"""BatchNorm's statistics of a batch, from sums of each clip, and its gradient: p BatchNorms of n channels each, by one thread."""

from __future__ import annotations

import numpy as np

from kwstrain.kernels.declaration import kernel

f32 = np.float32
EPSILON = f32(1e-5)


@kernel(
    sums="f32[b, 2, p, n]", scale="f32[p, n]", bias="f32[p, n]",
    results={"norm": "f32[3, p, n]", "moments": "f32[2, p, n]"}, numbers=("count",),
)  # fmt: skip
def statistics(_, sums, scale, bias, norm, moments, parts, count):
    """Mean and variance of `count` values a channel; slope and offset that normalise, and 0, the lower bound of a ReLU."""
    for p in range(scale.shape[0]):
        for c in range(scale.shape[1]):
            total, squares = 0.0, 0.0
            for clip in range(sums.shape[0]):
                total += sums[clip, 0, p, c]
                squares += sums[clip, 1, p, c]
            mean = total / count
            var = max(0.0, squares / count - mean * mean)
            slope = scale[p, c] / np.sqrt(var + EPSILON)
            moments[0, p, c], moments[1, p, c] = mean, var
            norm[0, p, c], norm[1, p, c], norm[2, p, c] = slope, bias[p, c] - mean * slope, f32(0)


@kernel(
    sums="f32[b, 2, p, n]", moments="f32[2, p, n]", scale="f32[p, n]",
    results={"back": "f32[3, p, n]", "dscale": "f32[p, n]", "dbias": "f32[p, n]"}, numbers=("count",),
)  # fmt: skip
def gradient(_, sums, moments, scale, back, dscale, dbias, parts, count):
    """From sums of the gradient and of its product with x: the gradient by x is ``back[0] * gradient + back[1] * x + back[2]``."""
    for p in range(scale.shape[0]):
        for c in range(scale.shape[1]):
            total, product = 0.0, 0.0
            for clip in range(sums.shape[0]):
                total += sums[clip, 0, p, c]
                product += sums[clip, 1, p, c]
            mean, inverse = moments[0, p, c], 1 / np.sqrt(moments[1, p, c] + EPSILON)
            slope, of_scale = scale[p, c] * inverse, (product - mean * total) * inverse
            of_x = -slope * inverse * of_scale / count
            dscale[p, c], dbias[p, c] = of_scale, total
            back[0, p, c], back[1, p, c], back[2, p, c] = slope, of_x, -slope * total / count - of_x * mean


@kernel(x="f32[b, r, c]", results={"y": "f32[r, c]"})
def over_clips(_, x, y, parts):
    """The sum over the first axis."""
    for i in range(x.shape[1]):
        for j in range(x.shape[2]):
            y[i, j] = x[0, i, j]
    for clip in range(1, x.shape[0]):
        for i in range(x.shape[1]):
            for j in range(x.shape[2]):
                y[i, j] += x[clip, i, j]
