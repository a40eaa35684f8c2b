"""Whole numbers in SIMD, beside the floats of `simd`: LANES int32 (`ints`), LANES pairs of int16 (`pairs`), and LANES
doubles that are whole (`doubles`).

A pair takes the place of one int32, the first number in its lower half: a complex number of 16 bits is one lane. Sums and
products wrap as the processor's do. An index is flat, counts elements, and is not checked.
"""

from __future__ import annotations

import operator

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.core.typing.templates import AbstractTemplate, infer_global, signature
from numba.extending import intrinsic, lower_builtin, models, register_model

from kwsfeat.kernels._jit import LANES
from kwsfeat.kernels.simd import ON_X86, transposed, vec

_I1, _I16, _I32, _I64, _F64 = ir.IntType(1), ir.IntType(16), ir.IntType(32), ir.IntType(64), ir.DoubleType()


class _IntVecType(types.Type):
    def __init__(self, bits: int, lanes: int) -> None:
        self.llvm = ir.VectorType(ir.IntType(bits), lanes)
        super().__init__(name=f"i{bits}x{lanes}")


class _DoubleVecType(types.Type):
    def __init__(self) -> None:
        self.llvm = ir.VectorType(_F64, LANES)
        super().__init__(name=f"f64x{LANES}")


ints, pairs, doubles = _IntVecType(32, LANES), _IntVecType(16, 2 * LANES), _DoubleVecType()
_INTS, _PAIRS, _DOUBLES = ints.llvm, pairs.llvm, doubles.llvm
_WIDE_PAIRS = ir.VectorType(_I32, 2 * LANES)
_ROUNDED_PRODUCT = {8: "llvm.x86.avx2.pmul.hr.sw", 16: "llvm.x86.avx512.pmul.hr.sw.512"}


@register_model(_DoubleVecType)
@register_model(_IntVecType)
class _IntVecModel(models.PrimitiveModel):
    def __init__(self, dmm, fe_type):
        super().__init__(dmm, fe_type, fe_type.llvm)


def _pointer(context, builder, array_type, array, index):
    address = builder.gep(context.make_array(array_type)(context, builder, array).data, [index], inbounds=True)
    return builder.bitcast(address, _INTS.as_pointer())


def _constant(kind, value):
    return ir.Constant(kind, [value] * kind.count)


def _shuffle(builder, a, b, order):
    return builder.shuffle_vector(a, b, ir.Constant(ir.VectorType(_I32, len(order)), list(order)))


@intrinsic
def load_ints(typingctx, array, index):
    """The LANES int32 values that start at array[index]."""

    def codegen(context, builder, sig, args):
        return builder.load(_pointer(context, builder, sig.args[0], args[0], args[1]), align=4)

    return ints(array, types.intp), codegen


@intrinsic
def store_ints(typingctx, array, index, value):
    """Write the LANES values of `value` from array[index] on."""

    def codegen(context, builder, sig, args):
        builder.store(args[2], _pointer(context, builder, sig.args[0], args[0], args[1]), align=4)
        return context.get_dummy_value()

    return types.void(array, types.intp, ints), codegen


@intrinsic
def splat_int(typingctx, scalar):
    """One number, cut to int32, in every lane."""

    def codegen(context, builder, sig, args):
        value = builder.trunc(args[0], _I32)
        one = builder.insert_element(ir.Constant(_INTS, ir.Undefined), value, ir.Constant(_I32, 0))
        return builder.shuffle_vector(one, one, _constant(_INTS, 0))

    return ints(types.int64), codegen


@intrinsic
def as_pairs(typingctx, value):
    """The same bits as pairs."""

    def codegen(context, builder, sig, args):
        return builder.bitcast(args[0], _PAIRS)

    return pairs(ints), codegen


@intrinsic
def as_ints(typingctx, value):
    """The same bits as ints."""

    def codegen(context, builder, sig, args):
        return builder.bitcast(args[0], _INTS)

    return ints(pairs), codegen


@intrinsic
def halves(typingctx, low, high):
    """The lower numbers of the pairs `low`, the upper ones of `high`."""

    def codegen(context, builder, sig, args):
        n = 2 * LANES
        return _shuffle(builder, *args, [i + n * (i % 2) for i in range(n)])

    return pairs(pairs, pairs), codegen


@intrinsic
def swapped(typingctx, value):
    """Each pair the other way round."""

    def codegen(context, builder, sig, args):
        return _shuffle(builder, args[0], args[0], [i ^ 1 for i in range(2 * LANES)])

    return pairs(pairs), codegen


@intrinsic
def rounded_product(typingctx, a, b):
    """Number by number (a b + 2**14) >> 15: of two fractions of 15 bits. x86 has an instruction for it, which LLVM does not find."""

    def codegen(context, builder, sig, args):
        if ON_X86 and LANES in _ROUNDED_PRODUCT:
            kind = ir.FunctionType(_PAIRS, [_PAIRS] * 2)
            return builder.call(cgutils.get_or_insert_function(builder.module, kind, _ROUNDED_PRODUCT[LANES]), args)
        product = builder.mul(*(builder.sext(x, _WIDE_PAIRS) for x in args))
        rounded = builder.add(product, _constant(_WIDE_PAIRS, 1 << 14))
        return builder.trunc(builder.lshr(rounded, _constant(_WIDE_PAIRS, 15)), _PAIRS)

    return pairs(pairs, pairs), codegen


@intrinsic
def upper_product(typingctx, a, b):
    """Number by number (a b) >> 16; one instruction of x86."""

    def codegen(context, builder, sig, args):
        product = builder.mul(*(builder.sext(x, _WIDE_PAIRS) for x in args))
        return builder.trunc(builder.lshr(product, _constant(_WIDE_PAIRS, 16)), _PAIRS)

    return pairs(pairs, pairs), codegen


@intrinsic
def dot(typingctx, a, b):
    """a[0] b[0] + a[1] b[1] of each pair; one instruction of x86."""

    def codegen(context, builder, sig, args):
        product = builder.mul(*(builder.sext(x, _WIDE_PAIRS) for x in args), flags=("nsw",))
        return builder.add(*(_shuffle(builder, product, product, range(i, 2 * LANES, 2)) for i in (0, 1)))

    return ints(pairs, pairs), codegen


@intrinsic
def transpose_ints(typingctx, source, index, stride, out, out_index, out_stride):
    """LANES rows of LANES int32, `stride` elements of `source` apart, become columns: out[out_index + j * out_stride + i].

    source : int32, or int16, two of which are one int32
    """

    def codegen(context, builder, sig, args):
        source_, index_, stride_, out_, out_index_, out_stride_ = args
        rows = []
        for _ in range(LANES):
            align = context.get_abi_sizeof(context.get_data_type(sig.args[0].dtype))
            rows.append(builder.load(_pointer(context, builder, sig.args[0], source_, index_), align=align))
            index_ = builder.add(index_, stride_)
        for row in transposed(builder, rows):
            builder.store(row, _pointer(context, builder, sig.args[3], out_, out_index_), align=4)
            out_index_ = builder.add(out_index_, out_stride_)
        return context.get_dummy_value()

    return types.void(source, types.intp, types.intp, out, types.intp, types.intp), codegen


@intrinsic
def floating(typingctx, value):
    """ints as floats."""

    def codegen(context, builder, sig, args):
        return builder.sitofp(args[0], ir.VectorType(ir.FloatType(), LANES))

    return vec(ints), codegen


@intrinsic
def unsigned_shift(typingctx, value, shift):
    """Lane by lane: `value`, without sign, shifted right by `shift`."""

    def codegen(context, builder, sig, args):
        return builder.lshr(args[0], args[1])

    return ints(ints, ints), codegen


def _choice(name, compare, order, kind):
    @intrinsic
    def choose(typingctx, a, b):
        def codegen(context, builder, sig, args):
            return builder.select(getattr(builder, compare)(order, *args), *args)

        return kind(kind, kind), codegen

    choose.__doc__ = f"Lane by lane: {name}."
    return choose


larger = _choice("the larger of two signed numbers", "icmp_signed", ">", pairs)
larger_unsigned = _choice("the larger of two unsigned numbers", "icmp_unsigned", ">", ints)
smaller_unsigned = _choice("the smaller of two unsigned numbers", "icmp_unsigned", "<", ints)


@intrinsic
def where_below(typingctx, a, b, then, otherwise):
    """Lane by lane: `then` where a < b, without sign, else `otherwise`."""

    def codegen(context, builder, sig, args):
        return builder.select(builder.icmp_unsigned("<", args[0], args[1]), args[2], args[3])

    return ints(ints, ints, ints, ints), codegen


@intrinsic
def leading_zeros(typingctx, value):
    """Zero bits before the first one: 32 of zero.

    They stand in the exponent of the number as a float. It is not rounded up to the next power of two when its second bit is zero;
    with its first bit it would be negative. Vectors of 16 lanes have an instruction.
    """

    def codegen(context, builder, sig, args):
        x = args[0]
        if LANES == 16:
            kind = ir.FunctionType(_INTS, [_INTS, _I1])
            return builder.call(cgutils.get_or_insert_function(builder.module, kind, "llvm.ctlz.v16i32"), [x, ir.Constant(_I1, 0)])
        below = builder.and_(x, builder.not_(builder.lshr(x, _constant(_INTS, 1))))
        exponent = builder.lshr(builder.bitcast(builder.sitofp(below, ir.VectorType(ir.FloatType(), LANES)), _INTS), _constant(_INTS, 23))
        zeros = builder.sub(_constant(_INTS, 158), exponent)
        zeros = builder.select(builder.icmp_signed(">", zeros, _constant(_INTS, 32)), _constant(_INTS, 32), zeros)
        return builder.select(builder.icmp_signed("<", x, _constant(_INTS, 0)), _constant(_INTS, 0), zeros)

    return ints(ints), codegen


@intrinsic
def gather(typingctx, array, index):
    """Lane by lane: array[index] of int32. LLVM takes the instruction of x86 for slow on all of its processors."""

    def codegen(context, builder, sig, args):
        data = context.make_array(sig.args[0])(context, builder, args[0]).data
        if ON_X86 and LANES == 16:
            flags = ir.VectorType(_I1, LANES)
            kind = ir.FunctionType(_INTS, [_INTS, ir.IntType(8).as_pointer(), _INTS, flags, _I32])
            function = cgutils.get_or_insert_function(builder.module, kind, "llvm.x86.avx512.mask.gather.dpi.512")
            address = builder.bitcast(data, ir.IntType(8).as_pointer())
            return builder.call(function, [_constant(_INTS, 0), address, args[1], _constant(flags, 1), ir.Constant(_I32, 4)])
        result = ir.Constant(_INTS, ir.Undefined)
        for lane in range(LANES):
            position = ir.Constant(_I32, lane)
            value = builder.load(builder.gep(data, [builder.zext(builder.extract_element(args[1], position), _I64)], inbounds=True))
            result = builder.insert_element(result, value, position)
        return result

    return ints(array, ints), codegen


@intrinsic
def splat_double(typingctx, scalar):
    """One double in every lane."""

    def codegen(context, builder, sig, args):
        one = builder.insert_element(ir.Constant(_DOUBLES, ir.Undefined), args[0], ir.Constant(_I32, 0))
        return _shuffle(builder, one, one, [0] * LANES)

    return doubles(types.float64), codegen


@intrinsic
def as_doubles(typingctx, value):
    """Signed ints as doubles."""

    def codegen(context, builder, sig, args):
        return builder.sitofp(args[0], _DOUBLES)

    return doubles(ints), codegen


@intrinsic
def multiply_add(typingctx, a, b, c):
    """a * b + c of doubles: whole numbers below 2**53 are exact."""

    def codegen(context, builder, sig, args):
        kind = ir.FunctionType(_DOUBLES, [_DOUBLES] * 3)
        return builder.call(builder.module.declare_intrinsic(f"llvm.fma.v{LANES}f64", fnty=kind), args)

    return doubles(doubles, doubles, doubles), codegen


@intrinsic
def nearest_root(typingctx, value):
    """The int nearest to the square root of whole doubles below 2**52, except that 65535 is not rounded up below 2**32."""

    def codegen(context, builder, sig, args):
        n, kind = args[0], ir.FunctionType(_DOUBLES, [_DOUBLES])
        root, floor = (builder.module.declare_intrinsic(f"llvm.{name}.v{LANES}f64", fnty=kind) for name in ("sqrt", "floor"))
        r = builder.call(floor, [builder.call(root, [n])])
        up = builder.fcmp_ordered(">", builder.fsub(n, builder.fmul(r, r)), r)
        kept = builder.and_(
            builder.fcmp_ordered("==", r, _constant(_DOUBLES, 65535.0)), builder.fcmp_ordered("<", n, _constant(_DOUBLES, 2.0**32))
        )
        return builder.add(builder.fptosi(r, _INTS), builder.zext(builder.and_(up, builder.not_(kept)), _INTS))

    return ints(doubles), codegen


@intrinsic
def wrapped(typingctx, value):
    """The lower 16 bits, with their sign: what an int16 holds of a sum."""

    def codegen(context, builder, sig, args):
        return builder.ashr(builder.shl(args[0], _constant(_INTS, 16)), _constant(_INTS, 16))

    return ints(ints), codegen


def _arithmetic(python_operator, instruction: str, kinds) -> None:
    @infer_global(python_operator)
    class _Typing(AbstractTemplate):
        def generic(self, args, kws):
            return signature(args[0], *args) if len(args) == 2 and args[0] == args[1] and args[0] in kinds else None

    @lower_builtin(python_operator, _IntVecType, _IntVecType)
    def _lower(context, builder, sig, args):
        return getattr(builder, instruction)(*args)


for _operator, _instruction in ((operator.add, "add"), (operator.sub, "sub"), (operator.mul, "mul")):
    _arithmetic(_operator, _instruction, (ints, pairs))
for _operator, _instruction in (
    (operator.lshift, "shl"), (operator.rshift, "ashr"), (operator.and_, "and_"), (operator.xor, "xor"),
):  # fmt: skip
    _arithmetic(_operator, _instruction, (ints, pairs))
