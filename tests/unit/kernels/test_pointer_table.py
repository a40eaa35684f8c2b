"""Records of addresses: each array under its name and its type, or an error before a kernel runs."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pytest
from numba.core.errors import TypingError
from numpy.typing import NDArray

from kwsfeat.kernels._jit import jit
from kwsfeat.kernels.pointer_table import check_sizes, doubles, floats, integers, pointer_record


class Inner(NamedTuple):
    n: int
    order: NDArray[np.int64]


class Tables(NamedTuple):
    gain: float
    inner: Inner
    first: NDArray[np.float32]
    second: NDArray[np.float32]
    sums: NDArray[np.float64]


class Exchanged(NamedTuple):
    """`Tables` with the names of two arrays in each other's place."""

    gain: float
    inner: Inner
    second: NDArray[np.float32]
    first: NDArray[np.float32]
    sums: NDArray[np.float64]


@jit
def read(record, out):
    r = record[0]
    out[0] = r.gain
    out[1] = integers(r.inner.order)[1] + r.inner.n
    out[2] = floats(r.first)[0]
    out[3] = floats(r.second)[1]
    out[4] = doubles(r.sums)[2]
    out[5] = floats(r.second).size


@jit
def misread(record):
    return floats(record[0].inner.order)[0]


def tables(**changes: object) -> Tables:
    values = Tables(0.5, Inner(7, np.array([1, 2])), np.full(3, 10, np.float32), np.full(4, 20, np.float32), np.full(5, 30.0))
    return values._replace(**changes)


def test_a_kernel_finds_each_value_under_its_name():
    values, out = tables(), np.zeros(6)
    read(pointer_record(values), out)
    assert out.tolist() == [0.5, 9, 10, 20, 30, 4]


def test_the_order_of_two_names_makes_no_difference():
    values, out = tables(), np.zeros(6)
    read(pointer_record(Exchanged(**values._asdict())), out)
    assert out.tolist() == [0.5, 9, 10, 20, 30, 4]


def test_an_array_of_another_type_does_not_compile():
    with pytest.raises((KeyError, TypingError), match="float32"):
        misread(pointer_record(tables()))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"first": np.zeros(3)}, r"Tables\.first must be a C-contiguous array of float32, not float64"),
        ({"sums": np.zeros(5, np.float32)}, r"Tables\.sums must be a C-contiguous array of float64"),
        ({"second": np.zeros(8, np.float32)[::2]}, r"Tables\.second must be a C-contiguous"),
        ({"second": [1.0, 2.0]}, r"Tables\.second must be .* not list"),
        ({"inner": Inner(1, np.zeros(2, np.int32))}, r"Inner\.order must be a C-contiguous array of int64, not int32"),
        ({"first": np.zeros(5), "sums": np.zeros(3, np.float32)}, r"Tables\.first"),
    ],
)
def test_what_a_field_is_not_declared_as_is_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        pointer_record(tables(**changes))


def test_sizes_are_compared_by_name():
    check_sizes(tables(), {"first": 3, "second": 4})
    with pytest.raises(ValueError, match=r"Tables\.first has 4 values and must have 3"):
        check_sizes(tables(first=tables().second, second=tables().first), {"first": 3, "second": 4})
