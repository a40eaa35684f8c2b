"""Features of a live signal: 80 ms at a time, one thread, each peer as a program that listens would use it.

    pytest benchmarks/bench_stream.py --benchmark-enable -s

A clip is one second of signal here, so that clips/s are how many times faster than the signal an engine is.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from importlib import import_module

import numpy as np
import pytest
from harness.race import compare

from kwsfeat import FeatureConfig, FrontEnd, StreamFrontEnd, preset

SR, SECONDS, CHUNK = 16000, 2, 1280
LOGMEL = preset("logmel")


@pytest.fixture(scope="module")
def signal() -> np.ndarray:
    """(32000,) float32: noise that comes and goes."""
    noise = np.random.default_rng(0).standard_normal(SECONDS * SR)
    return (0.1 * noise * np.abs(np.sin(np.arange(noise.size) / 2500.0))).astype(np.float32)


def streamed(config: FeatureConfig, signal: np.ndarray, sr: int = SR) -> Callable[[], object]:
    stream, chunk = StreamFrontEnd(config, sr=sr), CHUNK * sr // SR

    def call() -> None:
        for start in range(0, signal.size, chunk):
            stream.push(signal[start : start + chunk])

    return call


def windowed(extract: Callable[[np.ndarray], object], signal: np.ndarray) -> Callable[[], object]:
    """The last second, anew with every chunk."""
    padded = np.concatenate([np.zeros(SR, np.float32), signal])

    def call() -> None:
        for end in range(SR + CHUNK, padded.size + 1, CHUNK):
            extract(padded[end - SR : end])

    return call


def kaldi_native_fbank(signal: np.ndarray) -> Callable[[], object]:
    knf = import_module("kaldi_native_fbank")
    options = knf.FbankOptions()
    options.frame_opts.dither = 0.0
    options.mel_opts.num_bins = 40
    scaled = signal * np.float32(32768)

    def call() -> None:
        fbank, done = knf.OnlineFbank(options), 0
        for start in range(0, signal.size, CHUNK):
            fbank.accept_waveform(SR, scaled[start : start + CHUNK])
            while done < fbank.num_frames_ready:
                fbank.get_frame(done)
                done += 1

    return call


def librosa_logmel(y: np.ndarray) -> object:
    S = import_module("librosa").feature.melspectrogram(y=y, sr=SR, n_fft=512, win_length=400, hop_length=160, n_mels=40)
    return np.log(np.maximum(S, 1e-10))


def run(benchmark, table, work: str, engines: dict[str, Callable[[], object]], wanted: dict[str, float]) -> None:
    compare(benchmark, table, work, engines, wanted, dict.fromkeys(engines, SECONDS))


def test_logmel(benchmark, table, signal):
    pytest.importorskip("librosa")
    engines = {
        "kwsfeat, stream": streamed(LOGMEL, signal),
        "kwsfeat, stream, int16": streamed(LOGMEL, (signal * 32767).astype(np.int16)),
        "kwsfeat, the last second anew": windowed(FrontEnd(LOGMEL).extract, signal),
        "librosa, the last second anew": windowed(librosa_logmel, signal),
    }
    run(benchmark, table, "log-mel 40, 80 ms at a time", engines, {"librosa, the last second anew": 20.0})


def test_kaldi(benchmark, table, signal):
    pytest.importorskip("kaldi_native_fbank")
    engines = {"kwsfeat, stream": streamed(preset("kaldi"), signal), "kaldi-native-fbank, online": kaldi_native_fbank(signal)}
    run(benchmark, table, "Kaldi fbank 40, 80 ms at a time", engines, {"kaldi-native-fbank, online": 1.0})


def test_the_rest(benchmark, table, signal):
    """What the other choices cost, beside log-mel."""
    engines = {
        "log-mel": streamed(LOGMEL, signal),
        "PCEN": streamed(replace(LOGMEL, log="pcen"), signal),
        "with two deltas": streamed(replace(LOGMEL, deltas=2), signal),
        "behind a low-pass of order 35": streamed(replace(LOGMEL, lowpass_hz=3000.0), signal),
        "from 48 kHz": streamed(LOGMEL, np.repeat(signal, 3), 48000),
    }
    run(benchmark, table, "kwsfeat's stream", engines, {})


def test_micro_frontend(benchmark, table, signal):
    """Whole clips, as in a build, against the C code; features as an array are what both give."""
    pymicro = pytest.importorskip("pymicro_features")
    starts = np.random.default_rng(0).integers(0, len(signal) - SR, 1000)
    clips = np.stack([(signal[start : start + SR] * 32767).astype(np.int16) for start in starts])
    out, front_end = np.empty((1000, 98, 40), np.float32), FrontEnd(preset("micro-frontend"))
    steps = [clips[0, i : i + 160].tobytes() for i in range(0, SR, 160)]

    def theirs() -> object:
        one = pymicro.MicroFrontend()
        return np.array([features for step in steps if (features := one.process_samples(step).features)], np.float32)

    engines = {"kwsfeat": lambda: front_end.extract_batch(clips, out), "pymicro-features": theirs}
    compare(benchmark, table, "micro front end, clips of 1 s", engines, {"pymicro-features": 20.0}, {"kwsfeat": 1000})
