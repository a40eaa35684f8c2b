"""The exponential of the values of a vector."""

from __future__ import annotations

import numpy as np
from llvmlite import ir
from numba.extending import intrinsic

from kwsfeat.kernels.simd import _F32, _I32, _intrinsic_call


def _all(kind: ir.VectorType, value: float) -> ir.Constant:
    return ir.Constant(kind, [float(np.float32(value)) if kind.element == _F32 else int(value)] * kind.count)


@intrinsic
def exp(typingctx, value):
    """The exponential of a `vec` or an `octet`, relative error below 2e-7; beyond -87 and 88 that of the bound; NaN stays NaN.

    x = n ln 2 + r with n whole and |r| <= ln 2 / 2; 2**n goes into the exponent bits, and exp(r) is Taylor's polynomial.
    """

    def codegen(context, builder, sig, args):
        kind, x = args[0].type, args[0]
        ints = ir.VectorType(_I32, kind.count)
        for bound, order in ((-87.0, "<"), (88.0, ">")):
            x = builder.select(builder.fcmp_ordered(order, x, _all(kind, bound)), _all(kind, bound), x)
        n = _intrinsic_call(builder, "rint", [builder.fmul(x, _all(kind, 1 / np.log(2)))])
        r = _intrinsic_call(builder, "fma", [n, _all(kind, -0.693359375), x])
        r = _intrinsic_call(builder, "fma", [n, _all(kind, 2.12194440e-4), r])
        p = _all(kind, 1 / 5040)
        for c in (1 / 720, 1 / 120, 1 / 24, 1 / 6, 1 / 2, 1.0, 1.0):
            p = _intrinsic_call(builder, "fma", [p, r, _all(kind, c)])
        power = builder.shl(builder.add(builder.fptosi(n, ints), _all(ints, 127)), _all(ints, 23))
        scaled = builder.fmul(p, builder.bitcast(power, kind))
        return builder.select(builder.fcmp_unordered("uno", x, x), x, scaled)

    return value(value), codegen
