"""Arrays handed to compiled code by address.

Numba unpacks every array argument on every call, 0.1 us each; a plan and its scratch memory are thirty arrays, as much as
half a clip's features. One table of addresses costs one. Whoever makes a table keeps its arrays alive.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numba import carray, types
from numba.extending import intrinsic
from numpy.typing import NDArray

from kwsfeat.kernels._jit import inlined


def address_table(arrays: Iterable[NDArray[Any]]) -> NDArray[np.int64]:
    """(n_arrays, 2): where each C-contiguous array begins, and how many values it has."""
    return np.array([(a.ctypes.data, a.size) for a in arrays], np.int64).reshape(-1, 2)


def _pointer_to(numba_type):
    @intrinsic
    def pointer(typingctx, address):
        def codegen(context, builder, sig, args):
            return builder.inttoptr(args[0], context.get_value_type(sig.return_type))

        return types.CPointer(numba_type)(types.int64), codegen

    return pointer


_float32, _float64, _int64 = _pointer_to(types.float32), _pointer_to(types.float64), _pointer_to(types.int64)


@inlined
def floats(table, i):
    """Array i of the table, float32, flat."""
    return carray(_float32(table[i, 0]), (table[i, 1],))


@inlined
def doubles(table, i):
    """Array i of the table, float64, flat."""
    return carray(_float64(table[i, 0]), (table[i, 1],))


@inlined
def integers(table, i):
    """Array i of the table, int64, flat."""
    return carray(_int64(table[i, 0]), (table[i, 1],))
