"""Averages of the weights: the recurrence, what is validated and kept, resuming to the bit."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

jax = pytest.importorskip("jax")

import jax.numpy as jnp  # noqa: E402

from kwsfeat import Reader  # noqa: E402
from kwstrain.config import TrainConfig  # noqa: E402
from kwstrain.data.clips import select  # noqa: E402
from kwstrain.inference.bundle import Bundle  # noqa: E402
from kwstrain.inference.classifier import Classifier  # noqa: E402
from kwstrain.training.fit import Tick, fit  # noqa: E402
from kwstrain.training.optim import moved_average  # noqa: E402

CONFIG = TrainConfig(arch="toy", epochs=3, batch=24, lr=3e-3, ema=0.9, augment="off", gradient_histograms=False)


pytestmark = pytest.mark.usefixtures("arch_toy")


def test_the_average_is_the_recurrence_with_a_decay_that_warms_up() -> None:
    values = np.random.default_rng(0).standard_normal((200, 3)).astype(np.float32)
    average = {"w": jnp.asarray(values[0]), "key": jax.random.key(0), "count": jnp.uint32(0)}
    twin = values[0].astype(np.float64)
    for t, value in enumerate(values[1:]):
        decay = min(0.95, (1 + t) / (10 + t))
        twin = decay * twin + (1 - decay) * value
        average = moved_average(average, {"w": jnp.asarray(value), "key": jax.random.key(t), "count": jnp.uint32(t)}, 0.95, jnp.int32(t))
    np.testing.assert_allclose(average["w"], twin, rtol=1e-5, atol=1e-6)
    assert int(average["count"]) == 198  # what is no number of the network is the latest
    assert jax.random.key_data(average["key"]).tolist() == jax.random.key_data(jax.random.key(198)).tolist()


def test_what_does_not_change_stays_to_the_bit() -> None:
    frozen = jnp.asarray(np.random.default_rng(1).standard_normal(1000), jnp.float32)
    np.testing.assert_array_equal(moved_average(frozen, frozen, 0.999, jnp.int32(7)), frozen)


def parts(run: Path) -> tuple[dict[str, np.ndarray], list[np.ndarray]]:
    with np.load(run / "weights.npz") as weights, np.load(run / "checkpoint.npz") as checkpoint:
        return dict(weights), [checkpoint[name] for name in checkpoint.files if name != "about"]


@pytest.mark.parametrize("dropout", [0.0, 0.5])  # with dropout the statistics of BatchNorm are collected, without it averaged
def test_averages_are_kept_beside_the_weights_and_resume_to_the_bit(toy: Path, tmp_path: Path, dropout: float) -> None:
    config = replace(CONFIG, options={"dropout": dropout}, monitor="accuracy")

    def stop_after_one(tick: Tick) -> None:
        if tick.record:
            raise KeyboardInterrupt

    whole = fit(toy, config, tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        fit(toy, config, tmp_path / "run", progress=stop_after_one)
    fit(toy, config, tmp_path / "run", resume=True)
    (weights, state), (other_weights, other_state) = parts(tmp_path / "whole"), parts(tmp_path / "run")
    for name, value in weights.items():
        np.testing.assert_array_equal(other_weights[name], value)
    for one, other in zip(state, other_state, strict=True):
        np.testing.assert_array_equal(one, other)
    # The kept weights are what the record of the best epoch was validated with.
    bundle = Bundle.load(tmp_path / "whole")
    with Reader(toy) as reader:
        clips = select(reader, "toy", reader.rows("validation"))
        accuracy = float((Classifier(bundle).logits_of(clips).argmax(1) == clips.label).mean())
    assert accuracy == whole.best["val_accuracy"]


def test_averages_change_no_weight_that_is_trained(toy: Path, tmp_path: Path) -> None:
    one_epoch = replace(CONFIG, epochs=1)
    fit(toy, one_epoch, tmp_path / "averaged")
    fit(toy, replace(one_epoch, ema=0.0), tmp_path / "plain")
    (averaged, state), (last, plain_state) = parts(tmp_path / "averaged"), parts(tmp_path / "plain")
    for one, other in zip(plain_state, state, strict=False):  # the averages come last
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)
    assert len(state) > len(plain_state)
    assert any(not np.allclose(averaged[name], last[name]) for name in last)
