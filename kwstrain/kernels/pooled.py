"""A convolution whose rows are pooled while they are in the cache: the largest of each 2 x 2 block, rectified, and which one it was."""

from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic

from kwsfeat.kernels._jit import LANES, stage
from kwsfeat.kernels.simd import load, splat, store, vec, where_less
from kwstrain.kernels.conv import GEOMETRY, axes, convolve_row
from kwstrain.kernels.declaration import kernel

_I32 = ir.IntType(32)
_BYTES = ir.VectorType(ir.IntType(8), LANES)
NONE = 4.0  # in place of 0 .. 3, the place of the largest value: no gradient goes through


def _bytes(context, builder, kind, array, index):
    place = builder.gep(context.make_array(kind)(context, builder, array).data, [index], inbounds=True)
    return builder.bitcast(place, _BYTES.as_pointer())


@intrinsic
def store_bytes(typingctx, array, index, value):
    """Write LANES small whole numbers as uint8."""

    def codegen(context, builder, sig, args):
        array_, index_, value_ = args
        builder.store(builder.fptoui(value_, _BYTES), _bytes(context, builder, array, array_, index_), align=1)
        return context.get_dummy_value()

    return types.void(array, types.intp, vec), codegen


@intrinsic
def load_where(typingctx, where, index, number, value):
    """`value` in the lanes whose uint8 is `number`, 0 in the others."""

    def codegen(context, builder, sig, args):
        where_, index_, number_, value_ = args
        found = builder.load(_bytes(context, builder, where, where_, index_), align=1)
        one = builder.insert_element(
            ir.Constant(_BYTES, ir.Undefined), builder.trunc(number_, ir.IntType(8)), ir.Constant(ir.IntType(32), 0)
        )
        wanted = builder.shuffle_vector(one, one, ir.Constant(ir.VectorType(ir.IntType(32), LANES), [0] * LANES))
        return builder.select(builder.icmp_unsigned("==", found, wanted), value_, ir.Constant(value_.type, [0.0] * LANES))

    return vec(where, types.intp, types.intp, vec), codegen


@stage
def pool_rows(pair, y, where, at, n_in, n_out, channels, relu):
    """The pooled row of the two rows that lie in `pair`, `n_in` columns each, is written from `at` on."""
    below, zero, none = n_in * channels * LANES, splat(0.0), splat(NONE)
    left_top, right_top, left_bottom, right_bottom = splat(0.0), splat(1.0), splat(2.0), splat(3.0)
    for p in range(n_out):
        for c in range(channels):
            left = (2 * p * channels + c) * LANES
            right = left + channels * LANES
            a, b, d, e = load(pair, left), load(pair, right), load(pair, left + below), load(pair, right + below)
            top, bottom = where_less(a, b, b, a), where_less(d, e, e, d)
            largest = where_less(top, bottom, bottom, top)
            place = where_less(top, bottom, where_less(d, e, right_bottom, left_bottom), where_less(a, b, right_top, left_top))
            if relu:
                place = where_less(zero, largest, place, none)
                largest = where_less(largest, zero, zero, largest)
            store(y, at + (p * channels + c) * LANES, largest)
            store_bytes(where, at + (p * channels + c) * LANES, place)


@stage
def unpool_row(dz, dz_at, dy, where, at, below, n_in, n_out, channels):
    """The gradient of a row before the pooling (the lower one of its pair if `below`), from the pooled row that begins at `at`."""
    for p in range(n_out):
        for c in range(channels):
            i, place = at + (p * channels + c) * LANES, dz_at + (2 * p * channels + c) * LANES
            value = load(dy, i)
            store(dz, place, load_where(where, i, 2 * below, value))
            store(dz, place + channels * LANES, load_where(where, i, 2 * below + 1, value))
    for i in range(dz_at + 2 * n_out * channels * LANES, dz_at + n_in * channels * LANES, LANES):
        store(dz, i, splat(0.0))


@kernel(
    x="f32[b, h, w, i, L]",
    kernel="f32[kh, kw, i, o]",
    bias="f32[o]",
    results={"y": "f32[b, oh, ow, o, L]", "where": "u8[b, oh, ow, o, L]", "pair": "f32[b, two, cw, o, L]"},
    numbers=(*GEOMETRY, "relu"),
)
def convolve_pooled(part, x, w, bias, y, where, pair, parts, sh, sw, dh, dw, ph, pw, uh, uw, relu):
    """Like `convolve`, then pooled; `pair` is memory for two rows of the convolution, `where` the place of each largest value."""
    rows, columns = axes(x, w, pair, (sh, sw, dh, dw, ph, pw, uh, uw))
    n_in, n_out = x.shape[3], y.shape[3]
    x_base, both = part * rows.n_in * columns.n_in * n_in * LANES, part * 2 * columns.n_out * n_out * LANES
    own = pair[part]
    for h in range(y.shape[1]):
        for i in range(2):
            at = both + i * columns.n_out * n_out * LANES
            convolve_row(x, w, bias, pair, x_base, at, rows, columns, 2 * h + i, n_in, n_out, 0)
        pool_rows(own, y, where, (part * y.shape[1] + h) * y.shape[2] * n_out * LANES, columns.n_out, y.shape[2], n_out, relu)
