"""The presets of python_speech_features, Whisper (asrfront) and torchaudio (its formula in torch) against those libraries."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import noise_clip

from kwsfeat import FeatureConfig, FrontEnd, mel_filterbank, preset


@settings(max_examples=25)
@given(st.integers(1000, 16000), st.sampled_from([0.02, 0.025]), st.sampled_from([0.01, 0.015]), st.integers(8, 40), st.integers(0, 99))
def test_python_speech_features(n_samples, window_s, step_s, n_mels, seed):
    psf = pytest.importorskip("python_speech_features")
    y = noise_clip(n_samples, seed)
    options = {"winlen": window_s, "winstep": step_s, "nfilt": n_mels, "nfft": 512}
    theirs = psf.mfcc(y, 16000, **options, numcep=8, appendEnergy=False)
    base = preset("python-speech-features").to_dict()
    frame = {"n_samples": n_samples, "win_length": int(window_s * 16000), "hop_length": int(step_s * 16000), "n_mels": n_mels}
    config = FeatureConfig.from_partial({**base, **frame, "n_mfcc": 8})
    np.testing.assert_allclose(FrontEnd(config).extract(y), theirs, atol=2e-3)


def test_whisper():
    asrfront = pytest.importorskip("asrfront")
    clips = np.stack([noise_clip(16000, seed) for seed in range(6)])
    theirs = np.stack(list(asrfront.whisper.log_mel_batch(list(clips), pad_or_trim=False, n_threads=1)))
    ours = FrontEnd(preset("whisper")).extract_batch(clips)
    np.testing.assert_allclose(ours, theirs.transpose(0, 2, 1), atol=1e-3)


def test_torchaudio_formula():
    """torchaudio.transforms.MelSpectrogram and AmplitudeToDB spelled out on torch.stft, as their source does."""
    torch = pytest.importorskip("torch")
    config = preset("torchaudio")
    basis = torch.from_numpy(mel_filterbank(sr=16000, n_fft=400, n_mels=64, mel_scale="htk", norm="none"))
    for seed in range(5):
        y = noise_clip(16000, seed)
        spectrum = torch.stft(
            torch.from_numpy(y), 400, 200, 400, torch.hann_window(400), center=True, pad_mode="reflect", return_complex=True
        ).abs() ** 2.0  # fmt: skip
        db = 10.0 * torch.log10(torch.clamp(basis @ spectrum, min=1e-10))
        db = torch.maximum(db, db.max() - 80.0)
        np.testing.assert_allclose(FrontEnd(config).extract(y), db.numpy().T, atol=2e-3)
