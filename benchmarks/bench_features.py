"""Features against every peer that a Python user can install: one thread, float32, warm, the same clips in the same run.

    pytest benchmarks/bench_features.py --benchmark-enable -s

Peers that take one clip a call get one clip; those that take a batch get the batch. A peer that is not installed is left out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.signal
from harness.plot import WORKS, plot
from harness.race import compare

from kwsfeat import FeatureConfig, FrontEnd, butter_sos, mel_filterbank, preset, sosfilt

SR, N_CLIPS = 16000, 64
PICTURE = Path(__file__).resolve().parents[1] / "docs" / "pictures" / "clips_per_second.png"


@pytest.fixture(scope="module", autouse=True)
def picture(table) -> Iterator[None]:
    """A complete run redraws the README's picture."""
    yield
    if set(WORKS) <= {line[0] for line in table.lines}:
        plot(table, PICTURE)


@pytest.fixture(scope="module")
def clips() -> np.ndarray:
    """(64, 16000) float32 with the spectrum of speech: noise that falls by 6 dB an octave, and pauses."""
    rng = np.random.default_rng(0)
    noise = scipy.signal.lfilter([1.0], [1.0, -0.9], rng.standard_normal((N_CLIPS, SR)), axis=1)
    envelope = np.abs(np.sin(np.arange(SR) / 2500.0)) + 0.001
    return (0.05 * noise * envelope).astype(np.float32)


def peer(name: str) -> Any:
    """The module, or None where it is not installed."""
    try:
        return import_module(name)
    except ImportError:
        return None


def ours(config: FeatureConfig, clips: np.ndarray, threads: int = 1) -> Callable[[], object]:
    front_end, out = FrontEnd(config), np.empty((len(clips), *config.shape), np.float32)
    return lambda: front_end.extract_batch(clips, out, threads=threads)


def run(benchmark, table, work: str, engines: dict[str, Callable[[], object] | None], wanted: dict[str, float], batched: set[str]) -> None:
    present = {name: call for name, call in engines.items() if call is not None}
    compare(benchmark, table, work, present, wanted, dict.fromkeys(batched, N_CLIPS))


def librosa_mel(y: np.ndarray, c: FeatureConfig) -> np.ndarray:
    librosa = import_module("librosa")
    mel: np.ndarray = librosa.feature.melspectrogram(
        y=y, sr=c.sr, n_fft=c.n_fft, win_length=c.win_length, hop_length=c.hop_length, n_mels=c.n_mels
    )
    return mel


def torch_logmel(clips: np.ndarray, c: FeatureConfig) -> Callable[[], object] | None:
    torch = peer("torch")
    if torch is None:
        return None
    window, y = torch.hann_window(c.win_length), torch.from_numpy(clips)
    basis = torch.from_numpy(mel_filterbank(sr=c.sr, n_fft=c.n_fft, n_mels=c.n_mels))

    def call() -> object:
        torch.set_num_threads(1)
        S = torch.stft(y, c.n_fft, c.hop_length, c.win_length, window, center=True, pad_mode="constant", return_complex=True).abs() ** 2
        return torch.log(torch.clamp(basis @ S, min=1e-10))

    return call


def audioflux_logmel(y: np.ndarray, c: FeatureConfig) -> Callable[[], object] | None:
    audioflux = peer("audioflux")
    if audioflux is None:
        return None
    kinds = import_module("audioflux.type")
    engine = audioflux.BFT(
        num=c.n_mels, radix2_exp=9, samplate=c.sr, low_fre=0.0, high_fre=c.sr / 2, slide_length=c.hop_length,
        scale_type=kinds.SpectralFilterBankScaleType.MEL, data_type=kinds.SpectralDataType.POWER,
    )  # fmt: skip
    return lambda: np.log(np.maximum(engine.bft(y, result_type=1), np.float32(1e-10)))


def test_whisper(benchmark, table, clips):
    asrfront = peer("asrfront")
    batch = list(clips)
    engines = {
        "kwsfeat": ours(preset("whisper"), clips),
        "asrfront": None if asrfront is None else lambda: asrfront.whisper.log_mel_batch(batch, pad_or_trim=False, n_threads=1),
    }
    run(benchmark, table, "Whisper log-mel 400/160/80", engines, {"asrfront": 1.5}, {"kwsfeat", "asrfront"})


def test_logmel(benchmark, table, clips):
    c = preset("logmel")
    integers = np.round(clips * 32768).clip(-32768, 32767).astype(np.int16)
    front_end = FrontEnd(c)
    engines = {
        "kwsfeat": ours(c, clips),
        "kwsfeat, int16 input": ours(c, integers),
        "kwsfeat, one clip a call": lambda: front_end.extract(clips[0]),
        "audioflux": audioflux_logmel(clips[0], c),
        "torch.stft + matmul": torch_logmel(clips, c),
        "librosa": None if peer("librosa") is None else lambda: np.log(np.maximum(librosa_mel(clips[0], c), 1e-10)),
    }
    wanted = {"audioflux": 4.0, "torch.stft + matmul": 6.0, "librosa": 20.0}
    run(benchmark, table, "log-mel 512/160/40", engines, wanted, {"kwsfeat", "kwsfeat, int16 input", "torch.stft + matmul"})


def test_mfcc(benchmark, table, clips):
    c, librosa, psf = preset("mfcc"), peer("librosa"), peer("python_speech_features")
    front_end = FrontEnd(c)
    engines = {
        "kwsfeat": ours(c, clips),
        "kwsfeat, one clip a call": lambda: front_end.extract(clips[0]),
        "python_speech_features": None if psf is None else lambda: psf.mfcc(clips[0], SR, numcep=13, nfilt=40, nfft=512),
        "librosa": None
        if librosa is None
        else lambda: librosa.feature.mfcc(y=clips[0], sr=SR, n_mfcc=13, n_mels=40, n_fft=512, win_length=400, hop_length=160),
    }
    run(benchmark, table, "MFCC 40 -> 13", engines, {"librosa": 20.0, "python_speech_features": 15.0}, {"kwsfeat"})


def test_system_a(benchmark, table, clips):
    c, librosa = replace(preset("mel75"), lowpass_hz=None), pytest.importorskip("librosa")

    def mel() -> object:
        db = librosa.power_to_db(librosa_mel(clips[0], c))
        return db / np.abs(db).sum(axis=1, keepdims=True)

    engines = {"kwsfeat": ours(c, clips), "librosa": mel}
    run(benchmark, table, "deep CNN, mel 2048/214/75, dB, rows normalised", engines, {"librosa": 12.0}, {"kwsfeat"})


def test_system_a_mfcc(benchmark, table, clips):
    c, librosa = replace(preset("mfcc75"), lowpass_hz=None), pytest.importorskip("librosa")
    engines = {
        "kwsfeat": ours(c, clips),
        "librosa": lambda: librosa.feature.mfcc(S=librosa.power_to_db(librosa_mel(clips[0], c)), n_mfcc=75),
    }
    run(benchmark, table, "deep CNN, MFCC 75", engines, {"librosa": 12.0}, {"kwsfeat"})


def test_system_c(benchmark, table, clips):
    def scipy_logspec() -> object:
        return np.log(scipy.signal.spectrogram(clips[0], SR, window="hann", nperseg=320, noverlap=160, detrend=False)[2] + 1e-10)

    engines = {"kwsfeat": ours(preset("logspec16k"), clips), "scipy": scipy_logspec}
    run(benchmark, table, "light CNN, log-spectrogram 320/160, 99 x 161", engines, {"scipy": 9.0}, {"kwsfeat"})


def test_kaldi(benchmark, table, clips):
    knf = pytest.importorskip("kaldi_native_fbank")
    options = knf.FbankOptions()
    options.frame_opts.dither = 0.0
    options.mel_opts.num_bins = 40
    samples = clips[0] * 32768

    def kaldi() -> object:
        fbank = knf.OnlineFbank(options)
        fbank.accept_waveform(SR, samples)
        fbank.input_finished()
        return np.stack([fbank.get_frame(i) for i in range(fbank.num_frames_ready)])

    engines = {"kwsfeat": ours(preset("kaldi"), clips), "kaldi-native-fbank": kaldi}
    run(benchmark, table, "Kaldi fbank 40", engines, {"kaldi-native-fbank": 20.0}, {"kwsfeat"})


def test_butterworth(benchmark, table, clips):
    sos = butter_sos(35, 3000, sr=SR)
    engines = {
        "kwsfeat": lambda: sosfilt(sos, clips),
        "kwsfeat, one clip a call": lambda: sosfilt(sos, clips[0]),
        "scipy": lambda: scipy.signal.sosfilt(sos, clips, axis=1),
    }
    run(benchmark, table, "Butterworth order 35", engines, {"scipy": 12.0}, {"kwsfeat", "scipy"})


def test_threads(benchmark, table, clips):
    many = np.tile(clips, (8, 1))
    engines = {"kwsfeat, 2 threads": ours(preset("logmel"), many, 2), "kwsfeat, 1 thread": ours(preset("logmel"), many, 1)}
    compare(benchmark, table, "log-mel, 512 clips", engines, {"kwsfeat, 1 thread": 1.8}, dict.fromkeys(engines, len(many)))


@pytest.mark.parametrize("name", ["logmel", "mfcc", "whisper", "kaldi", "logspec16k", "mel75"])
def test_one_clip_a_call(benchmark, table, clips, name):
    """One clip may cost 1.5 times its share of a batch: the batch is at least 1 / 1.5 = 0.67 of it."""
    front_end = FrontEnd(preset(name))
    engines = {"kwsfeat, one clip a call": lambda: front_end.extract(clips[0]), "kwsfeat, batch": ours(preset(name), clips)}
    compare(benchmark, table, f"{name}: one clip a call", engines, {"kwsfeat, batch": 0.667}, {"kwsfeat, batch": N_CLIPS})


@pytest.mark.parametrize("name", ["logmel", "mel75"])
def test_silence_and_near_silence_cost_nothing_extra(benchmark, table, clips, name):
    """Denormal numbers would be ten times slower: a clip that fades to 1e-30, and digital silence, beside a normal one."""
    fading = clips * np.exp(-np.arange(SR) / 200.0).astype(np.float32)
    engines = {
        "normal": ours(preset(name), clips),
        "fading to 1e-30": ours(preset(name), fading),
        "silence": ours(preset(name), np.zeros_like(clips)),
    }
    compare(benchmark, table, f"{name}: silence", engines, {}, dict.fromkeys(engines, N_CLIPS))
