"""Augmentation against its peers: one thread, the same clips, the peers in the same run; a table of ratios at the end.

pytest benchmarks/augment/bench_augment.py --benchmark-enable -s
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile
from harness.race import compare, race

from kwsfeat import FeatureConfig, FreshFeatures, Reader, pitch_shift, time_stretch
from kwsfeat.augment import stretch_and_shift
from kwsfeat.pipeline.arrays import write_file

SR, RATE, STEPS = 22050, 1.3, 1


@pytest.fixture(scope="module")
def clip() -> np.ndarray:
    """0.8 s at 22,050 Hz with the make-up of a word: voiced, unvoiced, silent."""
    rng = np.random.default_rng(0)
    t = np.arange(17640) / SR
    phase = np.cumsum(130 + 30 * np.sin(2 * np.pi * 2 * t)) / SR
    voiced = sum(np.sin(2 * np.pi * h * phase) / h for h in range(1, 20)) * (t > 0.1) * (t < 0.45)
    hiss = 0.5 * rng.standard_normal(t.size) * (t > 0.45) * (t < 0.6)
    return (0.1 * (voiced + hiss) + 0.001 * rng.standard_normal(t.size)).astype(np.float32)


def signalsmith(y: np.ndarray, *, rate: float = 1.0, n_steps: float = 0.0) -> Callable[[], object]:
    """A call of python-stretch; its state is made once, and reset for each clip."""
    module = pytest.importorskip("python_stretch", reason="the bench extra brings python-stretch")
    stretch = module.Signalsmith.Stretch()
    stretch.preset(1, SR)
    stretch.setTimeFactor(rate)
    stretch.setTransposeSemitones(n_steps)

    def run() -> object:
        stretch.reset()
        return stretch.process(y[None])

    return run


def test_time_stretch(benchmark, table, clip):
    librosa = pytest.importorskip("librosa")
    pedalboard = pytest.importorskip("pedalboard", reason="the bench extra brings pedalboard")
    engines = {
        "kwsfeat wsola": lambda: time_stretch(clip, RATE, sr=SR),
        "kwsfeat vocoder": lambda: time_stretch(clip, RATE, sr=SR, method="vocoder"),
        "kwsfeat vocoder-locked": lambda: time_stretch(clip, RATE, sr=SR, method="vocoder-locked"),
        "librosa": lambda: librosa.effects.time_stretch(clip, rate=RATE),
        "python-stretch": signalsmith(clip, rate=RATE),
        "pedalboard (rubberband)": lambda: pedalboard.time_stretch(clip, SR, RATE),
    }
    compare(benchmark, table, "time-stretch 1.3", engines, {"librosa": 10.0, "python-stretch": 8.0})


def test_pitch_shift(benchmark, table, clip):
    librosa = pytest.importorskip("librosa")
    pedalboard = pytest.importorskip("pedalboard", reason="the bench extra brings pedalboard")
    engines = {
        "kwsfeat wsola": lambda: pitch_shift(clip, SR, STEPS),
        "kwsfeat vocoder": lambda: pitch_shift(clip, SR, STEPS, method="vocoder"),
        "librosa": lambda: librosa.effects.pitch_shift(clip, sr=SR, n_steps=STEPS),
        "python-stretch": signalsmith(clip, n_steps=STEPS),
        "pedalboard (rubberband)": lambda: pedalboard.time_stretch(clip, SR, 1.0, STEPS),
    }
    compare(benchmark, table, "pitch-shift +1", engines, {"librosa": 8.0})


def test_pitch_shift_by_the_same_algorithm(benchmark, table, clip):
    """The phase vocoder of both; librosa then resamples with soxr, ours resamples inside its synthesis."""
    librosa = pytest.importorskip("librosa")
    engines = {
        "kwsfeat vocoder": lambda: pitch_shift(clip, SR, STEPS, method="vocoder"),
        "librosa": lambda: librosa.effects.pitch_shift(clip, sr=SR, n_steps=STEPS),
    }
    compare(benchmark, table, "pitch-shift +1, phase vocoder", engines, {"librosa": 8.0})


def test_resampling(benchmark, table, clip):
    """Our polyphase kernel against soxr at the ratio of a semitone: the reason why pitch-shifting uses it."""
    import soxr

    from kwsfeat.augment.stretch import resample

    ratio = 2.0 ** (1 / 12)
    engines = {
        "kwsfeat polyphase": lambda: resample(clip, ratio, round(clip.size / ratio)),
        "soxr HQ": lambda: soxr.resample(clip, ratio, 1.0, quality="HQ"),
    }
    compare(benchmark, table, "resampling by a semitone", engines, {})


def test_the_nine_variants(benchmark, table, clip):
    librosa = pytest.importorskip("librosa")
    grid = (0.7, 1.0, 1.3), (-1.0, 0.0, 1.0)

    def with_librosa() -> list[np.ndarray]:
        return [
            librosa.effects.pitch_shift(librosa.effects.time_stretch(clip, rate=rate), sr=SR, n_steps=steps)
            for rate in grid[0]
            for steps in grid[1]
        ]

    engines = {
        "kwsfeat wsola": lambda: stretch_and_shift(clip, SR, *grid),
        "kwsfeat vocoder": lambda: stretch_and_shift(clip, SR, *grid, "vocoder"),
        "librosa": with_librosa,
    }
    compare(benchmark, table, "nine variants", engines, {"librosa": 12.0})


@pytest.fixture(scope="module")
def fresh(tmp_path_factory) -> Iterator[FreshFeatures]:
    """256 clips of 1 s at 16 kHz, and 20 s of noise in the training rows."""
    rng = np.random.default_rng(0)
    n = 256 + 20
    path: Path = tmp_path_factory.mktemp("fresh") / "fresh.h5"
    write_file(
        path,
        audio=(2000 * rng.standard_normal((n, 16000))).astype(np.int16),
        length=[16000] * n,
        label=[0] * n,
        split=["train"] * n,
        labels=("word",),
        configs={"logmel": FeatureConfig()},
        source=["word/a.wav"] * 256 + ["_background_noise_/white.wav"] * 20,
    )
    with Reader(path) as reader:
        yield FreshFeatures(reader, "bcresnet", FeatureConfig(), seed=0, threads=1)


def test_fresh_features(benchmark, table, fresh):
    """Shift, noise and 40-band log-mel of 1 s clips on one core."""
    rows = np.arange(256)
    benchmark(lambda: fresh.batch(rows, 0))
    if benchmark.enabled:
        seconds = race({"all": lambda: fresh.batch(rows, 0)})["all"] / rows.size
        table.add(f"fresh bcresnet + log-mel ({1 / seconds:,.0f} clips/s, at least 15,000)", {"kwsfeat": seconds}, {})
        assert 1 / seconds >= 15_000


def test_fresh_features_of_a_strong_policy(benchmark, table, fresh):
    """Everything that `strong` does, with its chances, on one core and on two."""
    rows = np.arange(256)
    engines = {}
    for threads, name in ((1, "one thread"), (2, "two threads")):
        strong = FreshFeatures(fresh._reader, "strong", FeatureConfig(), seed=0, batch_size=16, threads=threads)
        engines[f"kwsfeat, {name}"] = lambda strong=strong: [None for _ in strong.epoch(0)]
    benchmark(engines["kwsfeat, one thread"])
    if benchmark.enabled:
        table.add("fresh strong + log-mel", {name: t / rows.size for name, t in race(engines).items()}, {})


def test_the_same_chain_with_audiomentations(benchmark, table, fresh, tmp_path_factory):
    """Shift by up to 100 ms and noise, in four of five clips; waveforms only, float32 in memory on both sides."""
    audiomentations = pytest.importorskip("audiomentations", reason="the bench extra brings audiomentations")
    folder = tmp_path_factory.mktemp("noise")
    noise = fresh.transform.parts[1].noise
    soundfile.write(folder / "noise.wav", noise.samples, 16000, subtype="PCM_16")
    chain = audiomentations.Compose(
        [
            audiomentations.Shift(min_shift=-0.1, max_shift=0.1, rollover=False, fade_duration=0.0, p=1.0),
            audiomentations.AddBackgroundNoise(folder, noise_rms="absolute", min_absolute_rms_db=-60.0, max_absolute_rms_db=-40.0, p=1.0),
        ],
        p=0.8,
    )
    rows = np.arange(256)
    clips = fresh._audio[rows].astype(np.float32) / 32768
    engines = {
        "kwsfeat": lambda: fresh.waveforms(rows, 0),
        "audiomentations": lambda: [chain(y, sample_rate=16000) for y in clips],
    }
    benchmark(engines["kwsfeat"])
    if not benchmark.enabled:
        chain(clips[0], sample_rate=16000)
        return
    table.add("shift + noise, 1 s clips", {name: t / rows.size for name, t in race(engines).items()}, {})
