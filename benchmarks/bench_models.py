"""Training steps of every network on arrays in memory, and the fast gradients against XLA's own.

    pytest benchmarks/bench_models.py --benchmark-enable -s

Without --benchmark-enable it runs as a test, with small inputs. bench_train.py times whole training runs.
"""

from __future__ import annotations

import time
from collections.abc import Iterator

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from kwstrain import operations
from kwstrain.config import TrainConfig
from kwstrain.data.batches import Batches, Block
from kwstrain.models import create
from kwstrain.models.layers.operations import PLAIN
from kwstrain.training.optim import optimizer, schedule
from kwstrain.training.step import TrainStep

STEPS = 10


@pytest.fixture(scope="module")
def is_benchmark(request: pytest.FixtureRequest) -> bool:
    return bool(request.config.getoption("benchmark_enable"))


@pytest.fixture(scope="module")
def lines() -> Iterator[list[str]]:
    """Lines of the report."""
    rows = ["| network | engine | examples/s | ms a step |", "|---|---|---|---|"]
    yield rows
    print("\n\n" + "\n".join(rows) + "\n")


def examples_per_s(name: str, input_shape: tuple[int, int], batch: int, n_steps: int) -> float:
    """Of the fastest of `n_steps` compiled steps."""
    config = TrainConfig(arch=name, batch=batch)
    step = TrainStep(
        create(name, input_shape=input_shape, n_classes=12),
        trainable=nnx.Param,
        config=config,
        tx=optimizer(config, schedule(config, n_steps=n_steps, steps_per_epoch=n_steps)),
        class_weight=np.ones(12, np.float32),
    )
    rng = np.random.default_rng(0)
    features = rng.standard_normal((batch, *input_shape), np.float32)
    block = jax.device_put(Block(features, np.arange(batch) % 12, np.zeros(batch, np.int32), np.full(batch, input_shape[0], np.int32)))
    batches = Batches(jnp.arange(batch)[None], jnp.ones((1, batch)))
    state, seconds = step.first_state, []
    for _ in range(1 + n_steps):
        began = time.perf_counter()
        state, _ = jax.block_until_ready(step.train(state, block, batches))
        seconds.append(time.perf_counter() - began)
    return batch / min(seconds[1:])


def add(lines: list[str], network: str, engine: str, rate: float, batch: int) -> float:
    lines.append(f"| {network}, batch {batch} | {engine} | {rate:,.0f} | {1e3 * batch / rate:,.1f} |")
    return rate


def test_light_cnn(lines: list[str], is_benchmark: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    shape, batch, n_steps = ((99, 161), 64, STEPS) if is_benchmark else ((30, 28), 4, 1)
    ours = add(lines, "cnn", "kwstrain", examples_per_s("cnn", shape, batch, n_steps), batch)
    if is_benchmark:
        with monkeypatch.context() as patch:  # what it would be without kwstrain.operations
            patch.setattr(operations, "for_training", lambda backend: PLAIN)
            assert ours > add(lines, "cnn", "kwstrain with XLA's own gradients", examples_per_s("cnn", shape, batch, 3), batch)


@pytest.mark.parametrize(
    ("name", "shape", "batch"),
    [
        ("lstm", (35, 64), 64),
        ("cnn-mnist", (99, 161), 16),
        ("cnn-deep", (75, 75), 16),
        ("vgg-160", (160, 160), 4),
        ("vgg16", (99, 161), 4),
        ("resnet50", (99, 161), 4),
        ("inception-v3", (99, 161), 4),
    ],
)
def test_other_networks(lines: list[str], is_benchmark: bool, name: str, shape: tuple[int, int], batch: int) -> None:
    if not is_benchmark and name != "lstm":
        pytest.skip("its step takes long to compile: only with --benchmark-enable")
    add(lines, name, "kwstrain", examples_per_s(name, shape, batch, 3 if is_benchmark else 1), batch)
