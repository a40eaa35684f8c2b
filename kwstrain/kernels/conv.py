"""2-D convolution with clips in the lanes: ``(blocks, rows, columns, channels, LANES)``, a part is a block.

A block of pixels x channels of sums stays in registers while the kernel runs over its taps and input channels. The gradient by the
input is the same convolution, with the kernel flipped and steps between input values (`x_step`) where the convolution had strides.
"""

from typing import NamedTuple

from kwsfeat.kernels._jit import LANES as LANES
from kwsfeat.kernels._jit import inlined, stage
from kwstrain.kernels.declaration import kernel
from kwstrain.kernels.registers import REGISTERS, rectified, started, stored, weighted


class Axis(NamedTuple):
    """Along one axis: output p takes, by tap j, input (p * stride + j * dilation - pad) / x_step, where that is whole and inside."""

    n_out: int
    n_in: int
    taps: int
    stride: int
    dilation: int
    pad: int
    x_step: int


@inlined
def source(axis, p, j):
    """The input that output p takes by tap j; -1 where there is none."""
    i = p * axis.stride + j * axis.dilation - axis.pad
    if i < 0 or i % axis.x_step != 0:
        return -1
    i //= axis.x_step
    return i if i < axis.n_in else -1


@stage
def interior(axis, phase):
    """Of the outputs phase, phase + x_step, ...: which of them (from, to) find all taps inside, apart from those that meet no input."""
    n = (axis.n_out - phase + axis.x_step - 1) // axis.x_step
    first, last = 0, n
    for j in range(axis.taps):
        i = phase * axis.stride + j * axis.dilation - axis.pad
        if i % axis.x_step == 0:
            base = i // axis.x_step  # output number m takes input base + m * stride
            first = max(first, (-base + axis.stride - 1) // axis.stride)
            last = min(last, (axis.n_in - 1 - base) // axis.stride + 1)
    return min(first, n), max(min(last, n), min(first, n))


def _pixels(n_pixels, n_channels):
    """A stage that computes neighbouring outputs of one row, all of whose taps are inside (or which is one output)."""
    start, add, store = started(n_pixels, n_channels), weighted(n_pixels, n_channels), stored(n_pixels, n_channels)
    rectify = rectified(n_pixels * n_channels)

    @stage
    def compute(x, w, bias, y, x_base, y_base, rows, columns, h, p, c, n_in, n_out, relu):
        sums = start(bias, c)
        step = columns.stride * n_in * LANES
        for i in range(rows.taps):
            row = source(rows, h, i)
            if row >= 0:
                for j in range(columns.taps):
                    column = source(columns, p, j)
                    if column >= 0:
                        xb = x_base + (row * columns.n_in + column) * n_in * LANES
                        wb = (i * columns.taps + j) * n_in * n_out + c
                        for _ in range(n_in):
                            sums = add(sums, x, xb, step, w, wb)
                            xb += LANES
                            wb += n_out
        if relu:
            sums = rectify(sums)
        store(sums, y, y_base + p * n_out * LANES + c * LANES, columns.x_step * n_out * LANES)

    return compute


def _row(n_pixels, n_channels):
    """A stage that computes one row of `n_channels` output channels, `n_pixels` at a time where that can be."""
    many, one = _pixels(n_pixels, n_channels), _pixels(1, n_channels)

    @stage
    def compute(x, w, bias, y, x_base, y_base, rows, columns, h, c, n_in, n_out, relu):
        for phase in range(columns.x_step):
            first, last = interior(columns, phase)
            p, step = phase, columns.x_step
            for _ in range(first):
                one(x, w, bias, y, x_base, y_base, rows, columns, h, p, c, n_in, n_out, relu)
                p += step
            for _ in range((last - first) // n_pixels):
                many(x, w, bias, y, x_base, y_base, rows, columns, h, p, c, n_in, n_out, relu)
                p += n_pixels * step
            while p < columns.n_out:
                one(x, w, bias, y, x_base, y_base, rows, columns, h, p, c, n_in, n_out, relu)
                p += step

    return compute


_WIDE = REGISTERS // 4  # channels of a block of sums: 8 or 4, by three pixels
_wide_row, _narrow_row = _row(3, _WIDE), _row(REGISTERS // 2, 1)


@stage
def convolve_row(x, w, bias, y, x_base, y_base, rows, columns, h, n_in, n_out, relu):
    """Row h of a block that begins at x_base; it is written from y_base on."""
    c = 0
    while c + _WIDE <= n_out:
        _wide_row(x, w, bias, y, x_base, y_base, rows, columns, h, c, n_in, n_out, relu)
        c += _WIDE
    while c < n_out:
        _narrow_row(x, w, bias, y, x_base, y_base, rows, columns, h, c, n_in, n_out, relu)
        c += 1


@inlined
def axes(x, w, y, numbers):
    """Axis of the rows and of the columns; `numbers` are stride, dilation, pad and x_step, of the rows and of the columns in turn."""
    rows = Axis(y.shape[1], x.shape[1], w.shape[0], numbers[0], numbers[2], numbers[4], numbers[6])
    columns = Axis(y.shape[2], x.shape[2], w.shape[1], numbers[1], numbers[3], numbers[5], numbers[7])
    return rows, columns


GEOMETRY = ("stride_h", "stride_w", "dilation_h", "dilation_w", "pad_h", "pad_w", "x_step_h", "x_step_w")


@kernel(
    x="f32[b, h, w, i, L]",
    kernel="f32[kh, kw, i, o]",
    bias="f32[o]",
    results={"y": "f32[b, oh, ow, o, L]"},
    numbers=(*GEOMETRY, "relu"),
)
def convolve(part, x, w, bias, y, parts, sh, sw, dh, dw, ph, pw, uh, uw, relu):
    """y = x convolved by w, + bias, and rectified if `relu`."""
    rows, columns = axes(x, w, y, (sh, sw, dh, dw, ph, pw, uh, uw))
    n_in, n_out = x.shape[3], y.shape[3]
    x_base, y_base = part * rows.n_in * columns.n_in * n_in * LANES, part * rows.n_out * columns.n_out * n_out * LANES
    for h in range(rows.n_out):
        convolve_row(x, w, bias, y, x_base, y_base + h * columns.n_out * n_out * LANES, rows, columns, h, n_in, n_out, relu)
