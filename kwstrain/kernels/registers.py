"""Blocks of sums that stay in registers: a tuple of vectors that intrinsics add to, unrolled where the code is made.

A block has `n_rows` x `n_columns` sums: a vector that is loaded serves a whole row or column of them.
"""

import platform

from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic

from kwsfeat.kernels._jit import LANES
from kwsfeat.kernels.simd import vec

# Vector registers of the machine: 32 of AVX-512 and NEON, 16 of AVX and SSE.
REGISTERS = 32 if LANES == 16 or platform.machine().lower() in ("arm64", "aarch64") else 16

_F32, _I32, _I64 = ir.FloatType(), ir.IntType(32), ir.IntType(64)
_VEC = ir.VectorType(_F32, LANES)


def _pointer(context, builder, kind, array, index):
    return builder.gep(context.make_array(kind)(context, builder, array).data, [index], inbounds=True)


def _vector(context, builder, kind, array, index):
    place = builder.bitcast(_pointer(context, builder, kind, array, index), _VEC.as_pointer())
    return builder.load(place, align=4)


def _everywhere(builder, scalar):
    one = builder.insert_element(ir.Constant(_VEC, ir.Undefined), scalar, ir.Constant(_I32, 0))
    return builder.shuffle_vector(one, one, ir.Constant(ir.VectorType(_I32, LANES), [0] * LANES))


def _fma(builder, a, b, c):
    kind = ir.FunctionType(_VEC, [_VEC] * 3)
    return builder.call(builder.module.declare_intrinsic(f"llvm.fma.v{LANES}f32", fnty=kind), [a, b, c])


def _at(builder, start, i, step):
    return builder.add(start, builder.mul(step, ir.Constant(_I64, i)))


def started(n_rows, n_columns):
    """An intrinsic (array, i) -> sums: all of a column begin with array[i + column] in every lane."""
    kind = types.UniTuple(vec, n_rows * n_columns)

    @intrinsic
    def start_sums(typingctx, array, i):
        def codegen(context, builder, sig, args):
            columns = [_weight(context, builder, array, *args, column) for column in range(n_columns)]
            return context.make_tuple(builder, kind, columns * n_rows)

        return kind(array, types.intp), codegen

    return start_sums


def weighted(n_rows, n_columns):
    """An intrinsic (sums, x, i, step, w, j) that adds vector x[i + row * step] * w[j + column] to each sum (row, column)."""
    kind = types.UniTuple(vec, n_rows * n_columns)

    @intrinsic
    def add_weighted(typingctx, sums, x, i, step, w, j):
        def codegen(context, builder, sig, args):
            sums, x_, i_, step_, w_, j_ = args
            rows = [_vector(context, builder, x, x_, _at(builder, i_, row, step_)) for row in range(n_rows)]
            values = {}
            for column in range(n_columns):
                weight = _weight(context, builder, w, w_, j_, column)
                for row in range(n_rows):
                    n = row * n_columns + column
                    values[n] = _fma(builder, rows[row], weight, builder.extract_value(sums, n))
            return context.make_tuple(builder, kind, [values[n] for n in range(n_rows * n_columns)])

        return kind(kind, x, types.intp, types.intp, w, types.intp), codegen

    return add_weighted


def products(n_rows, n_columns):
    """An intrinsic (sums, x, i, y, j) that adds vector x[i + row * LANES] * vector y[j + column * LANES] to each sum (row, column)."""
    kind = types.UniTuple(vec, n_rows * n_columns)

    @intrinsic
    def add_products(typingctx, sums, x, i, y, j):
        def codegen(context, builder, sig, args):
            sums, x_, i_, y_, j_ = args
            lanes = ir.Constant(_I64, LANES)
            rows = [_vector(context, builder, x, x_, _at(builder, i_, row, lanes)) for row in range(n_rows)]
            values = {}
            for column in range(n_columns):
                other = _vector(context, builder, y, y_, _at(builder, j_, column, lanes))
                for row in range(n_rows):
                    n = row * n_columns + column
                    values[n] = _fma(builder, rows[row], other, builder.extract_value(sums, n))
            return context.make_tuple(builder, kind, [values[n] for n in range(n_rows * n_columns)])

        return kind(kind, x, types.intp, y, types.intp), codegen

    return add_products


def loaded(n_rows, n_columns):
    """An intrinsic (array, i, step) -> sums: sum (row, column) is the vector at i + row * step + column * LANES."""
    kind = types.UniTuple(vec, n_rows * n_columns)

    @intrinsic
    def load_sums(typingctx, array, i, step):
        def codegen(context, builder, sig, args):
            places = _places(builder, args[1], args[2], n_rows, n_columns)
            return context.make_tuple(builder, kind, [_vector(context, builder, array, args[0], place) for place in places])

        return kind(array, types.intp, types.intp), codegen

    return load_sums


def stored(n_rows, n_columns):
    """An intrinsic (sums, array, i, step) that writes sum (row, column) at i + row * step + column * LANES."""
    kind = types.UniTuple(vec, n_rows * n_columns)

    @intrinsic
    def store_sums(typingctx, sums, array, i, step):
        def codegen(context, builder, sig, args):
            sums, array_, i_, step_ = args
            for n, place in enumerate(_places(builder, i_, step_, n_rows, n_columns)):
                pointer = builder.bitcast(_pointer(context, builder, array, array_, place), _VEC.as_pointer())
                builder.store(builder.extract_value(sums, n), pointer, align=4)
            return context.get_dummy_value()

        return types.void(kind, array, types.intp, types.intp), codegen

    return store_sums


def rectified(n):
    """An intrinsic sums -> the larger of each and 0; NaN stays NaN."""
    kind = types.UniTuple(vec, n)

    @intrinsic
    def rectify(typingctx, sums):
        def codegen(context, builder, sig, args):
            zero = ir.Constant(_VEC, [0.0] * LANES)
            values = [builder.extract_value(args[0], i) for i in range(n)]
            return context.make_tuple(builder, kind, [builder.select(builder.fcmp_ordered("<", v, zero), zero, v) for v in values])

        return kind(kind), codegen

    return rectify


def _weight(context, builder, kind, array, start, i):
    """array[start + i] in every lane."""
    return _everywhere(builder, builder.load(_pointer(context, builder, kind, array, builder.add(start, ir.Constant(_I64, i)))))


def _places(builder, start, step, n_rows, n_columns):
    rows = [_at(builder, start, row, step) for row in range(n_rows)]
    return [builder.add(row, ir.Constant(_I64, column * LANES)) for row in rows for column in range(n_columns)]
