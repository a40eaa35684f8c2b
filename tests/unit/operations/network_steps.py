"""Three steps of a small network, by kernels or by its parts, and whether two such trainings are the same."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx

from kwstrain import operations
from kwstrain.config import TrainConfig
from kwstrain.data.batches import Batches, Block
from kwstrain.models import create
from kwstrain.models.layers.operations import PLAIN
from kwstrain.training.step import TrainStep


def after_steps(monkeypatch: pytest.MonkeyPatch, arch: str, shape: tuple[int, int], *, plain: bool, **options: Any) -> tuple[Any, Any]:
    """State and sums of three steps; the second half of the last batch has weight 0."""
    if plain:
        monkeypatch.setattr(operations, "for_training", lambda backend: PLAIN)
    step = TrainStep(
        create(arch, input_shape=shape, n_classes=3, seed=1, **options), trainable=nnx.Param,
        config=TrainConfig(arch=arch, batch=6, seed=3), tx=optax.sgd(0.1, momentum=0.9), class_weight=np.ones(3, np.float32),
    )  # fmt: skip
    rng, label = np.random.default_rng(0), np.arange(10, dtype=np.int32) % 3
    block = Block(rng.standard_normal((10, *shape), np.float32), label, np.zeros(10, np.int32), np.full(10, shape[0]))
    weight = np.ones((3, 6), np.float32)
    weight[2, 3:] = 0
    batches = Batches(rng.integers(0, 10, (3, 6)).astype(np.int32), weight)
    again = step.train(jax.tree.map(jnp.copy, step.first_state), block, batches)
    found = step.train(step.first_state, block, batches)
    for a, b in zip(jax.tree.leaves(again), jax.tree.leaves(found), strict=True):
        assert (_numbers(a) == _numbers(b)).all(), "the same steps must give the same bits, whoever did which part"
    return found


def assert_same_training(found: tuple[Any, Any], wanted: tuple[Any, Any]) -> None:
    """Loss, parameters, running statistics and keys of dropout: float32 sums in another order is all that differs."""
    (state, sums), (wanted_state, wanted_sums) = found, wanted
    np.testing.assert_allclose(sums.loss, wanted_sums.loss, rtol=1e-4)
    np.testing.assert_allclose(sums.gradient_norm, wanted_sums.gradient_norm, rtol=1e-3)
    leaves = jax.tree.leaves_with_path((state.params, state.rest))
    for (path, a), b in zip(leaves, jax.tree.leaves((wanted_state.params, wanted_state.rest)), strict=True):
        np.testing.assert_allclose(_numbers(a), _numbers(b), rtol=1e-3, atol=1e-4, err_msg=jax.tree_util.keystr(path))


def _numbers(leaf: Any) -> Any:
    return jax.random.key_data(leaf) if jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key) else leaf
