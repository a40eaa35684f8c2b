"""The gradient of a convolution by its kernel and bias: sums over all outputs, kept per lane and added up at the end.

The work goes tile by tile of a few outputs of a row, whose inputs then stay in the first cache through all taps and channels.
"""

from kwsfeat.kernels._jit import LANES, stage
from kwsfeat.kernels.simd import lane_sum, load, splat, store, where_less
from kwstrain.kernels.conv import GEOMETRY, axes, interior, source
from kwstrain.kernels.declaration import kernel
from kwstrain.kernels.pooled import unpool_row
from kwstrain.kernels.registers import REGISTERS, loaded, products, stored

_TILE = 3072  # values of an input or output tile, at most, if that is at least 8 outputs


def _sums(n_in, n_out):
    """A stage that adds, for one tap, the products of `n_in` x `n_out` channels over n outputs in a row."""
    begin, add, end = loaded(n_in, n_out), products(n_in, n_out), stored(n_in, n_out)

    @stage
    def accumulate(sums, place, row, x, x_at, x_step, dy, dy_at, dy_step, n):
        block = begin(sums, place, row)
        for _ in range(n):
            block = add(block, x, x_at, dy, dy_at)
            x_at += x_step
            dy_at += dy_step
        end(block, sums, place, row)

    return accumulate


_WIDE = REGISTERS // 4  # output channels of a block
_three, _two, _one, _single = _sums(3, _WIDE), _sums(2, _WIDE), _sums(1, _WIDE), _sums(1, 1)


@stage
def _taps(sums, place, x, x_at, x_step, dy, dy_at, n, n_in, n_out):
    """All pairs of `n_in` values side by side in the input (channels of one tap or more) and the output channels, over n outputs."""
    row, dy_step = n_out * LANES, n_out * LANES
    for c in range(0, n_out // _WIDE * _WIDE, _WIDE):
        k = 0
        while k < n_in:
            at, xb, yb, left = place + k * row + c * LANES, x_at + k * LANES, dy_at + c * LANES, n_in - k
            if left == 1:
                _one(sums, at, row, x, xb, x_step, dy, yb, dy_step, n)
                k += 1
            elif left == 2 or left == 4:
                _two(sums, at, row, x, xb, x_step, dy, yb, dy_step, n)
                k += 2
            else:
                _three(sums, at, row, x, xb, x_step, dy, yb, dy_step, n)
                k += 3
    for c in range(n_out // _WIDE * _WIDE, n_out):
        for k in range(n_in):
            _single(sums, place + k * row + c * LANES, row, x, x_at + k * LANES, x_step, dy, dy_at + c * LANES, dy_step, n)


@stage
def accumulate_row(sums, x, dy, x_base, dy_base, rows, columns, h, n_in, n_out):
    """Add what row h of `dy` contributes, (taps ..., n_in, n_out, LANES) sums of the kernel, then n_out of the bias."""
    tile = max(8, _TILE // (LANES * max(n_in, n_out)))
    x_step, dy_step = columns.stride * n_in * LANES, n_out * LANES
    inner, outer = interior(columns, 0)
    if columns.dilation > 1:
        outer = inner
    for begin in range(0, columns.n_out, tile):
        end = min(begin + tile, columns.n_out)
        low, high = max(begin, inner), min(end, outer)  # outputs of the tile whose taps are all inside
        if low >= high:
            low = high = end
        for i in range(rows.taps):
            row = source(rows, h, i)
            if row < 0:
                continue
            place, row_at = i * columns.taps * n_in * n_out * LANES, x_base + row * columns.n_in * n_in * LANES
            if low < high:  # the taps' inputs lie side by side
                x_at = row_at + (low * columns.stride - columns.pad) * n_in * LANES
                _taps(sums, place, x, x_at, x_step, dy, dy_base + low * dy_step, high - low, columns.taps * n_in, n_out)
            for side in ((begin, low), (high, end)):
                for p in range(side[0], side[1]):
                    for j in range(columns.taps):
                        column = source(columns, p, j)
                        if column >= 0:
                            x_at, at = row_at + column * n_in * LANES, place + j * n_in * n_out * LANES
                            _taps(sums, at, x, x_at, x_step, dy, dy_base + p * dy_step, 1, n_in, n_out)
        bias = rows.taps * columns.taps * n_in * n_out * LANES
        for c in range(n_out):
            total = load(sums, bias + c * LANES)
            for p in range(begin, end):
                total = total + load(dy, dy_base + p * dy_step + c * LANES)
            store(sums, bias + c * LANES, total)


PLAIN, RECTIFIED, POOLED = 0, 1, 2


@stage
def _before_activation(mode, dz, dz_at, dy, y, where, dy_base, h, n_columns, n_pooled, n_pooled_columns, n_out):
    """Row h of the gradient before what follows the convolution: a ReLU with values y, or a pooling."""
    width = n_columns * n_out * LANES
    if mode == PLAIN:
        for i in range(0, width, LANES):
            store(dz, dz_at + i, load(dy, dy_base + h * width + i))
    elif mode == RECTIFIED:
        zero = splat(0.0)
        for i in range(0, width, LANES):
            at = dy_base + h * width + i
            store(dz, dz_at + i, where_less(zero, load(y, at), load(dy, at), zero))
    elif h // 2 < n_pooled:
        unpool_row(dz, dz_at, dy, where, dy_base + h // 2 * n_pooled_columns * n_out * LANES, h % 2, n_columns, n_pooled_columns, n_out)
    else:
        for i in range(0, width, LANES):
            store(dz, dz_at + i, splat(0.0))


@kernel(
    x="f32[b, h, w, i, L]",
    dy="f32[b, yh, yw, o, L]",
    y="f32[b, any_y, any_w, any_o, L]",
    where="u8[b, any_h, any_v, any_c, L]",
    results={"gradient": "f32[b, kh, kw, i, o]", "bias": "f32[b, o]", "dz": "f32[b, oh, ow, o, L]", "sums": "f32[b, s, L]"},
    numbers=(*GEOMETRY, "mode"),
)
def weight_gradient(part, x, dy, y, where, gradient, bias, dz, sums, parts, sh, sw, dh, dw, ph, pw, uh, uw, mode):
    """The gradients of each block by kernel and bias, and dz, that by the convolution's own values.

    `mode` is RECTIFIED (y holds the values after the ReLU), POOLED (`where` is that of the pooling) or PLAIN (dz is dy, copied).
    `sums` is memory to work in, (kh * kw * i + 1) * o vectors a block.
    """
    rows, columns = axes(x, gradient[0], dz, (sh, sw, dh, dw, ph, pw, uh, uw))
    n_in, n_out = x.shape[3], dz.shape[3]
    own = sums[part]
    n = rows.taps * columns.taps * n_in * n_out
    own[: n + n_out] = 0
    x_base, dz_base = part * rows.n_in * columns.n_in * n_in * LANES, part * rows.n_out * columns.n_out * n_out * LANES
    dy_base = part * dy.shape[1] * dy.shape[2] * n_out * LANES
    for h in range(rows.n_out):
        at = dz_base + h * columns.n_out * n_out * LANES
        _before_activation(mode, dz, at, dy, y, where, dy_base, h, columns.n_out, dy.shape[1], dy.shape[2], n_out)
        accumulate_row(own, x, dz, x_base, at, rows, columns, h, n_in, n_out)
    flat = gradient[part].reshape(n)
    for i in range(n):
        flat[i] = lane_sum(load(own, i * LANES))
    for i in range(n_out):
        bias[part, i] = lane_sum(load(own, (n + i) * LANES))
