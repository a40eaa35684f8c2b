"""DS-CNN trained by kernels and by its parts: the same steps; and where there are no kernels for it, its parts."""

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
from kwstrain.models.layers.common import BatchNorm
from kwstrain.models.layers.operations import PLAIN
from kwstrain.operations import ds_cnn as by_kernels
from kwstrain.operations.ds_cnn import suits
from kwstrain.training.step import TrainStep

SHAPE = (37, 10)


def after_steps(monkeypatch: pytest.MonkeyPatch, *, plain: bool, **options: Any) -> tuple[Any, Any]:
    """State and sums of three steps; the second half of the last batch has weight 0."""
    if plain:
        monkeypatch.setattr(operations, "for_training", lambda backend: PLAIN)
    config = TrainConfig(arch="ds-cnn-s", batch=6, seed=3)
    step = TrainStep(
        create("ds-cnn-s", input_shape=SHAPE, n_classes=3, seed=1, blocks=1, **options), trainable=nnx.Param, config=config,
        tx=optax.sgd(0.1, momentum=0.9), class_weight=np.ones(3, np.float32),
    )  # fmt: skip
    rng = np.random.default_rng(0)
    block = Block(rng.standard_normal((10, *SHAPE), np.float32), np.arange(10, dtype=np.int32) % 3, np.zeros(10, np.int32), np.full(10, 37))
    weight = np.ones((3, 6), np.float32)
    weight[2, 3:] = 0
    batches = Batches(rng.integers(0, 10, (3, 6)).astype(np.int32), weight)
    again = step.train(jax.tree.map(jnp.copy, step.first_state), block, batches)
    found = step.train(step.first_state, block, batches)
    for a, b in zip(jax.tree.leaves(again), jax.tree.leaves(found), strict=True):
        same = a == b if not jnp.issubdtype(a.dtype, jax.dtypes.prng_key) else jax.random.key_data(a) == jax.random.key_data(b)
        assert same.all(), "the same steps must give the same bits, whoever did which part"
    return found


@pytest.mark.slow
@pytest.mark.parametrize(
    "options",
    [
        {"filters": 20},
        {"filters": 18, "feature_stride": 1, "block_stride": 2, "causal": True},
        {"filters": 16, "full": True, "dropout": 0.3},
    ],
    ids=["paper", "strided-causal", "full"],
)
def test_steps_are_those_of_the_parts(monkeypatch: pytest.MonkeyPatch, options: dict[str, Any]) -> None:
    """Loss, parameters, running statistics and keys of dropout after three steps: float32 sums in another order is all that differs."""
    calls = []
    monkeypatch.setattr("kwstrain.operations.ds_cnn.frames", lambda *a, real=by_kernels.frames: calls.append(1) or real(*a))
    state, sums = after_steps(monkeypatch, plain=False, **options)
    assert calls
    wanted, wanted_sums = after_steps(monkeypatch, plain=True, **options)
    np.testing.assert_allclose(sums.loss, wanted_sums.loss, rtol=1e-4)
    np.testing.assert_allclose(sums.gradient_norm, wanted_sums.gradient_norm, rtol=1e-3)
    found = jax.tree.leaves_with_path((state.params, state.rest))
    for (path, a), b in zip(found, jax.tree.leaves((wanted.params, wanted.rest)), strict=True):
        if jnp.issubdtype(a.dtype, jax.dtypes.prng_key):
            a, b = jax.random.key_data(a), jax.random.key_data(b)
        np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-4, err_msg=jax.tree_util.keystr(path))


def test_cases_without_kernels() -> None:
    x = jnp.zeros((2, *SHAPE))

    def network(**options: Any) -> Any:
        model = create("ds-cnn-s", input_shape=SHAPE, n_classes=3, **options)
        model.train()
        return model

    assert suits(network(), x)
    assert not suits(network(), x[:, :14])
    assert not suits(network(block_stride=3), x)
    assert not suits(network(filters=15), x)
    assert not suits(network(dtype="bfloat16"), x)
    evaluated, frozen, divided = network(), network(), network()
    evaluated.eval()
    frozen.set_attributes(BatchNorm, frozen=True)
    divided.set_attributes(BatchNorm, axis_name="batch")
    assert not any(suits(model, x) for model in (evaluated, frozen, divided))
