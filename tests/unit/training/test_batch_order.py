"""Which clips a step takes: classes drawn evenly, gradients of several batches added up."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

jax = pytest.importorskip("jax")

import jax.numpy as jnp  # noqa: E402
import optax  # noqa: E402
from flax import nnx  # noqa: E402
from toy_network import Toy, ToyOptions  # noqa: E402

from kwstrain.config import TrainConfig  # noqa: E402
from kwstrain.data.batches import Batches, Block, in_batches, plan  # noqa: E402
from kwstrain.data.order import balanced_order  # noqa: E402
from kwstrain.models.network import InputNorm  # noqa: E402
from kwstrain.training.optim import optimizer  # noqa: E402
from kwstrain.training.step import State, TrainStep  # noqa: E402


@given(st.lists(st.integers(0, 5), min_size=1, max_size=80), st.integers(0, 5))
def test_balanced_draws_classes_and_clips_evenly(labels: list[int], seed: int) -> None:
    label = np.array(labels, np.int32)
    order = balanced_order(label, np.random.default_rng(seed))
    assert len(order) == len(label)
    of_class = Counter(label[order].tolist())
    assert of_class.keys() == set(labels)
    assert max(of_class.values()) - min(of_class.values()) <= 1
    for one in of_class:
        of_clip = Counter(order[label[order] == one].tolist())
        rarest = min(of_clip.values()) if len(of_clip) == labels.count(one) else 0
        assert max(of_clip.values()) - rarest <= 1
    np.testing.assert_array_equal(order, balanced_order(label, np.random.default_rng(seed)))


def test_a_balanced_epoch_has_the_steps_of_any_other() -> None:
    label = np.repeat([0, 1, 2], [50, 5, 1]).astype(np.int32)
    balanced = in_batches(balanced_order(label, np.random.default_rng(0)), 12)
    assert balanced.rows.shape == plan(56, 12).rows.shape
    assert np.bincount(label[balanced.rows[balanced.weight > 0]]).tolist() in ([19, 19, 18], [19, 18, 19], [18, 19, 19])


def step_of(config: TrainConfig, *, norm: bool = False) -> TrainStep:
    model = Toy((6, 4), 3, ToyOptions(), rngs=nnx.Rngs(0))
    model.input_norm = InputNorm(4)
    model.norm.frozen = not norm
    return TrainStep(
        model, trainable=nnx.Param, config=config, tx=optimizer(config, optax.constant_schedule(config.lr)),
        class_weight=np.array([2.0, 0.5, 1.0], np.float32),
    )  # fmt: skip


def block(n: int) -> Block:
    rng = np.random.default_rng(0)
    features = rng.standard_normal((n, 6, 4)).astype(np.float32)
    return Block(features, np.arange(n, dtype=np.int32) % 3, np.zeros(n, np.int32), np.full(n, 6, np.int32))


def trained(config: TrainConfig, n_clips: int) -> tuple[State, np.ndarray]:
    step = step_of(config)
    state, sums = step.train(step.first_state, block(n_clips), plan(n_clips, config.clips_per_step, parts=config.accumulate))
    return state, np.asarray(sums.loss)


@pytest.mark.parametrize("n_clips", [24, 17])  # the last step is full, or has parts without a clip
def test_accumulated_batches_change_the_weights_like_one_as_large(n_clips: int) -> None:
    config = TrainConfig(optimizer="sgd", lr=0.1, batch=12, clip_norm=0.5)
    (one, loss), (other, added) = trained(config, n_clips), trained(replace(config, batch=3, accumulate=4), n_clips)
    assert int(one.step) == int(other.step) == 2
    np.testing.assert_allclose(added, loss, rtol=1e-5)
    for a, b in zip(jax.tree.leaves(one.params), jax.tree.leaves(other.params), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)


def test_each_accumulated_batch_moves_the_statistics_of_batch_norm() -> None:
    config = TrainConfig(optimizer="sgd", lr=0.0001, batch=3, accumulate=2)
    step = step_of(config, norm=True)
    state, _ = step.train(step.first_state, block(6), Batches(np.arange(6, dtype=np.int32)[None], np.ones((1, 6), np.float32)))
    before, after = (jax.tree.leaves(nnx.filter_state(one.rest, nnx.BatchStat)) for one in (step_of(config).first_state, state))
    assert any(not jnp.allclose(a, b) for a, b in zip(before, after, strict=True))
