"""A Numba type for explicit SIMD: LANES float32 values that live in one register (`vec`), or 8 on any machine (`octet`).

Loops over plain arrays are two to four times slower and change speed with every edit, because LLVM cannot prove that arrays
do not alias and guards every index that might be negative. Here each operation is one LLVM instruction on a vector;
LLVM splits vectors for narrower machines. An index is flat, counts elements, and is not checked.
"""

from __future__ import annotations

import operator
import platform

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.core.typing.templates import AbstractTemplate, infer_global, signature
from numba.extending import intrinsic, lower_builtin, models, register_model
from numpy.typing import NDArray

from kwsfeat.kernels._jit import FASTMATH, LANES, inlined

_FLAGS = tuple(sorted(FASTMATH))
_F32, _I32 = ir.FloatType(), ir.IntType(32)
_VEC, _INTS = ir.VectorType(_F32, LANES), ir.VectorType(_I32, LANES)


def aligned(n: int) -> NDArray[np.float32]:
    """`n` float32 zeros that start on a cache line: a full-width load that straddles two lines costs two."""
    buffer = np.zeros(n + 16, np.float32)
    start = -buffer.__array_interface__["data"][0] // 4 % 16
    return buffer[start : start + n]


class _VecType(types.Type):
    def __init__(self, lanes: int) -> None:
        self.lanes = lanes
        super().__init__(name=f"f32x{lanes}")


vec, octet = _VecType(LANES), _VecType(8)


@register_model(_VecType)
class _VecModel(models.PrimitiveModel):
    def __init__(self, dmm, fe_type):
        super().__init__(dmm, fe_type, ir.VectorType(_F32, fe_type.lanes))


def _address(context, builder, array_type, array, index):
    return builder.gep(context.make_array(array_type)(context, builder, array).data, [index], inbounds=True)


def _read(context, builder, array_type, array, index, lanes=LANES):
    """`lanes` values that start at array[index], as float32 whatever their type."""
    element = context.get_data_type(array_type.dtype)
    pointer = builder.bitcast(_address(context, builder, array_type, array, index), ir.VectorType(element, lanes).as_pointer())
    value = builder.load(pointer, align=context.get_abi_sizeof(element))
    return value if element == _F32 else builder.sitofp(value, ir.VectorType(_F32, lanes))


def _write(context, builder, array_type, array, index, value):
    builder.store(value, builder.bitcast(_address(context, builder, array_type, array, index), value.type.as_pointer()), align=4)


def _splat(builder, scalar, vector_type=_VEC):
    one = builder.insert_element(ir.Constant(vector_type, ir.Undefined), scalar, ir.Constant(_I32, 0))
    return _shuffle(builder, one, one, [0] * vector_type.count)


def _shuffle(builder, low, high, order):
    return builder.shuffle_vector(low, high, ir.Constant(ir.VectorType(_I32, len(order)), list(order)))


def _constant(value: float) -> ir.Constant:
    return ir.Constant(_VEC, [float(np.float32(value))] * LANES)


def _ints(value: int) -> ir.Constant:
    return ir.Constant(_INTS, [value] * LANES)


@intrinsic
def load(typingctx, array, index):
    """The LANES values that start at array[index]; int16 becomes float32."""

    def codegen(context, builder, sig, args):
        return _read(context, builder, sig.args[0], args[0], args[1])

    return vec(array, types.intp), codegen


@intrinsic
def load_octet(typingctx, array, index):
    """The 8 float32 values that start at array[index]."""

    def codegen(context, builder, sig, args):
        return _read(context, builder, sig.args[0], args[0], args[1], octet.lanes)

    return octet(array, types.intp), codegen


@intrinsic
def store(typingctx, array, index, value):
    """Write the values of `value`, a `vec` or an `octet`, from array[index] on."""

    def codegen(context, builder, sig, args):
        _write(context, builder, sig.args[0], args[0], args[1], args[2])
        return context.get_dummy_value()

    return types.void(array, types.intp, value), codegen


@intrinsic
def store_first(typingctx, array, index, value, n):
    """Write the first n (1 .. LANES) values of `value` from array[index] on."""

    def codegen(context, builder, sig, args):
        pointer = builder.bitcast(_address(context, builder, sig.args[0], args[0], args[1]), _VEC.as_pointer())
        mask_type = ir.VectorType(ir.IntType(1), LANES)
        count = _splat(builder, builder.trunc(args[3], _I32), _INTS)
        mask = builder.icmp_signed("<", ir.Constant(_INTS, list(range(LANES))), count)
        kind = ir.FunctionType(ir.VoidType(), [_VEC, _VEC.as_pointer(), _I32, mask_type])
        function = cgutils.get_or_insert_function(builder.module, kind, f"llvm.masked.store.v{LANES}f32.p0")
        builder.call(function, [args[2], pointer, ir.Constant(_I32, 4), mask])
        return context.get_dummy_value()

    return types.void(array, types.intp, vec, types.intp), codegen


@intrinsic
def at(typingctx, array, index):
    """array[index] without a check and without Python's meaning of negative indices."""

    def codegen(context, builder, sig, args):
        return builder.load(_address(context, builder, sig.args[0], args[0], args[1]))

    return array.dtype(array, types.intp), codegen


@intrinsic
def splat(typingctx, scalar):
    """One float32 in every lane."""

    def codegen(context, builder, sig, args):
        return _splat(builder, args[0])

    return vec(types.float32), codegen


@intrinsic
def splat_octet(typingctx, scalar):
    """One float32 in all 8 lanes."""

    def codegen(context, builder, sig, args):
        return _splat(builder, args[0], ir.VectorType(_F32, octet.lanes))

    return octet(types.float32), codegen


@inlined
def broadcast(array, index):
    """array[index] in every lane."""
    return splat(at(array, index))


@intrinsic
def lane_sum(typingctx, value):
    """The sum over the lanes, pairwise."""

    def codegen(context, builder, sig, args):
        total, width = args[0], LANES
        while width > 1:
            width //= 2
            order = [(i + width) % LANES if i < width else i for i in range(LANES)]
            total = builder.fadd(total, _shuffle(builder, total, total, order), flags=_FLAGS)
        return builder.extract_element(total, ir.Constant(_I32, 0))

    return types.float32(vec), codegen


@intrinsic
def larger_magnitude(typingctx, a, b):
    """Lane by lane: the larger of abs(a) and abs(b); infinity is larger than any number, and NaN than infinity."""

    def codegen(context, builder, sig, args):
        x, y = (builder.and_(builder.bitcast(v, _INTS), _ints(0x7FFFFFFF)) for v in args)
        return builder.bitcast(builder.select(builder.icmp_signed(">", x, y), x, y), _VEC)

    return vec(vec, vec), codegen


@intrinsic
def largest_lane(typingctx, value):
    """The largest lane of what `larger_magnitude` gave: NaN where there is one."""

    def codegen(context, builder, sig, args):
        largest, width = builder.bitcast(args[0], _INTS), LANES
        while width > 1:
            width //= 2
            other = _shuffle(builder, largest, largest, [(i + width) % LANES for i in range(LANES)])
            largest = builder.select(builder.icmp_signed(">", largest, other), largest, other)
        return builder.bitcast(builder.extract_element(largest, ir.Constant(_I32, 0)), _F32)

    return types.float32(vec), codegen


@intrinsic
def shift_in(typingctx, value, source):
    """The last lane of `source` in lane 0, and lane i - 1 of `value` in every other lane i: one instruction."""

    def codegen(context, builder, sig, args):
        lanes = value.lanes
        return _shuffle(builder, args[1], args[0], range(lanes - 1, 2 * lanes - 1))

    return value(value, source), codegen


@intrinsic
def last(typingctx, value):
    """The value in the last lane."""

    def codegen(context, builder, sig, args):
        return builder.extract_element(args[0], ir.Constant(_I32, value.lanes - 1))

    return types.float32(value), codegen


@intrinsic
def where_less(typingctx, a, b, then, otherwise):
    """Lane by lane: `then` where a < b, else `otherwise` (also where either is NaN)."""

    def codegen(context, builder, sig, args):
        return builder.select(builder.fcmp_ordered("<", args[0], args[1]), args[2], args[3])

    return a(a, a, a, a), codegen


@inlined
def at_least(value, floor):
    """max(value, floor); NaN stays NaN."""
    return where_less(value, floor, floor, value)


@inlined
def at_most(value, bound):
    """min(value, bound); NaN stays NaN."""
    return where_less(bound, value, bound, value)


def _intrinsic_call(builder, name, args):
    """llvm.<name> on whole vectors or one value; llvmlite has no name for vector types, so it is spelled out."""
    kind = args[0].type
    suffix = f"v{kind.count}f32" if isinstance(kind, ir.VectorType) else "f32"
    function_type = ir.FunctionType(kind, [kind] * len(args))
    return builder.call(builder.module.declare_intrinsic(f"llvm.{name}.{suffix}", fnty=function_type), list(args))


@intrinsic
def sqrt(typingctx, value):
    """Square root of each lane."""

    def codegen(context, builder, sig, args):
        return _intrinsic_call(builder, "sqrt", args)

    return vec(vec), codegen


@intrinsic
def fma(typingctx, a, b, c):
    """a * b + c with one rounding, of vectors or of single float32."""

    def codegen(context, builder, sig, args):
        return _intrinsic_call(builder, "fma", args)

    return a(a, b, c), codegen


@intrinsic
def log(typingctx, value):
    """Natural logarithm of positive normal values, error below 1e-6: exponent bits plus a polynomial; NaN stays NaN.

    The mantissa is brought to [sqrt(1/2), sqrt(2)); then ln(m) = 2 atanh(s) with s = (m - 1) / (m + 1), which is odd: of three
    terms, the minimax polynomial (Remez) is within 2.1e-8.
    """

    def codegen(context, builder, sig, args):
        x = args[0]
        bits = builder.bitcast(x, _INTS)
        exponent = builder.ashr(builder.sub(bits, _ints(0x3F3504F3)), _ints(23))
        mantissa = builder.bitcast(builder.sub(bits, builder.shl(exponent, _ints(23))), _VEC)
        m = builder.fsub(mantissa, _constant(1.0))
        s = builder.fdiv(m, builder.fadd(m, _constant(2.0)), flags=_FLAGS)
        z = builder.fmul(s, s)
        p = _constant(0.41517729)
        for c in (0.66644077, 2.00000084):
            p = builder.fadd(builder.fmul(p, z, flags=_FLAGS), _constant(c), flags=_FLAGS)
        low = builder.fmul(s, p, flags=_FLAGS)
        high = builder.fmul(builder.sitofp(exponent, _VEC), _constant(np.log(2)), flags=_FLAGS)
        result = builder.fadd(low, high, flags=_FLAGS)
        return builder.select(builder.fcmp_unordered("uno", x, x), x, result)

    return vec(vec), codegen


def transposed(builder, rows):
    """LANES vectors transposed: log2(LANES) rounds of a perfect shuffle; no value is loaded or stored alone."""
    half = LANES // 2
    low = [k // 2 + (LANES if k % 2 else 0) for k in range(LANES)]
    high = [half + k for k in low]
    for _ in range(LANES.bit_length() - 1):
        rows = [_shuffle(builder, rows[i // 2], rows[i // 2 + half], high if i % 2 else low) for i in range(LANES)]
    return rows


@intrinsic
def transpose_block(typingctx, source, index, stride, out, out_index, out_stride):
    """LANES rows of LANES values, `stride` apart, become LANES columns: out[out_index + j * out_stride + i] = row i, value j."""

    def codegen(context, builder, sig, args):
        source_, index_, stride_, out_, out_index_, out_stride_ = args
        rows = []
        for _ in range(LANES):
            rows.append(_read(context, builder, sig.args[0], source_, index_))
            index_ = builder.add(index_, stride_)
        for row in transposed(builder, rows):
            _write(context, builder, sig.args[3], out_, out_index_, row)
            out_index_ = builder.add(out_index_, out_stride_)
        return context.get_dummy_value()

    return types.void(source, types.intp, types.intp, out, types.intp, types.intp), codegen


ON_X86 = platform.machine().lower() in ("x86_64", "amd64", "i386", "i686")
_FLUSH_TO_ZERO = 0x8040  # bits FTZ and DAZ of x86's control register


@intrinsic
def flush_denormals(typingctx):
    """Count numbers below 1e-38 as zero from here on in this thread (x86; elsewhere they are not slow). Returns what to restore.

    Decaying filters and near-silence would otherwise run at a tenth of the speed.
    """

    def codegen(context, builder, sig, args):
        if not ON_X86:
            return ir.Constant(_I32, 0)
        slot = cgutils.alloca_once(builder, _I32)
        _control_register(builder, "st", slot)
        before = builder.load(slot)
        builder.store(builder.or_(before, ir.Constant(_I32, _FLUSH_TO_ZERO)), slot)
        _control_register(builder, "ld", slot)
        return before

    return types.int32(), codegen


@intrinsic
def restore_denormals(typingctx, before):
    """Undo `flush_denormals`."""

    def codegen(context, builder, sig, args):
        if ON_X86:
            slot = cgutils.alloca_once(builder, _I32)
            builder.store(args[0], slot)
            _control_register(builder, "ld", slot)
        return context.get_dummy_value()

    return types.void(types.int32), codegen


def _control_register(builder, direction: str, slot) -> None:
    pointer = ir.IntType(8).as_pointer()
    function = cgutils.get_or_insert_function(builder.module, ir.FunctionType(ir.VoidType(), [pointer]), f"llvm.x86.sse.{direction}mxcsr")
    builder.call(function, [builder.bitcast(slot, pointer)])


def _arithmetic(python_operator, instruction: str) -> None:
    @infer_global(python_operator)
    class _Typing(AbstractTemplate):
        def generic(self, args, kws):
            return signature(args[0], *args) if args in ((vec, vec), (octet, octet)) else None

    @lower_builtin(python_operator, _VecType, _VecType)
    def _lower(context, builder, sig, args):
        return getattr(builder, instruction)(*args, flags=_FLAGS)


for _operator, _instruction in ((operator.add, "fadd"), (operator.sub, "fsub"), (operator.mul, "fmul"), (operator.truediv, "fdiv")):
    _arithmetic(_operator, _instruction)
