"""Training in the form that runs: where a word lies in its stream, what surrounds it, and that a run trained so listens."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kwsfeat import ConfigError, Reader, StreamFrontEnd
from kwstrain.config import TrainConfig
from kwstrain.data.placed import AFTER_S, Pieces, place, word_extent

WORDS = Path(__file__).parents[2] / "golden" / "words.h5"
SR = 1000
WORD, WANTED, OTHER, NOISE = (np.float32(v) for v in (0.9, 0.7, 0.3, 0.1))  # a sample tells what it is of


def piece(value: np.float32, n: int) -> object:
    return lambda rng: np.full(int(rng.integers(1, n)), value)


PIECES = Pieces(piece(WANTED, 500), piece(OTHER, 500), piece(NOISE, 300), lambda rng, n: np.zeros(n, np.float32))  # type: ignore[arg-type]


def test_a_word_is_found_in_its_clip() -> None:
    rng = np.random.default_rng(0)
    y = 0.001 * rng.standard_normal(16000).astype(np.float32)
    y[5000:9000] += 0.3 * np.sin(np.arange(4000) / 5).astype(np.float32)
    first, last = word_extent(y, 16000)
    assert 5000 - 320 <= first <= 5000
    assert 9000 <= last <= 9000 + 320
    for silent in (np.zeros(700, np.float32), np.zeros(1, np.float32)):
        first, last = word_extent(silent, 16000)
        assert 0 <= first < last <= len(silent)


@settings(max_examples=60)
@given(seed=st.integers(0, 10**6), n=st.integers(1, 1200), more=st.integers(0, 1500))
def test_a_word_is_whole_in_the_window_and_ends_just_before_the_score(seed: int, n: int, more: int) -> None:
    window = 1000
    y = np.full(n, WORD)
    stream = place(y, is_word=True, n_samples=window + more, window=window, sr=SR, pieces=PIECES, rng=np.random.default_rng(seed))
    assert stream.shape == (window + more,)
    at = np.flatnonzero(stream == WORD)
    after = len(stream) - 1 - at[-1]
    assert after <= AFTER_S * SR
    assert len(at) == min(n, len(stream))
    if n <= window:
        assert at[0] >= more
    assert not (stream[more:] == WANTED).any()  # no wanted word reaches into what is scored


def test_every_phase_and_every_surrounding_comes() -> None:
    drawn = [
        place(np.full(300, WORD), is_word=True, n_samples=2000, window=1000, sr=SR, pieces=PIECES, rng=np.random.default_rng(i))
        for i in range(200)
    ]
    after = np.array([len(y) - 1 - np.flatnonzero(y == WORD)[-1] for y in drawn])
    assert set(np.histogram(after, 4, (0, 400))[0] > 20) == {True}
    for value in (WANTED, OTHER, NOISE):
        assert sum((y == value).any() for y in drawn) > 50


def test_noise_fills_the_window() -> None:
    y = place(np.full(1000, WORD), is_word=False, n_samples=1500, window=1000, sr=SR, pieces=PIECES, rng=np.random.default_rng(0))
    assert (y[500:] == WORD).all()


def test_a_word_has_the_noise_that_its_level_asks_for() -> None:
    behind = replace(PIECES, behind=lambda rng, n: rng.standard_normal(n, np.float32))
    ratios = []
    for seed in range(40):
        y = np.full(400, np.float32(0.1))
        stream = place(y, is_word=True, n_samples=1000, window=1000, sr=SR, pieces=behind, rng=np.random.default_rng(seed))
        quiet = place(y, is_word=True, n_samples=1000, window=1000, sr=SR, pieces=PIECES, rng=np.random.default_rng(seed))
        noise = np.square(stream - quiet, dtype=np.float64).mean()
        if noise:
            ratios.append(10 * np.log10(0.01 / noise))
    assert 20 < len(ratios) < 40
    assert -0.5 < min(ratios) < 5
    assert 20 < max(ratios) < 25.5


@pytest.fixture(scope="module")
def reader() -> Reader:
    return Reader(WORDS)


@pytest.fixture(scope="module")
def config() -> TrainConfig:
    small = {"filters": 8, "blocks": 2}
    return TrainConfig(arch="ds-cnn-s", options=small, stream=True, context_s=0.5, epochs=1, batch=6, augment="off", lr=3e-3)


@pytest.mark.slow
def test_an_example_depends_on_seed_epoch_and_row_alone(reader: Reader, config: TrainConfig) -> None:
    pytest.importorskip("jax")
    from kwstrain.data.clips import select
    from kwstrain.data.streams import Streams

    clips = select(reader, reader.feature_names[0], reader.rows("train"))
    streams = Streams(clips, config, "off")
    rows = clips.rows[:6]
    block = streams.load(rows.reshape(2, 3), 4)
    np.testing.assert_array_equal(block.features[[4]], streams.load(rows[[4]], 4).features)
    np.testing.assert_array_equal(block.label, reader.label[rows])
    assert (block.features != streams.load(rows, 5).features).any(axis=(1, 2)).all()
    assert (block.features != Streams(clips, replace(config, seed=1), "off").load(rows, 4).features).any(axis=(1, 2)).all()
    augmented = Streams(clips, config, "bcresnet").load(rows, 4)
    assert (block.features != augmented.features).any(axis=(1, 2)).sum() > 1  # the policy leaves some clips as they are
    wave = streams.waveforms(rows[:1], 4)[0]
    np.testing.assert_array_equal(StreamFrontEnd(reader.config()).push(wave), block.features[0])  # what a stream has heard by then
    assert len(block.features[0]) == streams.n_frames == 25 + reader.config().n_frames


@pytest.mark.slow
def test_a_run_trained_on_streams_listens(reader: Reader, config: TrainConfig, tmp_path: Path) -> None:
    pytest.importorskip("jax")
    from kwstrain import Recognizer, evaluate, fit

    result = fit(WORDS, config, tmp_path / "run")
    assert result.bundle.config.options["causal"] is True
    assert evaluate(tmp_path / "run", split="validation").scores.loss == pytest.approx(result.best["val_loss"], abs=1e-6)
    recognizer = Recognizer(tmp_path / "run")
    assert recognizer.mode == "stream"
    y = np.random.default_rng(0).uniform(-0.5, 0.5, 40000)
    rows = recognizer.feed(y)
    features = StreamFrontEnd(reader.config()).push(y)[: 2 * len(rows) - 1]
    logits = np.asarray(result.bundle.model(features[None]))[0]  # a stream longer than a clip: the mean of the latest frames
    expected = np.exp(logits) / np.exp(logits).sum()
    np.testing.assert_allclose(rows[-1], expected, atol=1e-5)


@pytest.mark.slow
def test_what_cannot_stream_is_not_trained_for_it(reader: Reader, config: TrainConfig) -> None:
    pytest.importorskip("jax")
    from kwstrain.data.streams import for_stream

    assert for_stream(replace(config, stream=False), reader).options == config.options
    with pytest.raises(ConfigError, match="kwt-1 does not stream, only bcresnet-1"):
        for_stream(replace(config, arch="kwt-1", options={}), reader)
    with pytest.raises(ConfigError, match=r"options.causal=true"):
        for_stream(replace(config, options={"causal": False}), reader)
