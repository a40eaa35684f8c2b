"""The loss of the row that sounds most like a word, where there is none: its value, what it is of, and that it is quieter afterwards."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

jax = pytest.importorskip("jax")

import jax.numpy as jnp  # noqa: E402

from kwsfeat import ConfigError, Reader  # noqa: E402
from kwsfeat.cli import main  # noqa: E402
from kwstrain import fit  # noqa: E402
from kwstrain.config import TrainConfig  # noqa: E402
from kwstrain.data.clips import select  # noqa: E402
from kwstrain.data.streams import Streams  # noqa: E402
from kwstrain.models import create  # noqa: E402
from kwstrain.models.listener import Listener  # noqa: E402
from kwstrain.training.objective import loudest  # noqa: E402

WORDS = Path(__file__).parents[2] / "golden" / "words.h5"
WANTED = jnp.array([True, True, False, False])


def test_it_is_the_least_likely_row_of_those_without_a_word() -> None:
    z = np.random.default_rng(0).normal(0, 3, (5, 7, 4))
    p = np.exp(z) / np.exp(z).sum(-1, keepdims=True)
    softmax = (-np.log(p[..., 2:].sum(-1))).max(axis=1)
    np.testing.assert_allclose(loudest(jnp.asarray(z), WANTED, "softmax"), softmax, rtol=1e-5)
    sigmoid = (np.log1p(np.exp(z[..., :2])).sum(-1) / 4).max(axis=1)
    np.testing.assert_allclose(loudest(jnp.asarray(z), WANTED, "sigmoid"), sigmoid, rtol=1e-5)


@pytest.mark.parametrize("kind", ["softmax", "sigmoid"])
def test_its_gradient_is_that_of_one_row_and_finite(kind: str) -> None:
    z = np.random.default_rng(1).normal(0, 50, (3, 6, 4)).astype(np.float32)
    gradient = np.asarray(jax.grad(lambda z: loudest(z, WANTED, kind).sum())(z))
    assert np.isfinite(gradient).all()
    assert (np.abs(gradient).max(axis=2) > 0).sum(axis=1).max() == 1
    assert (gradient[..., :2] >= 0).all()  # a step down makes the words less likely


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "options", "n"),
    [("bcresnet-1", {"causal": True}, 50), ("ds-cnn-tiny", {"causal": True, "filters": 8}, 50), ("mixednet", {}, 170)],
)
def test_rows_are_what_the_network_says_of_the_stream_so_far(name: str, options: dict[str, object], n: int) -> None:
    network = create(name, input_shape=(n, 20), n_classes=4, seed=0, **options)
    assert isinstance(network, Listener)
    network.eval()  # type: ignore[no-untyped-call]
    x = np.random.default_rng(2).standard_normal((2, n + 24, 20)).astype(np.float32)
    rows = np.asarray(network.rows(jnp.asarray(x)))
    scale = np.abs(rows).max()
    np.testing.assert_allclose(rows[:, -1], network.forward(jnp.asarray(x), None), atol=1e-5 * scale)
    hop = 24 // (rows.shape[1] - 1)
    for i in (0, rows.shape[1] // 2):
        heard = x[:, : n + i * hop]
        np.testing.assert_allclose(rows[:, i], network.forward(jnp.asarray(heard), None), atol=1e-5 * scale)


@pytest.fixture(scope="module")
def words(tiny_corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("loudest") / "words.h5"
    assert main(["build", str(tiny_corpus), str(path), "--features", "logmel", "-q"]) == 0
    return path


@pytest.mark.slow
def test_no_example_without_a_word_has_heard_one(words: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A wanted clip is loud, an unwanted one is not: what is loud in an example was wanted."""
    config = TrainConfig(arch="ds-cnn-s", stream=True, context_s=2.0, augment="off")
    with Reader(words) as reader:
        clips = select(reader, reader.feature_names[0], reader.rows("train"))
        unwanted = clips.rows[np.isin(np.array(reader.labels)[reader.label[clips.rows]], ("silence", "unknown"))]
        assert unwanted.size
        for weight, expected in ((0.0, True), (1.0, False)):
            streams = Streams(clips, replace(config, loudest=weight), "off")
            monkeypatch.setattr(streams, "_clip", lambda row: np.full(4000, 1e-4 if row in unwanted else 0.9, np.float32))
            heard = [np.abs(streams.waveforms(unwanted[:1], epoch)).max() > 0.5 for epoch in range(30)]
            assert any(heard) is expected


@pytest.mark.slow
def test_a_network_trained_with_it_is_quieter(words: Path, tmp_path: Path) -> None:
    config = TrainConfig(
        arch="ds-cnn-s", options={"filters": 8, "blocks": 2}, stream=True, context_s=0.5, epochs=6, batch=6, augment="off", lr=3e-3
    )  # fmt: skip
    losses = {}
    for weight in (0.0, 4.0):
        result = fit(words, replace(config, loudest=weight), tmp_path / str(weight))
        with Reader(words) as reader:
            wanted = ~np.isin(reader.labels, ("silence", "unknown"))
            clips = select(reader, reader.feature_names[0], reader.rows("train"))
            unwanted = clips.rows[~wanted[reader.label[clips.rows]]]
            x = Streams(clips, replace(config, loudest=1.0), "off").load(unwanted, 99).features
        network = result.bundle.model
        assert isinstance(network, Listener)
        losses[weight] = float(loudest(network.rows(network.input_norm(x)), jnp.asarray(wanted), "softmax").mean())
    assert losses[4.0] < losses[0.0]


def test_there_must_be_examples_without_a_word(words: Path, tmp_path: Path) -> None:
    config = TrainConfig(arch="ds-cnn-s", stream=True, loudest=1.0, augment="off")
    with pytest.raises(ConfigError, match=r"loudest=1 is of what holds no word, and .*words\.h5 has no class for that"):
        fit(WORDS, config, tmp_path / "run")
    with pytest.raises(ConfigError, match=r"mixup=0\.2 mixes words in"):
        fit(words, replace(config, mixup=0.2), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_it_is_of_streams_alone(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"loudest=1 is of the rows of a stream: add --stream"):
        fit(WORDS, TrainConfig(arch="ds-cnn-s", loudest=1.0), tmp_path / "run")
