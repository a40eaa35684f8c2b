"""The decorators: what is compiled how often, what Python may call, and what is said while it waits."""

from __future__ import annotations

import logging
from itertools import count
from types import SimpleNamespace

import numpy as np
import pytest

from kwsfeat.kernels import _jit
from kwsfeat.kernels._jit import inlined, jit, stage


@stage
def _scaled(x, factor):
    return x * factor


@inlined
def _third(values):
    return values[2]


@jit
def _kernel(values, shift):
    return _scaled(values[0], 0) + _scaled(values[0], 1) + _scaled(values[1], shift) + _third(values)


_kernel._cache.disable()  # what is looked at here is the compiling


def test_stages_and_inlined_functions_are_parts_of_a_kernel():
    assert _kernel(np.array([10, 100, 1000]), 3) == 10 + 300 + 1000


def test_a_stage_is_compiled_once_whatever_numbers_it_is_given():
    _kernel(np.array([10, 100, 1000]), 3)
    assert len(_scaled.overloads) == 1


def test_python_is_told_that_it_cannot_call_a_stage():
    with pytest.raises(TypeError, match="_scaled is a stage of kernels"):
        _scaled(1, 2)


@stage
def _shared(x, factor):
    return x * factor


@jit
def _waited_for(x):
    return _shared(x, 0.5)


@jit
def _also(x):
    return _shared(x, 2.5) + _shared(x, 3)


@pytest.mark.parametrize(("seconds", "said"), [(0.01, 0), (1.5, 1)])
def test_long_compiling_is_said_once(monkeypatch, caplog, tmp_path, seconds, said):
    """The clock is turned: every look at it is `seconds` later."""
    looks = count()
    monkeypatch.setattr(_jit, "time", SimpleNamespace(monotonic=lambda: seconds * next(looks)))
    monkeypatch.setattr(_jit, "_watch", _jit._Watch())
    monkeypatch.setattr(_jit, "cache_folder", lambda: tmp_path)
    with caplog.at_level(logging.INFO, "kwsfeat"):
        for kernel in (_waited_for, _also):
            kernel._cache.disable()
            kernel.overloads.clear()
            _shared.overloads.clear()
            kernel.compile("float64(float64)")
    assert [r.getMessage() for r in caplog.records] == [f"compiling kernels, about 10 s, kept in {tmp_path}"] * said
