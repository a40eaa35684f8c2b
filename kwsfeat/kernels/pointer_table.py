"""Arrays handed to compiled code by address, each under its name.

Numba unpacks every array argument on every call, 0.1 us each; a plan and its scratch memory are thirty arrays, as much as
half a clip's features. One record of addresses costs one. Its fields are those of the NamedTuple that it is made of: the
maker and the kernel both go by the name, and no position can be wrong. An address lies under the name of its type, so that
a kernel which reads an int64 array as floats does not compile. Whoever makes a record keeps its arrays alive.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any, get_args, get_type_hints

import numpy as np
from numba import carray, types
from numba.extending import intrinsic
from numpy.typing import NDArray

from kwsfeat.kernels._jit import inlined


def pointer_record(values: Any) -> NDArray[np.void]:
    """The fields of a NamedTuple as one record, shape (1,): numbers, NamedTuples inside it, and arrays by address and size.

    Raises
    ------
    ValueError
        If an array is not what its field is declared as, or not C-contiguous: compiled code would read other memory.
    """
    return np.array([_row(values)], _record_type(type(values)))


def check_sizes(values: Any, sizes: Mapping[str, int]) -> None:
    """Raise ValueError unless the named arrays of a NamedTuple have exactly these numbers of values."""
    for name, size in sizes.items():
        if (there := getattr(values, name).size) != size:
            raise ValueError(f"{type(values).__name__}.{name} has {there} values and must have {size}")


@cache
def _record_type(kind: type[Any]) -> np.dtype[np.void]:
    """Made once: Numba finds the type of a record by its dtype, fast when it is the same object and slowly when it is an equal one."""
    fields: list[tuple[str, Any]] = []
    for name, hint in get_type_hints(kind).items():
        if hasattr(hint, "_fields"):
            fields.append((name, _record_type(hint)))
        elif hint in (bool, int, float):
            fields.append((name, hint))
        else:
            fields.append((name, [(_declared(hint).name, np.int64), ("size", np.int64)]))
    return np.dtype(fields)


def _row(values: Any) -> tuple[Any, ...]:
    row: list[Any] = []
    for name, hint in get_type_hints(type(values)).items():
        value = getattr(values, name)
        if hasattr(hint, "_fields"):
            row.append(_row(value))
        elif hint in (bool, int, float):
            row.append(value)
        else:
            row.append(_address(f"{type(values).__name__}.{name}", value, _declared(hint)))
    return tuple(row)


def _declared(hint: Any) -> np.dtype[Any]:
    """The type of the values of an array whose hint is NDArray[type]."""
    # NumPy below 2.5 spells NDArray[type] out as ndarray[shape, dtype[type]], later ones leave it as it is.
    inner = get_args(hint)[-1]
    return np.dtype(get_args(inner)[0] if get_args(inner) else inner)


def _address(name: str, array: NDArray[Any], declared: np.dtype[Any]) -> tuple[int, int]:
    if not isinstance(array, np.ndarray) or array.dtype != declared or not array.flags.c_contiguous:
        raise ValueError(f"{name} must be a C-contiguous array of {declared}, not {getattr(array, 'dtype', type(array).__name__)}")
    return array.ctypes.data, array.size


def _pointer_to(numba_type):
    @intrinsic
    def pointer(typingctx, address):
        def codegen(context, builder, sig, args):
            return builder.inttoptr(args[0], context.get_value_type(sig.return_type))

        return types.CPointer(numba_type)(types.int64), codegen

    return pointer


_float32, _float64, _int64 = _pointer_to(types.float32), _pointer_to(types.float64), _pointer_to(types.int64)


@inlined
def floats(field):
    """The float32 array, flat, of a field of a record."""
    return carray(_float32(field.float32), (field.size,))


@inlined
def doubles(field):
    """The float64 array, flat, of a field of a record."""
    return carray(_float64(field.float64), (field.size,))


@inlined
def integers(field):
    """The int64 array, flat, of a field of a record."""
    return carray(_int64(field.int64), (field.size,))
