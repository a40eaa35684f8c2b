"""Sums over the lanes of many vectors at once."""

from __future__ import annotations

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from kwsfeat.kernels._jit import LANES
from kwsfeat.kernels.simd import _FLAGS, _read, _shuffle, vec


@intrinsic
def lane_sums(typingctx, source, index):
    """The sums of LANES successive vectors, the first at source[index]: lane i is the sum over the lanes of vector i.

    Neighbours of each pair of vectors are added to one vector, log2(LANES) times: a quarter of the work of LANES `lane_sum`.
    """

    def codegen(context, builder, sig, args):
        even, odd = list(range(0, 2 * LANES, 2)), list(range(1, 2 * LANES, 2))
        values = [
            _read(context, builder, sig.args[0], args[0], builder.add(args[1], ir.Constant(args[1].type, i * LANES))) for i in range(LANES)
        ]
        while len(values) > 1:
            pairs = zip(values[::2], values[1::2], strict=True)
            values = [builder.fadd(_shuffle(builder, a, b, even), _shuffle(builder, a, b, odd), flags=_FLAGS) for a, b in pairs]
        return values[0]

    return vec(source, types.intp), codegen
