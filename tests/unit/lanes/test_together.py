"""Kernels compiled by two processes: each once, all of them in the end, whatever becomes of the helper."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from threading import Event

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from kwstrain.kernels import call as calls
from kwstrain.kernels import together
from kwstrain.kernels.call import compiled_meanwhile, kernel_call, noted
from kwstrain.kernels.declaration import kernel

ROOT = Path(__file__).resolve().parents[3]
TARGETS = ["kwstrain.kernels.broadcast.mean.mean_forward", "kwstrain.kernels.broadcast.mean.mean_backward"]


class Pretended:
    """A kernel that is compiled when it is asked for its address."""

    def __init__(self, target: str, disk: set[str], here: list[str]) -> None:
        self.target, self._disk, self._here = target, disk, here

    @property
    def kept(self) -> bool:
        return self.target in self._disk

    @property
    def address(self) -> int:
        if not self.kept:
            self._here.append(self.target)
            self._disk.add(self.target)
        return 1


class Helper:
    """Compiles `quick` kernels at once, and the others while it is waited for; `stuck` ones never."""

    def __init__(self, kernels: list[Pretended], disk: set[str], quick: int, stuck: bool = False) -> None:
        self._rest, self._disk, self._stuck, self.waited, self.killed = [one.target for one in kernels[quick:]], disk, stuck, 0, False
        disk.update(one.target for one in kernels[:quick])

    def wait(self, timeout: float) -> None:
        self.waited += 1
        if self._stuck:
            raise subprocess.TimeoutExpired("helper", timeout)
        self._disk.update(self._rest)

    def kill(self) -> None:
        self.killed = True


def compiled(monkeypatch, names: str, quick: int | None, stuck: bool = False, kept: str = "") -> tuple[list[str], Helper | None]:
    """What this process compiled, beside a helper that is `quick`; None: it cannot be started."""
    disk, here, started = set(kept), [], []

    def helper(kernels):
        started.append(None if quick is None else Helper(kernels, disk, quick, stuck))
        return started[-1]

    monkeypatch.setattr(together, "_helper", helper)
    together.compile_together([Pretended(name, disk, here) for name in names], Event())  # type: ignore[arg-type]
    assert disk == set(names) | set(kept)
    return here, started[0] if started else None


def test_each_is_compiled_once_and_they_meet_in_the_middle(monkeypatch):
    here, helper = compiled(monkeypatch, "abcdef", quick=2)
    assert here == ["a", "b", "c"]  # "d" is what the helper is at, when "e" and "f" are there
    assert helper is not None
    assert helper.waited == 1


def test_a_helper_that_does_nothing_costs_nothing(monkeypatch):
    assert compiled(monkeypatch, "abcdef", quick=None)[0] == list("abcdef")
    assert compiled(monkeypatch, "abcdef", quick=0, stuck=True)[0] == list("abcdef")
    assert compiled(monkeypatch, "abcdef", quick=3, stuck=True)[0] == list("abc")


def test_it_is_said(monkeypatch, caplog):
    with caplog.at_level("INFO", "kwsfeat"):
        compiled(monkeypatch, "abcdef", quick=2, kept="f")
        compiled(monkeypatch, "abcdef", quick=2, kept="def")
    assert [record.getMessage() for record in caplog.records] == ["compiling 5 kernels of the network, once on this computer"]


def test_few_kernels_and_kept_ones_need_no_helper(monkeypatch):
    assert compiled(monkeypatch, "abc", quick=0) == (["a", "b", "c"], None)
    assert compiled(monkeypatch, "abcdef", quick=0, kept="acf") == (["b", "d", "e"], None)


@pytest.mark.slow
def test_the_helper_leaves_what_it_compiles_on_disk(tmp_path):
    code = f"""
from kwstrain.kernels import together
from importlib import import_module
kernels = [getattr(import_module(t.rpartition(".")[0]), t.rpartition(".")[2]) for t in {TARGETS!r}]
assert not any(one.kept for one in kernels)
helper = together._helper(kernels)
assert helper.wait(120) == 0
assert all(one.kept for one in kernels)
assert all(one.address for one in kernels)
"""
    env = {**os.environ, "KWSFEAT_CACHE_DIR": str(tmp_path), "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", code], env=env, cwd=tmp_path, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr


def test_a_helper_that_cannot_be_started_is_done_without(monkeypatch):
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    assert together._helper([]) is None


def test_none_is_compiled_any_more_once_it_is_stopped(monkeypatch):
    disk: set[str] = set()
    here: list[str] = []
    helper, stopped = Helper([], disk, 0), Event()
    monkeypatch.setattr(together, "_helper", lambda kernels: helper)
    stopped.set()
    together.compile_together([Pretended(name, disk, here) for name in "abcdef"], stopped)  # type: ignore[arg-type]
    assert (here, helper.killed) == ([], True)


@kernel(x="f32[n, m]", results={"y": "f32[n, m]"})
def doubled(part, x, y, parts):
    for j in range(x.shape[1]):
        y[part, j] = 2 * x[part, j]


@kernel(x="f32[n, m]", results={"y": "f32[n, m]"})
def tripled(part, x, y, parts):
    for j in range(x.shape[1]):
        y[part, j] = 3 * x[part, j]


@kernel(x="f32[n, m]", results={"y": "f32[n, m]"})
def never_compiled(part, x, y, parts):
    y[part, 0] = x[part, 0]


X = jnp.arange(6, dtype=jnp.float32).reshape(2, 3)


def by(kernel):
    return jax.jit(lambda x: kernel_call(kernel, [jax.ShapeDtypeStruct(x.shape, jnp.float32)], x))


def test_a_program_that_is_only_traced_compiles_nothing():
    with noted() as kernels:
        by(doubled).trace(X)
    assert kernels == [doubled]
    assert "address" not in vars(doubled)


def test_xla_compiles_a_program_before_its_kernels_are_there(monkeypatch):
    monkeypatch.setattr(type(tripled), "kept", property(lambda self: False))
    xla_is_done = Event()
    monkeypatch.setattr(calls, "compile_together", lambda kernels, stopped: xla_is_done.wait() and [kernel.address for kernel in kernels])
    program = by(tripled)
    with noted() as kernels:
        traced = program.trace(X)
    with compiled_meanwhile(kernels):
        compiled = traced.lower().compile()
        assert "address" not in vars(tripled)
        xla_is_done.set()
    np.testing.assert_array_equal(compiled(X), 3 * np.asarray(X))
    np.testing.assert_array_equal(program(X), 3 * np.asarray(X))
    with compiled_meanwhile(kernels):  # registered and compiled: nothing is left to do
        pass
    np.testing.assert_array_equal(by(tripled)(-X), -3 * np.asarray(X))
    wrong = jax.ffi.ffi_call(tripled.target, [jax.ShapeDtypeStruct((2, 3), jnp.float32)])
    with pytest.raises(Exception, match=r"tripled was called with other arrays than \(x: float32 \(n, m\)"):
        jax.block_until_ready(wrong(X.astype(jnp.int32), numbers=np.array([2])))


def test_a_kernel_that_is_called_before_it_is_compiled_is_an_error(monkeypatch):
    monkeypatch.setattr(type(never_compiled), "kept", property(lambda self: False))
    monkeypatch.setattr(calls, "compile_together", lambda kernels, stopped: None)
    program = by(never_compiled)
    with noted() as kernels:
        program.trace(X)
    with compiled_meanwhile(kernels), pytest.raises(Exception, match="a kernel was called before it was compiled"):
        jax.block_until_ready(program(X))


def test_what_fails_while_kernels_are_compiled_stops_them(monkeypatch):
    seen = []
    monkeypatch.setattr(type(tripled), "kept", property(lambda self: False))
    monkeypatch.setattr(calls, "_registered", set())
    monkeypatch.setattr(calls, "_register", lambda *given: None)
    monkeypatch.setattr(calls, "compile_together", lambda kernels, stopped: seen.append(stopped.wait(60)))
    with pytest.raises(KeyboardInterrupt), compiled_meanwhile([tripled]):
        raise KeyboardInterrupt
    assert seen == [True]
