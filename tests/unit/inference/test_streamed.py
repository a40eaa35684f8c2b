"""A run that listens, streaming: equal to the offline network, however the stream is cut, for as long as it goes on; without JAX."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from random_runs import write_run

from kwsfeat import Detector, FeatureConfig, FrontEnd, resample
from kwsfeat.errors import AudioError, ConfigError
from kwstrain import Recognizer
from kwstrain.io import load_arrays, save_arrays

SR, HOP = 8000, 80
CONFIG = FeatureConfig(sr=SR, n_samples=2800, n_fft=256, win_length=200, hop_length=HOP, n_mels=10, framing="none")
OPTIONS = {"causal": True, "filters": 12, "blocks": 2}
N = 9037
SOUND = np.clip(np.rint(3000 * np.random.default_rng(1).standard_normal(N)), -32768, 32767).astype(np.int16)
SOUND[3000:4500] = np.rint(20000 * np.sin(np.arange(1500) / 3))


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_run(tmp_path_factory.mktemp("runs") / "run", "ds-cnn-tiny", CONFIG, **OPTIONS).folder


@pytest.fixture(scope="module")
def recognizer(run: Path) -> Recognizer:
    return Recognizer(run, mode="stream")


@pytest.fixture(scope="module")
def whole(recognizer: Recognizer) -> tuple[np.ndarray, np.ndarray]:
    """Rows and times of the whole recording."""
    return listened(recognizer, SOUND, [0, N])


def listened(recognizer: Recognizer, sound: np.ndarray, cuts: list[int]) -> tuple[np.ndarray, np.ndarray]:
    """Rows and times of a new stream, cut there, to its end."""
    recognizer.reset()
    rows, times = [], []
    for a, b in pairwise(cuts):
        rows.append(recognizer.feed(sound[a:b]))
        times.append(recognizer.frame_times)
    rows.append(recognizer.finish())
    times.append(recognizer.frame_times)
    return np.concatenate(rows), np.concatenate(times)


def test_every_row_is_the_offline_network(run: Path, whole: tuple[np.ndarray, np.ndarray]) -> None:
    """Its probabilities, of the classifier on the mean of the latest frames, at most a clip of them."""
    pytest.importorskip("jax")
    from kwstrain.inference.bundle import Bundle

    model = Bundle.load(run).model
    features = FrontEnd(CONFIG).extract_recording(SOUND)
    frames = np.asarray(model.frames(model.input_norm(features[None])), np.float64)[0]
    n_mean = -(-CONFIG.n_frames // 2)
    means = np.array([frames[max(0, i + 1 - n_mean) : i + 1].mean(axis=0) for i in range(len(frames))])
    logits = means @ np.asarray(model.out.kernel[...], np.float64) + np.asarray(model.out.bias[...])
    expected = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    rows, times = whole
    assert rows.dtype == np.float32
    np.testing.assert_allclose(rows, expected, atol=1e-5)
    assert np.ptp(rows, axis=0).min() > 0.01
    np.testing.assert_allclose(times, (256 + HOP * 2 * np.arange(len(rows))) / SR)


def test_it_says_how_it_listens(recognizer: Recognizer, run: Path) -> None:
    assert recognizer.mode == Recognizer(run).mode == "stream"
    assert recognizer.hop_s == 0.02
    assert recognizer.latency == pytest.approx(256 / SR + 0.08)
    assert recognizer.warm_up_s == pytest.approx((256 + HOP * (CONFIG.n_frames - 2)) / SR)  # its frames out stand at even frames in
    assert "80 ms of audio at a time, each frame once" in repr(recognizer)
    assert Recognizer(run, mode="windowed").mode == "windowed"


@settings(max_examples=20)
@given(sizes=st.lists(st.sampled_from([0, 1, HOP - 1, HOP, HOP + 1, 640, 5000]), max_size=10))
def test_chunks_change_nothing(recognizer: Recognizer, whole: tuple[np.ndarray, np.ndarray], sizes: list[int]) -> None:
    rows, times = listened(recognizer, SOUND, [*np.minimum(np.cumsum([0, *sizes]), N), N])
    np.testing.assert_array_equal(rows, whole[0])
    np.testing.assert_array_equal(times, whole[1])


def test_a_row_comes_within_the_latency(recognizer: Recognizer) -> None:
    recognizer.reset()
    for i in range(0, N, 10):
        for time in (recognizer.feed(SOUND[i : i + 10]), recognizer.frame_times)[1]:
            assert time <= (i + 10) / SR <= time + 0.08 + 10 / SR


def test_what_is_computed_together_changes_the_time_of_a_row_only(run: Path, whole: tuple[np.ndarray, np.ndarray]) -> None:
    for hop_ms in (1, 300):
        rows, times = listened(Recognizer(run, mode="stream", hop_ms=hop_ms), SOUND, [0, 100, N])
        np.testing.assert_array_equal(rows, whole[0])
        np.testing.assert_array_equal(times, whole[1])


def test_detections_do_not_depend_on_the_chunks(recognizer: Recognizer, whole: tuple[np.ndarray, np.ndarray]) -> None:
    def events(cuts: list[int]) -> list[object]:
        recognizer.reset()
        detector = Detector(recognizer.labels, thresholds=float(whole[0].max(axis=1).mean()), smoothing_frames=3)
        found: list[object] = []
        for a, b in pairwise(cuts):
            rows = recognizer.feed(SOUND[a:b])
            found += detector.feed(rows, recognizer.frame_times)
        return found

    once = events([0, N])
    assert once
    assert once == events([0, 1, 777, 778, 4096, N]) == events([*range(0, N, 160), N])


def test_an_impulse_changes_no_row_before_it(recognizer: Recognizer, whole: tuple[np.ndarray, np.ndarray]) -> None:
    changed = SOUND.copy()
    changed[6000] = 32767
    rows, times = listened(recognizer, changed, [0, N])
    differ = (rows != whole[0]).any(axis=1)
    assert times[differ].min() > 6000 / SR
    assert differ[times > 6000 / SR + 0.02].all()


def test_it_goes_on_without_drift(recognizer: Recognizer) -> None:
    """After two minutes the rows are those of a stream that began a second and a half ago, to the last bit."""
    rng = np.random.default_rng(3)
    recognizer.reset()
    for _ in range(24):
        rows = recognizer.feed(np.concatenate([0.5 * rng.standard_normal(3 * SR).clip(-1, 1), np.zeros(SR), np.ones(SR)]))
    end = 0.1 * rng.standard_normal(12000).clip(-1, 1)
    rows = recognizer.feed(end)
    recognizer.reset()
    fresh = recognizer.feed(end)
    np.testing.assert_array_equal(rows[-20:], fresh[-20:])


def test_a_state_goes_on_elsewhere(recognizer: Recognizer, run: Path, whole: tuple[np.ndarray, np.ndarray]) -> None:
    other = Recognizer(run, mode="stream")
    other.feed(-SOUND)  # of its own: nothing is shared
    recognizer.reset()
    first = recognizer.feed(SOUND[:4321])
    state = recognizer.state()
    recognizer.feed(SOUND[:999])
    other.restore(state)
    np.testing.assert_array_equal(np.concatenate([first, other.feed(SOUND[4321:]), other.finish()]), whole[0])
    with pytest.raises(ConfigError, match="another recogniser: mode=stream is not windowed"):
        Recognizer(run, mode="windowed").restore(state)


def test_a_state_of_another_run_or_none_is_refused_and_changes_nothing(recognizer: Recognizer, run: Path, tmp_path: Path) -> None:
    other = write_run(tmp_path / "run", "ds-cnn-tiny", CONFIG, **OPTIONS).folder
    arrays = load_arrays(other / "weights.npz")
    save_arrays(other / "weights.npz", {**arrays, "out/bias": arrays["out/bias"] + 1})
    recognizer.reset()
    recognizer.feed(SOUND[:4321])
    state = recognizer.state()
    with pytest.raises(ConfigError, match=r"another recogniser: run=.* is not"):
        Recognizer(other, mode="stream").restore(state)
    for damaged in (None, {}, *({name: value for name, value in state.items() if name != left_out} for left_out in state)):
        with pytest.raises(ConfigError, match="state"):
            recognizer.restore(damaged)  # type: ignore[arg-type]
    np.testing.assert_equal(recognizer.state(), state)


def test_short_streams_and_bad_pieces(recognizer: Recognizer, whole: tuple[np.ndarray, np.ndarray]) -> None:
    assert listened(recognizer, SOUND, [0, 0])[0].shape == (0, 3)
    assert listened(recognizer, SOUND, [0, 255])[0].shape == (0, 3)
    assert listened(recognizer, SOUND, [0, 256])[0].shape == (1, 3)
    recognizer.reset()
    recognizer.feed(SOUND[:500])
    with pytest.raises(AudioError, match="sample 0 of 1 is NaN"):
        recognizer.feed([np.nan])
    np.testing.assert_array_equal(recognizer.feed(SOUND[500:3000])[-1], whole[0][15])
    for sound in (np.zeros(4000, np.int16), np.full(4000, -32768, np.int16)):
        assert np.isfinite(recognizer.feed(sound)).all()


def test_another_rate_is_resampled_whatever_the_chunks(run: Path, whole: tuple[np.ndarray, np.ndarray]) -> None:
    device = Recognizer(run, sr=24000, mode="stream")
    sound = resample(SOUND, SR, 24000)
    rows, times = listened(device, sound, [0, len(sound)])
    again, same_times = listened(device, sound, [0, 1, 5000, 5001, 20000, len(sound)])
    np.testing.assert_array_equal(rows, again)
    np.testing.assert_array_equal(times, same_times)
    assert device.latency > 0.08 + 256 / SR
    np.testing.assert_allclose(rows[10:-20], whole[0][10 : len(rows) - 20], atol=0.1)  # but for what lies at the edge of the band


def test_features_that_need_the_whole_clip_are_listened_to_in_windows(run: Path, tmp_path: Path) -> None:
    clip = write_run(tmp_path / "clip", "ds-cnn-tiny", replace(CONFIG, peak_normalize=True), **OPTIONS).folder
    assert Recognizer(clip).mode == "windowed"
    with pytest.raises(ConfigError, match="peak_normalize=True cannot stream"):
        Recognizer(clip, mode="stream")
    bidirectional = write_run(tmp_path / "same", "ds-cnn-tiny", CONFIG, filters=12, blocks=2).folder
    with pytest.raises(ConfigError, match=r"does not stream as it was trained: .* options.causal=true"):
        Recognizer(bidirectional, mode="stream")


def test_it_needs_no_jax(run: Path) -> None:
    code = (
        f"import sys; import numpy as np; sys.modules.update(jax=None, flax=None, optax=None); from kwstrain import Recognizer\n"
        f"r = Recognizer({str(run)!r}); rows = r.feed(np.zeros(3900, np.int16)); print(r.mode, rows.shape, len(r.finish()))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, env=os.environ)
    assert done.stdout.split() == ["stream", "(20,", "3)", "3"], done.stderr
