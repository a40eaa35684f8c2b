"""CRC-32 of long arrays: 64 bytes at a time by carry-less multiplication, three times as fast as zlib's tables.

Source: Gopal et al., "Fast CRC Computation for Generic Polynomials Using PCLMULQDQ Instruction", Intel, 2009: a message may be
replaced by a short one of equal remainder, here the last 64 bytes after everything before them was folded into them.
"""

from __future__ import annotations

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from kwsfeat.kernels._jit import cpu, jit

CAN_FOLD = "+pclmul" in cpu()[1].split(",")
N_FOLDED = 64  # bytes
_PAIR = ir.VectorType(ir.IntType(64), 2)
_FACTORS = ir.Constant(_PAIR, [0x154442BD4, 0x1C6E41596])  # x^(512+32) and x^(512-32) modulo the polynomial, bits reversed


@jit
def fold(data, rest):
    """`rest` (64 bytes) gets the remainder of `data` (64, 128, ... bytes, uint8) after a register of ones, where CRC-32 begins."""
    for i in range(N_FOLDED):
        rest[i] = data[i] ^ (0xFF if i < 4 else 0)
    for first in range(N_FOLDED, data.size, N_FOLDED):
        for i in range(0, N_FOLDED, 16):
            _fold_16(rest, i, data, first + i)


@intrinsic
def _fold_16(typingctx, rest, i, data, j):
    """Move 16 bytes of `rest` 64 bytes on in the message and add the 16 bytes of `data` that stand there."""

    def codegen(context, builder, sig, args):
        def pointer(array_type, array, index):
            start = context.make_array(array_type)(context, builder, array).data
            return builder.bitcast(builder.gep(start, [index]), _PAIR.as_pointer())

        kind = ir.FunctionType(_PAIR, [_PAIR, _PAIR, ir.IntType(8)])
        multiply = cgutils.get_or_insert_function(builder.module, kind, "llvm.x86.pclmulqdq")
        place = pointer(sig.args[0], args[0], args[1])
        before = builder.load(place, align=1)
        low, high = (builder.call(multiply, [before, _FACTORS, ir.Constant(ir.IntType(8), half)]) for half in (0x00, 0x11))
        there = builder.load(pointer(sig.args[2], args[2], args[3]), align=1)
        builder.store(builder.xor(builder.xor(low, high), there), place, align=1)
        return context.get_dummy_value()

    return types.void(rest, types.intp, data, types.intp), codegen
