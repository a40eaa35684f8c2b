"""A depthwise convolution over frames and features, and its gradient: eight channels at a time."""

from __future__ import annotations

from kwsfeat.kernels.simd import fma, load_octet, store
from kwstrain.kernels.broadcast.products import zero
from kwstrain.kernels.declaration import kernel

STEPS = ("stride_t", "stride_f", "dilation_t", "dilation_f", "pad_t", "pad_f")  # of frames and features; zeros before the first


@kernel(x="f32[b, t, f, n]", weight="f32[k, l, n]", results={"y": "f32[b, u, g, n]"}, numbers=STEPS)
def depthwise_forward(clip, x, weight, y, clips, stride_t, stride_f, dilation_t, dilation_f, pad_t, pad_f):
    """y at (t, f) sees x at (t * stride + k * dilation - pad) of both axes."""
    _, frames, features, n = x.shape
    rows, columns, _ = weight.shape
    _, frames_out, features_out, _ = y.shape
    for group in range((n + 7) // 8):
        c = min(8 * group, n - 8)
        for t in range(frames_out):
            for f in range(features_out):
                total = zero()
                for k in range(rows):
                    i = t * stride_t + k * dilation_t - pad_t
                    if 0 <= i < frames:
                        for j in range(columns):
                            q = f * stride_f + j * dilation_f - pad_f
                            if 0 <= q < features:
                                w = load_octet(weight, (k * columns + j) * n + c)
                                total = fma(w, load_octet(x, ((clip * frames + i) * features + q) * n + c), total)
                store(y, ((clip * frames_out + t) * features_out + f) * n + c, total)


@kernel(
    dy="f32[b, u, g, n]", x="f32[b, t, f, n]", weight="f32[k, l, n]",
    results={"dx": "f32[b, t, f, n]", "dweight": "f32[b, k, l, n]"}, numbers=STEPS,
)  # fmt: skip
def depthwise_backward(clip, dy, x, weight, dx, dweight, clips, stride_t, stride_f, dilation_t, dilation_f, pad_t, pad_f):
    """To x and the weights."""
    _, frames, features, n = x.shape
    rows, columns, _ = weight.shape
    _, frames_out, features_out, _ = dy.shape
    for group in range((n + 7) // 8):
        c = min(8 * group, n - 8)
        for i in range(frames):
            for q in range(features):
                total = zero()
                for k in range(rows):
                    t = i + pad_t - k * dilation_t
                    if 0 <= t < frames_out * stride_t and t % stride_t == 0:
                        for j in range(columns):
                            f = q + pad_f - j * dilation_f
                            if 0 <= f < features_out * stride_f and f % stride_f == 0:
                                place = (clip * frames_out + t // stride_t) * features_out + f // stride_f
                                total = fma(load_octet(weight, (k * columns + j) * n + c), load_octet(dy, place * n + c), total)
                store(dx, ((clip * frames + i) * features + q) * n + c, total)
        for k in range(rows):
            for j in range(columns):
                total = zero()
                for t in range(frames_out):
                    i = t * stride_t + k * dilation_t - pad_t
                    if 0 <= i < frames:
                        for f in range(features_out):
                            q = f * stride_f + j * dilation_f - pad_f
                            if 0 <= q < features:
                                left = load_octet(dy, ((clip * frames_out + t) * features_out + f) * n + c)
                                total = fma(left, load_octet(x, ((clip * frames + i) * features + q) * n + c), total)
                store(dweight, ((clip * rows + k) * columns + j) * n + c, total)
