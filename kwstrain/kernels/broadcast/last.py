"""The last depthwise convolution, over a few frames and all bands."""

from __future__ import annotations

from kwsfeat.kernels.simd import fma, load_octet, store
from kwstrain.kernels.broadcast.products import WIDTH, zero
from kwstrain.kernels.declaration import kernel


@kernel(x="f32[b, t, f, n]", weight="f32[k, f, n]", results={"y": "f32[b, t, n]"}, numbers=("left",), at_least={"n": WIDTH})
def last_forward(clip, x, weight, y, clips, left):
    """A frame of y sees the frames from `left` before it on."""
    _, frames, bands, n = x.shape
    taps = weight.shape[0]
    for group in range((n + 7) // 8):
        c = min(8 * group, n - 8)
        for t in range(frames):
            total = zero()
            for k in range(max(0, left - t), min(taps, frames + left - t)):
                i = ((clip * frames + t + k - left) * bands) * n + c
                for f in range(bands):
                    total = fma(load_octet(weight, (k * bands + f) * n + c), load_octet(x, i + f * n), total)
            store(y, (clip * frames + t) * n + c, total)


@kernel(
    dy="f32[b, t, n]", x="f32[b, t, f, n]", weight="f32[k, f, n]", results={"dx": "f32[b, t, f, n]", "dweight": "f32[b, k, f, n]"},
    numbers=("left",), at_least={"n": WIDTH},
)  # fmt: skip
def last_backward(clip, dy, x, weight, dx, dweight, clips, left):
    """To x and the weights."""
    _, frames, bands, n = x.shape
    taps = weight.shape[0]
    for group in range((n + 7) // 8):
        c = min(8 * group, n - 8)
        for f in range(bands):
            for t in range(frames):
                total = zero()
                for k in range(max(0, t + left - frames + 1), min(taps, t + left + 1)):
                    total = fma(load_octet(weight, (k * bands + f) * n + c), load_octet(dy, (clip * frames + t + left - k) * n + c), total)
                store(dx, ((clip * frames + t) * bands + f) * n + c, total)
            for k in range(taps):
                total = zero()
                for t in range(max(0, left - k), min(frames, frames + left - k)):
                    total = fma(
                        load_octet(x, ((clip * frames + t + k - left) * bands + f) * n + c),
                        load_octet(dy, (clip * frames + t) * n + c),
                        total,
                    )
                store(dweight, ((clip * taps + k) * bands + f) * n + c, total)
