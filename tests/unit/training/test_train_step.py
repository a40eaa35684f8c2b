"""The parts of training: batches, objective, optimisers, schedules, augmentation in the step, several devices, metrics."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from toy_features import write_toy

jax = pytest.importorskip("jax")

import jax.numpy as jnp  # noqa: E402
import optax  # noqa: E402
from flax import nnx  # noqa: E402

from kwsfeat import FeatureConfig, Reader  # noqa: E402
from kwstrain.config import TrainConfig  # noqa: E402
from kwstrain.data import source as data  # noqa: E402
from kwstrain.data.batches import Batches, Block, dispatches, plan  # noqa: E402
from kwstrain.data.clips import frame_range, select  # noqa: E402
from kwstrain.data.prefetch import prefetch  # noqa: E402
from kwstrain.evaluation.metrics import cross_entropy, score, wilson_interval  # noqa: E402
from kwstrain.inference.classifier import forward_function  # noqa: E402
from kwstrain.inference.probabilities import probabilities  # noqa: E402
from kwstrain.models import Network  # noqa: E402
from kwstrain.models.network import InputNorm  # noqa: E402
from kwstrain.training.optim import optimizer, schedule  # noqa: E402
from kwstrain.training.spec_augment import mixup, spec_augment  # noqa: E402
from kwstrain.training.step import TrainStep  # noqa: E402

N_CLASSES = 3


class Tiny(Network):
    """A linear network on the mean of the real frames."""

    def __init__(self, n_features: int) -> None:
        self.kernel = nnx.Param(jnp.ones((n_features, N_CLASSES)) * jnp.arange(1.0, N_CLASSES + 1))
        self.bias = nnx.Param(jnp.zeros(N_CLASSES))
        self.input_norm = InputNorm(n_features)

    def forward(self, x: jax.Array, mask: jax.Array | None) -> jax.Array:
        mean = (x * mask[..., None]).sum(1) / mask.sum(1, keepdims=True)
        return mean @ self.kernel[...] + self.bias[...]


def block(n: int = 10, *, n_frames: int = 6, n_features: int = 4) -> Block:
    rng = np.random.default_rng(0)
    features = rng.standard_normal((n, n_frames, n_features)).astype(np.float32)
    return Block(features, np.arange(n, dtype=np.int32) % N_CLASSES, np.zeros(n, np.int32), np.full(n, n_frames, np.int32))


def trainer(config: TrainConfig, class_weight: Any = None) -> TrainStep:
    return TrainStep(
        Tiny(4), trainable=nnx.Param, config=config, tx=optimizer(config, optax.constant_schedule(config.lr)),
        class_weight=np.ones(N_CLASSES, np.float32) if class_weight is None else class_weight,
    )  # fmt: skip


def first_loss(config: TrainConfig, class_weight: Any = None) -> float:
    _, sums = trainer(config, class_weight).train(
        trainer(config).first_state, block(), Batches(np.arange(10, dtype=np.int32)[None], np.ones((1, 10), np.float32))
    )
    return float(sums.loss[0])


def logits() -> np.ndarray:
    x = block().features.mean(1)
    return x @ (np.ones((4, N_CLASSES)) * np.arange(1.0, N_CLASSES + 1))


@pytest.mark.parametrize("objective", ["softmax", "sigmoid"])
def test_the_step_minimises_the_loss_that_evaluation_reports(objective: str) -> None:
    expected = cross_entropy(logits().astype(np.float32), block().label, objective).sum()
    assert first_loss(TrainConfig(loss=objective, optimizer="sgd")) == pytest.approx(expected, rel=1e-5)


def test_cross_entropies_by_their_definitions() -> None:
    z, label = logits(), block().label
    p = np.exp(z) / np.exp(z).sum(1, keepdims=True)
    np.testing.assert_allclose(cross_entropy(z.astype(np.float32), label, "softmax"), -np.log(p[np.arange(10), label]), rtol=1e-5)
    q = 1 / (1 + np.exp(-z))
    target = np.eye(N_CLASSES)[label]
    binary = -(target * np.log(q) + (1 - target) * np.log(1 - q)).mean(1)
    np.testing.assert_allclose(cross_entropy(z.astype(np.float32), label, "sigmoid"), binary, rtol=1e-5)
    np.testing.assert_allclose(probabilities(z.astype(np.float32)), p, rtol=1e-5)
    np.testing.assert_allclose(probabilities(z.astype(np.float32), "sigmoid"), q, rtol=1e-5)


def test_label_smoothing_and_class_weights_enter_the_loss() -> None:
    z, label = logits(), block().label
    log_p = z - np.logaddexp.reduce(z, axis=1, keepdims=True)
    target = 0.9 * np.eye(N_CLASSES)[label] + 0.1 / N_CLASSES
    assert first_loss(TrainConfig(label_smoothing=0.1)) == pytest.approx(-(target * log_p).sum(), rel=1e-5)
    weight = np.array([2.0, 0.5, 1.0], np.float32)
    assert first_loss(TrainConfig(), weight) == pytest.approx(-(weight[label] * log_p[np.arange(10), label]).sum(), rel=1e-5)


def test_many_steps_in_one_call_equal_single_steps_and_empty_steps_change_nothing() -> None:
    config = TrainConfig(optimizer="adam", lr=0.1)
    rows = np.random.default_rng(1).integers(0, 10, (5, 4)).astype(np.int32)
    together = trainer(config)
    state, sums = together.train(
        together.first_state, block(), Batches(np.pad(rows, ((0, 3), (0, 0))), np.pad(np.ones((5, 4), np.float32), ((0, 3), (0, 0))))
    )
    assert int(state.step) == 5
    np.testing.assert_array_equal(sums.count, [4, 4, 4, 4, 4, 0, 0, 0])
    single = trainer(config)
    one = single.first_state
    for i in range(5):
        one, _ = single.train(one, block(), Batches(rows[i : i + 1], np.ones((1, 4), np.float32)))
    for a, b in zip(jax.tree.leaves(state.params), jax.tree.leaves(one.params), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-6)


def test_a_program_is_traced_once_though_its_kernels_are_compiled_before_it(monkeypatch: pytest.MonkeyPatch) -> None:
    traced = []
    monkeypatch.setattr(TrainStep, "_loss", lambda self, *given, loss=TrainStep._loss: traced.append(1) or loss(self, *given))
    step, batch = trainer(TrainConfig(optimizer="sgd", lr=0.1)), Batches(np.array([[0, 1]], np.int32), np.ones((1, 2), np.float32))
    state, _ = step.train(step.first_state, block(), batch)
    step.train(state, block(), batch)
    assert len(traced) == 1


def test_fillers_have_no_say() -> None:
    config = TrainConfig(optimizer="sgd", lr=0.1)
    results = []
    for fillers in ([7, 8], [1, 2]):
        step = trainer(config)
        batch = Batches(np.array([[0, 1, 2, *fillers]], np.int32), np.array([[1, 1, 1, 0, 0]], np.float32))
        results.append(step.train(step.first_state, block(), batch))
    (one, sums), (other, _) = results
    assert float(sums.count[0]) == 3
    for a, b in zip(jax.tree.leaves(one.params), jax.tree.leaves(other.params), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("name", ["adam", "adamw", "sgd"])
def test_weight_decay_shrinks_kernels_and_spares_biases(name: str) -> None:
    params = {"kernel": jnp.ones((2, 2)), "bias": jnp.ones(2)}
    tx = optimizer(TrainConfig(optimizer=name, lr=0.1, weight_decay=0.5), optax.constant_schedule(0.1))
    updates, _ = tx.update(jax.tree.map(jnp.zeros_like, params), tx.init(params), params)
    assert (updates["kernel"] < 0).all()
    assert (updates["bias"] == 0).all()


def test_clipping_bounds_the_gradient() -> None:
    params = {"kernel": jnp.ones((2, 2))}
    tx = optimizer(TrainConfig(optimizer="sgd", lr=1.0, clip_norm=0.5), optax.constant_schedule(1.0))
    updates, _ = tx.update({"kernel": jnp.full((2, 2), 100.0)}, tx.init(params), params)
    assert float(optax.tree.norm(updates)) == pytest.approx(0.5)


def test_schedules() -> None:
    base = TrainConfig(lr=1.0)
    at = {
        name: schedule(replace(base, schedule=name, decay_epochs=2), n_steps=100, steps_per_epoch=10)
        for name in ("constant", "cosine", "step")
    }
    assert [float(at["constant"](i)) for i in (0, 50, 99)] == [1, 1, 1]
    assert [float(at["cosine"](i)) for i in (0, 50, 100)] == pytest.approx([1, 0.5, 0], abs=1e-6)
    assert [float(at["step"](i)) for i in (19, 20, 40)] == pytest.approx([1, 0.1, 0.01])
    warm = schedule(replace(base, schedule="cosine", warmup=0.1), n_steps=100, steps_per_epoch=10)
    assert [float(warm(i)) for i in (0, 4, 9, 10, 55)] == pytest.approx([0.1, 0.5, 1, 1, 0.5], abs=1e-6)


def test_spec_augment_zeroes_runs_of_bounded_width_anew_for_each_clip() -> None:
    config = TrainConfig(time_masks=1, time_mask_frames=5, feature_masks=1, feature_mask_bins=3)
    x = np.asarray(spec_augment(jnp.ones((200, 30, 20)), jax.random.key(0), config))
    frames, bins = (x == 0).all(2).sum(1), (x == 0).all(1).sum(1)
    assert set(frames) == set(range(6))
    assert set(bins) == set(range(4))
    for clip in x:
        hidden = np.flatnonzero((clip == 0).all(1))
        assert hidden.size == 0 or np.ptp(hidden) == hidden.size - 1
    starts = {int(np.argmax((clip == 0).all(1))) for clip in x if (clip == 0).all(1).any()}
    assert min(starts) == 0
    assert max(starts) > 24
    np.testing.assert_array_equal(spec_augment(jnp.ones((2, 3, 4)), jax.random.key(0), TrainConfig()), np.ones((2, 3, 4)))


def test_mixup_blends_clips_and_targets_alike() -> None:
    x, target = mixup(jnp.eye(8)[:, None], jnp.eye(8), jax.random.key(3), 1.0)
    np.testing.assert_allclose(x[:, 0], target, rtol=1e-6)
    np.testing.assert_allclose(target.sum(1), 1, rtol=1e-6)
    assert ((target > 0).sum(1) == 2).any()


def test_every_clip_is_in_an_epoch_exactly_once() -> None:
    for n, batch in ((10, 4), (8, 4), (3, 8), (1, 1)):
        batches = plan(n, batch, rng=np.random.default_rng(0))
        assert batches.rows.shape == (-(-n // batch), batch)
        assert sorted(batches.rows[batches.weight > 0]) == list(range(n))
        assert batches.rows.max() < n
    np.testing.assert_array_equal(plan(10, 4).rows[plan(10, 4).weight > 0], np.arange(10))


def test_dispatches_have_one_shape() -> None:
    groups = list(dispatches(plan(100, 8), 5))
    assert {group.rows.shape for group in groups} == {(5, 8)}
    assert sum(group.weight.sum() for group in groups) == 100


def test_prefetch_keeps_order_passes_errors_and_ends_with_its_consumer() -> None:
    assert list(prefetch(iter(range(20)))) == list(range(20))

    def broken() -> Any:
        yield 1
        raise OSError("gone")

    items = prefetch(broken())
    assert next(items) == 1
    with pytest.raises(OSError, match="gone"):
        next(items)
    endless = prefetch(iter(int, 1))
    assert next(endless) == 0
    endless.close()  # joins the thread: returns only when that has ended


@pytest.mark.parametrize(("pad", "first", "last"), [("end", 0, 3), ("front", 7, 10), ("center", 3, 7)])
def test_the_mask_covers_the_real_samples(pad: str, first: int, last: int) -> None:
    config = FeatureConfig(n_samples=1000, pad=pad, hop_length=100, win_length=100, n_fft=100, framing="none", output="spectrum")
    assert config.n_frames == 10
    got = frame_range(config, np.array([300, 1000, 1], np.int32))
    assert (got[0][0], got[1][0]) == (first, last)
    assert (got[0][1], got[1][1]) == (0, 10)
    assert (got[1] > got[0]).all()
    raw = FeatureConfig(output="waveform", n_samples=1000, pad=pad)
    start, stop = frame_range(raw, np.array([300], np.int32))
    assert (start[0], stop[0]) == {"end": (0, 300), "front": (700, 1000), "center": (350, 650)}[pad]


def test_the_mask_reaches_the_network() -> None:
    full = block()
    half = full._replace(last=np.full(10, 3, np.int32))
    cut = Block(full.features[:, :3], full.label, full.first, np.full(10, 3, np.int32))
    model = Tiny(4)
    forward = forward_function(model, sequential=False)
    rows = Batches(np.arange(10, dtype=np.int32)[None], np.ones((1, 10), np.float32))
    np.testing.assert_allclose(forward([nnx.state(model)], half, rows), forward([nnx.state(model)], cut, rows), rtol=1e-6)


def test_a_large_split_is_streamed_in_blocks_of_bounded_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(data, "_STREAM_BLOCK_BYTES", 100_000)
    with Reader(write_toy(tmp_path / "toy.h5")) as reader:
        clips = select(reader, "toy", reader.rows("train"))
        stream = data.source(clips, TrainConfig(batch=8, resident_mb=0), batch=8)
        batches = plan(len(clips), 8, rng=np.random.default_rng(0))
        seen = []
        for part, group in stream.chunks(batches, 0):
            assert part.features.nbytes <= 100_000
            seen.append(np.asarray(part.features)[np.asarray(group.rows)][np.asarray(group.weight) > 0])
        expected = reader.features()[clips.rows[batches.rows[batches.weight > 0]]]
        np.testing.assert_array_equal(np.concatenate(seen), expected)


def test_scores_of_a_small_confusion() -> None:
    z = np.eye(3, dtype=np.float32)[[0, 0, 1, 2, 2]]
    scores = score(z, np.array([0, 1, 1, 2, 0], np.int32))
    np.testing.assert_array_equal(scores.confusion, [[1, 0, 1], [1, 1, 0], [0, 0, 1]])
    assert scores.accuracy == scores.micro_f1 == pytest.approx(0.6)
    np.testing.assert_allclose(scores.precision, [0.5, 1, 0.5])
    np.testing.assert_allclose(scores.recall, [0.5, 0.5, 1])
    assert scores.macro_f1 == pytest.approx(np.mean([0.5, 2 / 3, 2 / 3]))


def test_macro_f1_is_that_of_scikit_learn() -> None:
    """A class that is predicted but does not occur counts with 0, one that is neither does not count."""
    label, predicted = np.repeat([0, 2], 20).astype(np.int32), np.array([0] * 15 + [1] * 5 + [2] * 15 + [1] * 5)
    assert score(np.eye(4, dtype=np.float32)[predicted], label).macro_f1 == pytest.approx(4 / 7)  # 0.8571 twice, and 0


def test_the_interval_is_wilsons() -> None:
    assert wilson_interval(81, 263) == pytest.approx((0.2553, 0.3662), abs=5e-5)  # Newcombe, Stat. Med. 17 (1998), table I
    assert wilson_interval(0, 20) == pytest.approx((0.0, 0.1611), abs=5e-5)
    assert wilson_interval(10, 10)[1] == pytest.approx(1.0)


def test_two_devices_give_the_result_of_one(tmp_path: Path) -> None:
    path = write_toy(tmp_path / "toy.h5", n_clips=45)
    code = (
        "import sys, json, jax, numpy as np; from kwstrain.training.fit import fit; from kwstrain.config import TrainConfig\n"
        "config = TrainConfig(arch='lstm', options={'units': 8, 'dropout': 0.0}, epochs=2, batch=5, gradient_histograms=False)\n"
        "result = fit(sys.argv[1], config, sys.argv[2])\n"
        "print(json.dumps([jax.local_device_count(), result.records[-1]['train_loss'], result.records[-1]['val_loss']]))"
    )
    results = [run_alone(code, path, tmp_path / f"run{n}", JAX_NUM_CPU_DEVICES=str(n)) for n in (1, 2)]
    assert [result[0] for result in results] == [1, 2]
    np.testing.assert_allclose(results[0][1:], results[1][1:], rtol=1e-4)


def test_each_core_is_a_device_for_an_lstm_unless_told_otherwise(tmp_path: Path) -> None:
    """By XLA's flag; by JAX's variable in the test before."""
    path = write_toy(tmp_path / "toy.h5", n_clips=45)
    code = (
        "import sys, json, jax; from kwstrain.training.fit import fit; from kwstrain.config import TrainConfig\n"
        "fit(sys.argv[1], TrainConfig(arch='lstm', options={'units': 4}, epochs=1, batch=16, gradient_histograms=False), sys.argv[2])\n"
        "print(json.dumps(jax.local_device_count()))"
    )
    assert run_alone(code, path, tmp_path / "free", JAX_NUM_CPU_DEVICES="-1") == min(2, os.cpu_count() or 1)
    flags = {"XLA_FLAGS": "--xla_force_host_platform_device_count=4", "JAX_NUM_CPU_DEVICES": "-1"}
    assert run_alone(code, path, tmp_path / "flag", **flags) == 4


def test_each_device_runs_its_part_of_an_lstm() -> None:
    """The compiler alone would let every device run the loop for the whole batch."""
    code = (
        "import json, jax, numpy as np\n"
        "from flax import nnx\n"
        "from kwstrain.models import create; from kwstrain.inference.classifier import forward_function\n"
        "from kwstrain.data.batches import Batches, Block\n"
        "model = create('lstm', input_shape=(40, 2), n_classes=2, units=3)\n"
        "block = Block(np.ones((6, 40, 2), 'f4'), np.zeros(6, 'i4'), np.zeros(6, 'i4'), np.full(6, 40, 'i4'))\n"
        "batches = Batches(np.arange(6, dtype='i4')[None], np.ones((1, 6), 'f4'))\n"
        "run = forward_function(model, sequential=True).lower([nnx.state(model)], block, batches).compile()\n"
        "print(json.dumps([run.as_text().count('f32[%d,3]' % n) for n in (3, 6)]))"
    )
    halves, wholes = run_alone(code, JAX_NUM_CPU_DEVICES="2")
    assert halves > 0
    assert wholes == 0


def run_alone(code: str, *arguments: Path, **environment: str) -> Any:
    """What `code` prints last, as JSON, in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)], capture_output=True, text=True, env={**os.environ, **environment}
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])
