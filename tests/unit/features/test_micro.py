"""The integer micro front end against its twin in Python's integers, and as a FrontEnd like any other."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import noise_clip
from twins import naive_micro

from kwsfeat import AudioError, ConfigError, FeatureConfig, FrontEnd, Reader, StreamFrontEnd, preset
from kwsfeat.design.micro import micro_bands, micro_gain, micro_log, micro_turns, micro_window
from kwsfeat.pipeline.arrays import write_file

MICRO = preset("micro-frontend")
SCALE = np.float32(0.0390625)


def sixteen_bits(y: np.ndarray) -> np.ndarray:
    return np.clip(np.rint(y * 32768), -32768, 32767).astype(np.int16)


def signal(kind: str, n: int, seed: int) -> np.ndarray:
    """int16 samples that reach what others do not."""
    rng, t = np.random.default_rng(seed), np.arange(n)
    return {
        "speech-like": lambda: sixteen_bits(noise_clip(n, seed)),
        "full-scale noise": lambda: rng.integers(-32768, 32768, n).astype(np.int16),
        "bits": lambda: rng.integers(-1, 2, n).astype(np.int16),
        "silence": lambda: np.zeros(n, np.int16),
        "lowest": lambda: np.full(n, -32768, np.int16),
        "square": lambda: np.where(t // (1 + seed % 60) % 2, 32767, -32768).astype(np.int16),
        "tone": lambda: (32767 * np.sin(t * (0.01 + seed % 300 / 100))).astype(np.int16),
        "clicks": lambda: (32767 * (rng.random(n) < 0.002)).astype(np.int16),
        "fading": lambda: (rng.standard_normal(n) * 8000 * 0.5 ** (t / 300)).astype(np.int16),
    }[kind]()


KINDS = ["speech-like", "full-scale noise", "bits", "silence", "lowest", "square", "tone", "clicks", "fading"]


@pytest.mark.parametrize("kind", KINDS)
def test_every_value_is_that_of_the_twin(kind):
    y = signal(kind, 2531, 1)
    np.testing.assert_array_equal(FrontEnd(MICRO).extract_recording(y), naive_micro.features(y) * SCALE)


@settings(max_examples=15)
@given(st.sampled_from(KINDS), st.integers(480, 1200), st.integers(0, 1000))
def test_every_value_of_any_short_signal_is_that_of_the_twin(kind, n, seed):
    y = signal(kind, n, seed)
    np.testing.assert_array_equal(FrontEnd(MICRO).extract_recording(y), naive_micro.features(y) * SCALE)


@pytest.mark.parametrize("kind", KINDS)
def test_threads_batches_floats_and_pieces_give_the_same_bytes(kind):
    clips = np.stack([signal(kind, 16000, seed) for seed in range(19)])
    front_end = FrontEnd(MICRO)
    one = front_end.extract_batch(clips)
    assert one.shape == (19, *MICRO.shape) == (19, 98, 40)
    np.testing.assert_array_equal(front_end.extract_batch(clips, threads=3), one)
    np.testing.assert_array_equal(front_end.extract_batch(clips / 32768), one)
    for sizes in ([1280], [1, 159, 160, 161, 0, 480], [16000]):
        stream, cuts = StreamFrontEnd(MICRO), np.cumsum(np.resize(sizes, 2000))
        pieces = [stream.push(piece) for piece in np.split(clips[3], cuts[cuts < 16000])]
        np.testing.assert_array_equal(np.concatenate([*pieces, stream.finish()]), one[3])
        assert stream.n_frames == 98


@settings(max_examples=25)
@given(st.lists(st.integers(0, 3000), min_size=1, max_size=12), st.integers(0, 11))
def test_a_stream_may_be_cut_and_resumed_anywhere(sizes, when):
    y = signal("fading", sum(sizes), 5)
    whole = FrontEnd(MICRO).extract_recording(y) if y.size >= 480 else np.empty((0, 40), np.float32)
    stream, out = StreamFrontEnd(MICRO), []
    for k, piece in enumerate(np.split(y, np.cumsum(sizes)[:-1])):
        if k == when:
            resumed = StreamFrontEnd(MICRO)
            resumed.push(signal("tone", 700, k))
            resumed.restore(stream.state())
            stream = resumed
        out.append(stream.push(piece))
    np.testing.assert_array_equal(np.concatenate([*out, stream.finish()]), whole)


def test_the_noise_of_one_clip_does_not_reach_the_next():
    loud, soft = signal("full-scale noise", 16000, 0), signal("speech-like", 16000, 0)
    alone = FrontEnd(MICRO).extract(soft)
    np.testing.assert_array_equal(FrontEnd(MICRO).extract_batch(np.stack([loud, soft]))[1], alone)
    stream = StreamFrontEnd(MICRO)
    stream.push(loud)
    stream.reset()
    np.testing.assert_array_equal(stream.push(soft), alone)


def test_other_lengths_and_bands_are_the_twins_too(monkeypatch):
    config = replace(MICRO, win_length=400, hop_length=137, n_mels=40)
    monkeypatch.setattr(naive_micro, "WINDOW", 400)
    monkeypatch.setattr(naive_micro, "STEP", 137)
    monkeypatch.setattr(naive_micro, "COEFFICIENTS", micro_window(400).tolist())
    y = signal("speech-like", 3001, 3)
    np.testing.assert_array_equal(FrontEnd(config).extract_recording(y), naive_micro.features(y) * SCALE)
    few = replace(MICRO, n_mels=7, win_length=257)
    assert FrontEnd(few).extract_recording(y).shape == (few.frames_of(3001), 7)


def test_samples_that_are_no_waveform_are_refused():
    y = noise_clip(16000, 0)
    y[777] = np.nan
    with pytest.raises(AudioError, match="holds NaN or infinity"):
        FrontEnd(MICRO).extract(y)
    silent = y.copy()
    silent[777] = 0.0
    np.testing.assert_array_equal(FrontEnd(MICRO).extract(y, check_finite=False), FrontEnd(MICRO).extract(silent))
    with pytest.raises(AudioError, match="must lie between -1 and 1"):
        FrontEnd(MICRO).extract(noise_clip(16000, 0) * 1e5)
    with pytest.raises(AudioError, match="gives no frame of 480"):
        FrontEnd(MICRO).extract_recording(np.zeros(479, np.int16))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"deltas": 1}, "deltas=1 must be 0 with output 'micro'"),
        ({"window": "hann"}, "window='hann' must be 'hann-offset'"),
        ({"lowpass_hz": 3000.0}, "lowpass_hz=3000.0 must be None"),
        ({"normalize": "mean"}, "normalize='mean' must be 'none'"),
        ({"n_fft": 1024}, "n_fft=1024 must be 512"),
        ({"win_length": 256}, "win_length=256 must be from 257 to 512"),
        ({"fmax_hz": None}, "fmax_hz=None must lie between fmin_hz=125 and sr / 2 = 8000"),
        ({"fmax_hz": 8000.0}, "fmax_hz=8000.0 must lie between"),
    ],
)
def test_what_the_arithmetic_does_not_have_is_refused_by_name(changes, message):
    with pytest.raises(ConfigError, match=message):
        replace(MICRO, **changes)


def test_it_is_a_config_like_any_other(tmp_path):
    assert FeatureConfig.from_json(MICRO.to_json()) == MICRO
    with pytest.raises(ConfigError, match="start from the preset micro-frontend"):
        FeatureConfig(output="micro")
    clips = np.stack([signal("speech-like", 16000, seed) for seed in range(6)])
    write_file(
        tmp_path / "words.h5", audio=clips, length=[16000] * 6, label=[0, 1] * 3, split=["train"] * 6, labels=["a", "b"],
        configs={"micro": MICRO},
    )  # fmt: skip
    with Reader(tmp_path / "words.h5") as reader:
        np.testing.assert_array_equal(reader.features("micro"), FrontEnd(MICRO).extract_batch(clips))


def test_tables_have_the_numbers_of_the_devices():
    window, bands, gain = micro_window(480), micro_bands(40, 125.0, 7500.0, sr=16000, n_fft=512), micro_gain(3)
    assert window.max() == 4096
    assert window[17] == 54  # 53.99995 in double precision
    assert (bands.first[0], bands.first[-1] + bands.n_bins[-1]) == (5, 241)
    assert set((bands.up + bands.down).tolist()) <= {4096, 4097}
    assert (bands.up[225 - 5], bands.up[149 - 5]) == (209, 2471)  # where the logarithm's last bit decides
    assert (gain[0, 0], gain[24, 0]) == (round(2**21 * 80**-0.95), round(2**21 * (2**23 / 128 + 80) ** -0.95))
    assert micro_log()[[0, 1, 57, 127, 128]].tolist() == [0, 224, 5641, 142, 0]
    cos, sin = micro_turns(256)
    assert (cos[0], sin[64], cos[128]) == (32767, -32767, -32767)
