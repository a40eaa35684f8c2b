"""The mean over features of what enters, of each frame."""

from __future__ import annotations

import numpy as np

from kwsfeat.kernels.simd import fma, load_octet, splat_octet, store
from kwstrain.kernels.broadcast.entered import above, add_to, entered, new_sums, triple, write_sums
from kwstrain.kernels.broadcast.products import WIDTH, zero
from kwstrain.kernels.declaration import kernel


@kernel(x="f32[b, t, f, n]", enter="f32[3, n]", results={"y": "f32[b, t, n]"}, at_least={"n": WIDTH})
def mean_forward(clip, x, enter, y, clips):
    """y (t): the mean of the entered features of frame t."""
    _, frames, features, n = x.shape
    share = splat_octet(np.float32(1 / features))
    for t in range(frames):
        first = (clip * frames + t) * features * n
        for group in range((n + 7) // 8):
            c = min(8 * group, n - 8)
            entry, total = triple(enter, c, n), zero()
            for f in range(features):
                total = total + entered(x, first + f * n + c, entry)
            store(y, (clip * frames + t) * n + c, total * share)


@kernel(
    dy="f32[b, t, n]",
    x="f32[b, t, f, n]",
    enter="f32[3, n]",
    results={"dh": "f32[b, t, f, n]", "sums": "f32[b, 2, n]"},
    at_least={"n": WIDTH},
)
def mean_backward(clip, dy, x, enter, dh, sums, clips):
    """`dh`: the gradient behind scale and offset of `enter`; its sum, and that of its product with x."""
    _, frames, features, n = x.shape
    share = splat_octet(np.float32(1 / features))
    groups = (n + 7) // 8
    found = new_sums(2, n)
    for t in range(frames):
        first = (clip * frames + t) * features * n
        for group in range(groups):
            c = min(8 * group, n - 8)
            scale, offset, floor = triple(enter, c, n)
            of_frame = share * load_octet(dy, (clip * frames + t) * n + c)
            total, product = zero(), zero()
            for f in range(features):
                i = first + f * n + c
                v = load_octet(x, i)
                d = above(fma(scale, v, offset), floor, of_frame)
                store(dh, i, d)
                total = total + d
                product = fma(d, v, product)
            add_to(found, 8 * group, total)
            add_to(found, 8 * (groups + group), product)
    write_sums(found, 2, n, sums, clip * 2 * n)
