"""The kaldi presets, and random Kaldi options, against kaldi-native-fbank."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import noise_clip

from kwsfeat import FeatureConfig, FrontEnd, preset

knf = pytest.importorskip("kaldi_native_fbank")


def kaldi(y: np.ndarray, c: FeatureConfig) -> np.ndarray:
    """(n_frames, n_features) by kaldi-native-fbank with the options that `c` stands for."""
    options = knf.MfccOptions() if c.output == "mfcc" else knf.FbankOptions()
    frames = options.frame_opts
    frames.dither = 0.0
    frames.samp_freq = c.sr
    frames.frame_length_ms = 1000 * c.win_length / c.sr
    frames.frame_shift_ms = 1000 * c.hop_length / c.sr
    frames.snip_edges = c.framing == "none"
    frames.preemph_coeff = c.preemph
    frames.remove_dc_offset = c.remove_dc
    frames.window_type = {"povey": "povey", "hamming-symmetric": "hamming", "hann-symmetric": "hanning", "rectangular": "rectangular"}[
        c.window
    ]
    options.mel_opts.num_bins = c.n_mels
    options.mel_opts.low_freq = c.fmin_hz
    options.mel_opts.high_freq = c.fmax_hz or 0.0
    options.use_energy = c.energy != "none"
    options.raw_energy = c.energy == "raw"
    options.energy_floor = c.energy_floor
    options.htk_compat = c.energy_last
    if c.output == "mfcc":
        options.num_ceps = c.n_mfcc
        options.cepstral_lifter = c.lifter
        computer = knf.OnlineMfcc(options)
    else:
        options.use_power = c.spectrum == "power"
        computer = knf.OnlineFbank(options)
    computer.accept_waveform(c.sr, (y * 32768).tolist())
    computer.input_finished()
    return np.stack([computer.get_frame(i) for i in range(computer.num_frames_ready)])


@pytest.mark.parametrize("name", ["kaldi", "kaldi-mfcc"])
@pytest.mark.parametrize("framing", ["none", "symmetric"])
def test_presets_equal_kaldi(name, framing):
    config = replace(preset(name), framing=framing)
    for seed in range(5):
        y = noise_clip(16000, seed)
        np.testing.assert_allclose(FrontEnd(config).extract(y), kaldi(y, config), atol=2e-3)


def test_presets_equal_kaldi_on_a_real_clip(kws_data):
    import soundfile

    path = sorted((kws_data / "speech_commands" / "seven").glob("*.flac"))[0]
    y, _ = soundfile.read(path, dtype="float32")
    y = np.pad(y, (0, 16000 - y.size))
    for name in ("kaldi", "kaldi-mfcc"):
        np.testing.assert_allclose(FrontEnd(preset(name)).extract(y), kaldi(y, preset(name)), atol=2e-3)


@settings(max_examples=40)
@given(
    st.integers(2000, 9000), st.integers(160, 500), st.integers(40, 300), st.sampled_from(["none", "symmetric"]), st.booleans(),
    st.sampled_from([0.0, 0.97]), st.sampled_from(["povey", "hamming-symmetric", "hann-symmetric", "rectangular"]), st.integers(5, 30),
    st.sampled_from(["none", "raw", "windowed"]), st.booleans(), st.sampled_from(["power", "magnitude"]), st.integers(0, 99),
)  # fmt: skip
def test_random_kaldi_options(n_samples, win_length, hop_length, framing, remove_dc, preemph, window, n_mels, energy, last, spectrum, seed):
    n_fft = 1 << (win_length - 1).bit_length()
    config = replace(
        preset("kaldi"), n_samples=n_samples, n_fft=n_fft, win_length=win_length, hop_length=hop_length, framing=framing,
        remove_dc=remove_dc,
        preemph=preemph, window=window, n_mels=n_mels, fmin_hz=60.0, energy=energy, energy_last=last, spectrum=spectrum,
        mel_scale="htk",
    )  # fmt: skip
    y = noise_clip(n_samples, seed)
    ours, theirs = FrontEnd(config).extract(y), kaldi(y, config)
    assert ours.shape == theirs.shape
    np.testing.assert_allclose(ours, theirs, atol=2e-3)
