"""Mel scales and filterbanks against librosa, the twin, and the literal constants of Slaney's toolbox."""

from __future__ import annotations

import naive
import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from kwsfeat import ConfigError, FeatureConfig, mel_filterbank
from kwsfeat.design.mel import hz_to_mel, mel_to_hz


def test_slaney_mel_of_known_frequencies():
    # Auditory Toolbox: 200/3 Hz per mel below 1 kHz; 6400 Hz is 27 steps above.
    assert hz_to_mel([0.0, 200.0, 1000.0, 6400.0]) == pytest.approx([0.0, 3.0, 15.0, 42.0])


def test_htk_mel_of_known_frequencies():
    assert hz_to_mel([0.0, 700.0, 1000.0], "htk") == pytest.approx([0.0, 781.1728, 999.9855], abs=1e-3)


@given(st.floats(0, 2e4), st.sampled_from(["slaney", "htk"]))
def test_mel_and_back_is_the_identity(hz, mel_scale):
    assert mel_to_hz(hz_to_mel(hz, mel_scale), mel_scale) == pytest.approx(hz, rel=1e-9, abs=1e-9)


@pytest.mark.slow
@settings(max_examples=60)
@given(
    st.sampled_from([8000, 16000, 22050, 44100]), st.sampled_from([256, 400, 512, 2048]), st.integers(1, 80),
    st.sampled_from(["slaney", "htk"]), st.sampled_from(["hz", "mel", "bin"]), st.sampled_from(["none", "slaney", "l1", "l2", "linf"]),
    st.floats(0, 300), st.floats(0.6, 1.0),
)  # fmt: skip
def test_filterbank_equals_the_twin(sr, n_fft, n_mels, mel_scale, triangle_domain, norm, fmin_hz, share):
    options = {"sr": sr, "n_fft": n_fft, "n_mels": n_mels, "fmin_hz": fmin_hz, "fmax_hz": share * sr / 2}
    try:
        basis = mel_filterbank(**options, mel_scale=mel_scale, triangle_domain=triangle_domain, norm=norm)
    except ConfigError:
        assume(False)
    config = FeatureConfig(**options, win_length=n_fft // 2, mel_scale=mel_scale, triangle_domain=triangle_domain, mel_norm=norm)
    # twins differ in the last bit of an edge: a bin that lies on it may get 1e-12 or nothing
    np.testing.assert_allclose(basis, naive.mel_basis(config), rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("mel_scale", ["slaney", "htk"])
@pytest.mark.parametrize("norm", ["slaney", "none"])
def test_filterbank_equals_librosa(mel_scale, norm):
    librosa = pytest.importorskip("librosa")
    ours = mel_filterbank(sr=16000, n_fft=512, n_mels=40, fmin_hz=20, fmax_hz=7600, mel_scale=mel_scale, norm=norm)
    theirs = librosa.filters.mel(
        sr=16000, n_fft=512, n_mels=40, fmin=20, fmax=7600, htk=mel_scale == "htk", norm="slaney" if norm == "slaney" else None
    )
    np.testing.assert_allclose(ours, theirs, atol=1e-7)


def test_every_band_peaks_within_one_bin_of_its_centre():
    basis = mel_filterbank(sr=16000, n_fft=2048, n_mels=40, norm="none")
    centres_hz = mel_to_hz(np.linspace(0, hz_to_mel(8000.0), 42))[1:-1]
    assert np.all(np.abs(basis.argmax(axis=1) * 16000 / 2048 - centres_hz) <= 16000 / 2048)
    assert basis.min() >= 0
