"""Numba kernels called by XLA: values, threads, gradients, loops, devices; and a wrong call is an error with a sentence, never a crash."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import jax
import jax.ffi
import jax.numpy as jnp
import numpy as np
import pytest

from kwsfeat.kernels._jit import LANES
from kwstrain.kernels.call import kernel_call
from kwstrain.kernels.declaration import kernel

ROOT = Path(__file__).resolve().parents[3]


@kernel(x="f32[n, m]", w="f32[m]", results={"y": "f32[n, m]", "count": "i32[n]"}, numbers=["factor"])
def scaled(part, x, w, y, count, parts, factor):
    """y = factor * x * w, row by row; how many parts there were."""
    for j in range(x.shape[1]):
        y[part, j] = factor * x[part, j] * w[j]
    count[part] = parts


@kernel(x="f32[n, L]", results={"y": "f32[n, L]"})
def copied(part, x, y, parts):
    for j in range(x.shape[1]):
        y[part, j] = x[part, j]


@kernel(x="f32[n, m]", results={"y": "f32[n, m]"}, at_least={"m": 3})
def last_three(part, x, y, parts):
    for j in range(x.shape[1] - 3, x.shape[1]):
        y[part, j] = x[part, j]


def call(x, w, factor=3):
    shapes = [jax.ShapeDtypeStruct(x.shape, jnp.float32), jax.ShapeDtypeStruct(x.shape[:1], jnp.int32)]
    return kernel_call(scaled, shapes, x, w, factor=factor)


@pytest.fixture(scope="module")
def arrays():
    rng = np.random.default_rng(0)
    return jnp.asarray(rng.standard_normal((50, 7), np.float32)), jnp.asarray(rng.standard_normal(7, np.float32))


def test_every_part_is_done_once_by_whoever_is_free(arrays):
    x, w = arrays
    run = jax.jit(call)
    for _ in range(200):  # helpers come early, late or never
        y, count = run(x, w)
        np.testing.assert_allclose(y, 3 * np.asarray(x) * np.asarray(w), rtol=1e-6)
        assert (count == 50).all()


def test_in_a_loop_and_a_condition(arrays):
    x, w = arrays

    def step(x, on):
        return jax.lax.cond(on, lambda x: call(x, w, 2)[0], lambda x: x, x), None

    after, _ = jax.jit(lambda x: jax.lax.scan(step, x, jnp.array([True, False, True])))(x)
    np.testing.assert_allclose(after, 4 * np.asarray(x) * np.asarray(w) ** 2, rtol=1e-6)


def test_with_a_gradient_of_its_own(arrays):
    x, w = arrays
    function = jax.custom_vjp(lambda x: call(x, w)[0])
    function.defvjp(lambda x: (call(x, w)[0], None), lambda saved, dy: (call(dy, w)[0],))
    gradient = jax.jit(jax.grad(lambda x: function(x).sum()))(x)
    np.testing.assert_allclose(gradient, np.broadcast_to(3 * np.asarray(w), x.shape), rtol=1e-6)


TWO_DEVICES = """
import jax
jax.config.update("jax_num_cpu_devices", 2)
import sys; sys.path.insert(0, sys.argv[1])
import numpy as np, jax.numpy as jnp
from jax.sharding import Mesh, PartitionSpec as P
from test_kernel_call import call
x, w = jnp.arange(70.0).reshape(10, 7), jnp.arange(7.0)
mesh = Mesh(np.array(jax.devices()), ("rows",))
run = jax.jit(jax.shard_map(call, mesh=mesh, in_specs=(P("rows"), P()), out_specs=P("rows"), check_vma=False))
for _ in range(50):
    y, count = run(x, w)
    np.testing.assert_allclose(y, 3 * x * w, rtol=1e-6)
    assert (count == 5).all()
"""


def test_on_two_devices():
    done = subprocess.run(
        [sys.executable, "-c", TWO_DEVICES, str(Path(__file__).parent)], capture_output=True, text=True, cwd=ROOT, env=os.environ
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("x", "w", "message"),
    [
        (jnp.zeros((3, 4), jnp.bfloat16), jnp.zeros(4), r"x must be float32 \(n, m\), not bfloat16 \(3, 4\)"),
        (jnp.zeros((3, 4, 1)), jnp.zeros(4), r"x must be float32 \(n, m\), not float32 \(3, 4, 1\)"),
        (jnp.zeros((3, 4)), jnp.zeros(5), r"w must be float32 \(m\), m = 4, not float32 \(5,\)"),
    ],
)
def test_another_dtype_rank_or_shape(x, w, message):
    with pytest.raises(ValueError, match=message):
        call(x, w)


def test_another_number_of_arrays_or_numbers(arrays):
    x, w = arrays
    with pytest.raises(ValueError, match=r"has 2 arguments \(x, w\), not 1"):
        kernel_call(scaled, [], x, factor=1)
    with pytest.raises(ValueError, match=r"has 2 results \(y, count\), not 0"):
        kernel_call(scaled, [], x, w, factor=1)
    with pytest.raises(ValueError, match="takes the numbers parts, factor, not parts, speed"):
        kernel_call(scaled, [jax.ShapeDtypeStruct(x.shape, jnp.float32), jax.ShapeDtypeStruct((50,), jnp.int32)], x, w, speed=1)


def test_lanes_are_a_size(arrays):
    x = jnp.zeros((2, LANES + 1))
    with pytest.raises(ValueError, match=rf"x must be float32 \(n, {LANES}\), not float32 \(2, {LANES + 1}\)"):
        kernel_call(copied, [jax.ShapeDtypeStruct(x.shape, jnp.float32)], x)


def test_a_size_that_is_too_small():
    def run(x):
        return kernel_call(last_three, [jax.ShapeDtypeStruct(x.shape, jnp.float32)], x)

    np.testing.assert_array_equal(run(jnp.ones((2, 3))), 1)
    with pytest.raises(ValueError, match="last_three: m must be at least 3, not 2"):
        run(jnp.ones((2, 2)))
    shape = [jax.ShapeDtypeStruct((2, 2), jnp.float32)]
    with pytest.raises(Exception, match=r"last_three was called with other arrays than \(.*, m >= 3\)"):
        jax.block_until_ready(jax.ffi.ffi_call(last_three.target, shape)(jnp.ones((2, 2)), numbers=np.array([2])))


def test_a_call_past_the_check_is_refused_by_the_compiled_code(arrays):
    x, w = arrays
    call(x, w)  # registered from here on
    right = [jax.ShapeDtypeStruct((50, 7), jnp.float32), jax.ShapeDtypeStruct((50,), jnp.int32)]
    numbers = np.array([50, 3])
    wrong = [
        (right, (x,), numbers),
        (right[:1], (x, w), numbers),
        (right, (x, w.astype(jnp.int32)), numbers),
        (right, (x, x), numbers),
        (right, (x, w[:6]), numbers),
        (right, (x, w), numbers[:1]),
        (right, (x, w), 3),
    ]
    for results, arguments, given in wrong:
        with pytest.raises(Exception, match=r"scaled was called with other arrays than \(x: float32 \(n, m\), w: float32 \(m\)"):
            jax.block_until_ready(jax.ffi.ffi_call(scaled.target, results)(*arguments, numbers=given))


def test_a_declaration_that_is_none():
    with pytest.raises(ValueError, match=r"x: 'f64\[n\]' must be like"):
        kernel(x="f64[n]", results={})(lambda: None)
