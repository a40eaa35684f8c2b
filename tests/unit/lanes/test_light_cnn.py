"""The Light CNN by kernels with clips in the lanes trains as it does layer by layer: dropout, BatchNorm, gradients."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from kwsfeat.kernels._jit import LANES
from kwstrain import operations
from kwstrain.models import create
from kwstrain.models.layers.operations import PLAIN

SHAPE, BATCH = (30, 28), LANES + 3


def trained(ops):
    """Losses of three steps of plain gradient descent, and weights and statistics after them."""
    model = create("cnn", input_shape=SHAPE, n_classes=5)
    model.train()
    model.use(ops)
    graph, params, rest = nnx.split(model, nnx.Param, ...)
    x = jnp.asarray(np.random.default_rng(0).standard_normal((BATCH, *SHAPE), np.float32))

    @jax.jit
    def step(params, rest):
        def loss(params):
            model = nnx.merge(graph, params, rest, copy=True)
            chosen = jax.nn.log_softmax(model(x)) * jax.nn.one_hot(jnp.arange(BATCH) % 5, 5)
            return -chosen.sum(), nnx.state(model, nnx.Not(nnx.Param))

        (value, after), gradient = jax.value_and_grad(loss, has_aux=True)(params)
        return value, jax.tree.map(lambda w, g: w - 1e-3 * g, params, gradient), after

    losses = []
    for _ in range(3):
        value, params, rest = step(params, rest)
        losses.append(float(value))
    arrays = [leaf for leaf in jax.tree.leaves((params, rest)) if not jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key)]
    return losses, arrays


@pytest.mark.slow
def test_the_same_weights_after_three_steps():
    """Within 1e-4 of the largest value of each array: sums in another order, three times."""
    losses, arrays = trained(operations.for_training("cpu"))
    plain_losses, plain_arrays = trained(PLAIN)
    np.testing.assert_allclose(losses, plain_losses, rtol=1e-5)
    assert plain_losses[2] < plain_losses[0]
    for mine, plain in zip(arrays, plain_arrays, strict=True):
        np.testing.assert_allclose(mine, plain, rtol=0, atol=1e-4 * max(1e-2, float(np.abs(plain).max())))


@pytest.mark.parametrize(("dtype", "setting"), [("float32", ""), ("float32", "0"), ("bfloat16", "")])
def test_only_float32_goes_through_the_kernels_unless_they_are_off(dtype, setting, monkeypatch):
    monkeypatch.setenv("KWSTRAIN_KERNELS", setting)
    found = []
    model = create("cnn", input_shape=SHAPE, n_classes=5, dtype=dtype)
    model.eval()
    model.use(operations.for_training("cpu"))
    monkeypatch.setattr("kwstrain.operations.light_cnn.images", lambda network, x: found.append(x) or network.by_parts(x))
    assert jax.eval_shape(model, jnp.zeros((2, *SHAPE))).shape == (2, 5)
    assert len(found) == (dtype == "float32" and setting != "0")
