"""FrontEnd against the float64 twin over random configurations, and its behaviour at the edges."""

from __future__ import annotations

from dataclasses import replace

import naive
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from strategies import configs, noise_clip

from kwsfeat import PRESETS, AudioError, ConfigError, FeatureConfig, FrontEnd, preset


def logarithmic_bands(config: FeatureConfig) -> bool:
    return config.log in ("ln", "log10", "db") and config.output in ("mel", "spectrum")


def well_conditioned(config: FeatureConfig) -> bool:
    return config.output != "spectrum" and 8 * config.hop_length >= config.win_length and (config.deltas == 0 or config.normalize == "none")


slow = settings(max_examples=80, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much])


@pytest.mark.slow
@slow
@given(configs(log="none", top_db=None, log_ref=1.0, normalize="none", output="mel", energy="none"), st.integers(0, 10_000))
def test_random_bands_without_logarithm_equal_the_twin(config, seed):
    y = noise_clip(config.n_samples, seed)
    ours, exact = FrontEnd(config).extract(y), naive.features(y, config)
    assert ours.shape == exact.shape == config.shape
    np.testing.assert_allclose(ours, exact, rtol=2e-5, atol=2e-6 * np.abs(exact).max())


@pytest.mark.slow
@slow
@given(configs(normalize="none", deltas=0, energy="none", post_add=0.0, post_divide=1.0).filter(logarithmic_bands), st.integers(0, 10_000))
def test_random_log_bands_are_within_1e_4_of_float64(config, seed):
    """In ln units, for bands down to 50 dB and bins down to 40 dB below the clip's largest: float32 leaves no more in an FFT."""
    y = noise_clip(config.n_samples, seed)
    ours, exact = FrontEnd(config).extract(y), naive.features(y, config)
    linear = naive.features(y, replace(config, log="none", log_ref=1.0, top_db=None))
    if config.spectrum == "magnitude":
        linear = linear**2
    audible = linear >= (1e-4 if config.output == "spectrum" else 1e-5) * linear.max()
    assert audible.mean() > 0.05
    unit = {"ln": 1.0, "log10": 0.4343, "db": 4.343}[config.log]
    rounding = 2e-7 * np.abs(exact[audible]).max()  # half a unit in the last place of the result itself
    assert np.abs(ours - exact)[audible].max() <= 1e-4 * unit + rounding


@pytest.mark.slow
@slow
@given(configs(remove_dc=False, spectrum="power").filter(well_conditioned), st.integers(0, 10_000))
def test_random_whole_chains_equal_the_twin(config, seed):
    """Cepstra, energies, deltas, PCEN, normalisation: errors relative to the clip's largest value.

    Without single bins, which may lie 100 dB below others; and the slope between nearly equal frames is rounding, which
    normalising would blow up to any size: see `well_conditioned`.
    """
    y = noise_clip(config.n_samples, seed)
    ours, exact = FrontEnd(config).extract(y), naive.features(y, config)
    assert ours.shape == exact.shape == config.shape
    scale = np.abs(exact).max(axis=0, keepdims=True) + 0.05 * np.abs(exact).max() + 0.02
    assert np.quantile(np.abs(ours - exact) / scale, 0.99) < 2e-4
    assert np.abs((ours - exact) / scale).max() < 2e-2


@pytest.mark.parametrize("name", PRESETS)
@pytest.mark.parametrize("dtype", [np.float32, np.int16])
def test_every_preset_equals_the_twin(name, dtype):
    config = preset(name)
    integers = np.round(noise_clip(config.n_samples, 3) * 32768).clip(-32768, 32767).astype(np.int16)
    y = integers if dtype == np.int16 else (integers / 32768).astype(np.float32)
    ours, exact = FrontEnd(config).extract(y), naive.features(integers / 32768, config)
    tolerance = 1e-3 if config.log == "db" or config.output == "mfcc" else 1e-4
    np.testing.assert_allclose(ours, exact, rtol=2e-5, atol=tolerance)


@pytest.mark.parametrize("name", ["logmel", "mel75", "kaldi-mfcc", "whisper", "waveform22k"])
@pytest.mark.parametrize("n_clips", [1, 2, 17, 50])
def test_batch_threads_and_single_clips_give_the_same_bytes(name, n_clips):
    config = preset(name)
    clips = np.stack([noise_clip(config.n_samples, seed) for seed in range(n_clips)])
    front_end = FrontEnd(config)
    one = front_end.extract_batch(clips)
    np.testing.assert_array_equal(front_end.extract_batch(clips, threads=2), one)
    np.testing.assert_array_equal(front_end.extract_batch(clips, threads=8), one)
    np.testing.assert_array_equal(np.stack([front_end.extract(y) for y in clips]), one)  # with a low-pass: in its other form


def test_out_is_written_in_place_and_scratch_is_reused():
    front_end = FrontEnd(preset("logmel"))
    clips = np.stack([noise_clip(16000, seed) for seed in range(5)])
    out = np.full((5, 101, 40), np.nan, np.float32)
    assert front_end.extract_batch(clips, out) is out
    first = out.copy()
    front_end.extract_batch(clips[::-1].copy(), out)
    np.testing.assert_array_equal(out[::-1], first)


def test_read_only_memory_is_accepted():
    clips = noise_clip(16000, 0)[None]
    expected = FrontEnd(preset("logmel")).extract_batch(clips)
    clips.flags.writeable = False
    np.testing.assert_array_equal(FrontEnd(preset("logmel")).extract_batch(clips), expected)


@pytest.mark.parametrize("name", PRESETS)
def test_silence_gives_the_floor_and_nothing_else(name):
    config = preset(name)
    silent = FrontEnd(config).extract(np.zeros(config.n_samples, np.float32))
    assert np.isfinite(silent).all()
    np.testing.assert_allclose(silent, naive.features(np.zeros(config.n_samples), config), rtol=1e-5, atol=2e-4)


@pytest.mark.parametrize("name", PRESETS)
@pytest.mark.parametrize("level", [1.0, -1.0])
def test_full_scale_is_finite(name, level):
    config = preset(name)
    y = np.full(config.n_samples, level, np.float32)
    y[::3] = -level
    assert np.isfinite(FrontEnd(config).extract(y)).all()


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("position", [0, 7777, 15999])
def test_a_sample_that_is_not_finite_is_refused_or_stays_visible(bad, position):
    y = noise_clip(16000, 0)
    y[position] = bad
    front_end = FrontEnd(FeatureConfig())
    with pytest.raises(AudioError, match="the clip holds NaN or infinity"):
        front_end.extract(y)
    touched = np.flatnonzero(~np.isfinite(front_end.extract(y, check_finite=False)).all(axis=1))
    frame = position // 160
    assert touched.size > 0
    assert abs(touched - frame).max() <= 2
    with pytest.raises(AudioError, match="clip 1 of 3"):
        front_end.extract_batch(np.stack([noise_clip(16000, 0), y, y]))


@pytest.mark.parametrize("n_samples", [1, 2, 159, 161, 15999, 16001, 40000])
def test_clips_of_any_length_are_brought_to_the_configured_length(n_samples):
    y = noise_clip(n_samples, 1)
    config = preset("logmel")
    fixed = np.zeros(16000, np.float32)
    start = max(0, (n_samples - 16000) // 2)
    part = y[start : start + 16000]
    fixed[: part.size] = part
    np.testing.assert_array_equal(FrontEnd(config).extract(y), FrontEnd(config).extract(fixed))


@pytest.mark.parametrize("n_samples", [1, 3, 100])
def test_tiny_configurations_work(n_samples):
    config = FeatureConfig(n_samples=n_samples, n_fft=16, win_length=9, hop_length=5, n_mels=2)
    y = noise_clip(n_samples, 2)
    np.testing.assert_allclose(FrontEnd(config).extract(y), naive.features(y, config), atol=1e-4)


@pytest.mark.parametrize(
    ("clips", "message"),
    [
        (np.zeros((2, 3, 4), np.float32), "must be one-dimensional"),
        (np.zeros(0, np.float32), "empty|no samples|at least one"),
        (np.zeros(16000, np.int32), "int32 and must be float"),
        (np.zeros(16000, np.uint8), "uint8 and must be float"),
    ],
)
def test_arrays_that_are_no_clip_are_refused(clips, message):
    with pytest.raises(AudioError, match=message):
        FrontEnd(FeatureConfig()).extract(clips)


def test_batches_and_outputs_of_another_shape_are_refused():
    front_end = FrontEnd(FeatureConfig())
    with pytest.raises(AudioError, match=r"must have \(n_clips, n_samples\)"):
        front_end.extract_batch(np.zeros(16000, np.float32))
    with pytest.raises(AudioError, match=r"float32 array of shape \(3, 1, 40\)"):
        front_end.extract_batch(np.zeros((3, 100), np.float32), np.zeros((3, 101, 40), np.float32))
    with pytest.raises(AudioError, match="must be a writable C-contiguous float32"):
        front_end.extract_batch(np.zeros((3, 16000), np.float32), np.zeros((3, 101, 41), np.float32))
    with pytest.raises(ConfigError, match="threads=0"):
        front_end.extract_batch(np.zeros((3, 16000), np.float32), threads=0)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"lengths": np.array([8000, 8000])}, r"lengths has shape \(2,\) and type int64 and must have a whole number for each of 3 clips"),
        ({"lengths": np.array([[1, 2, 3]])}, r"lengths has shape \(1, 3\)"),
        ({"lengths": np.array([1.5, 2, 3])}, "and type float64"),
        ({"lengths": np.array([-1, 2, 3])}, "lengths of -1 to 3 samples must be between 0 and 16000"),
        ({"lengths": np.array([1, 2, 99999])}, "lengths of 1 to 99999 samples"),
        ({"rows": [-1, 2, 3]}, "rows must be whole numbers >= 0, and the least of these int64 is -1"),
        ({"rows": [1.5, 2, 3]}, "the least of these float64 is 1.5"),
        ({"seed": -1}, "seed=-1 must be a whole number >= 0"),
        ({"seed": 1.5}, "seed=1.5 must be a whole number"),
        ({"seed": (1, None)}, r"seed=\(1, None\) must be a whole number"),
    ],
)
def test_what_describes_a_batch_is_checked(given, message):
    front_end = FrontEnd(FeatureConfig(lowpass_hz=3000.0, dither=1e-5))
    with pytest.raises((AudioError, ConfigError), match=message):
        front_end.extract_batch(np.zeros((3, 16000), np.float32), **given)


def test_an_empty_batch_gives_an_empty_result():
    assert FrontEnd(FeatureConfig()).extract_batch(np.zeros((0, 16000), np.float32)).shape == (0, 101, 40)


def test_float64_is_rounded_and_other_layouts_are_copied():
    y = noise_clip(16000, 0)
    expected = FrontEnd(FeatureConfig()).extract(y)
    np.testing.assert_array_equal(FrontEnd(FeatureConfig()).extract(y.astype(np.float64)), expected)
    np.testing.assert_array_equal(FrontEnd(FeatureConfig()).extract(np.repeat(y, 2)[::2]), expected)
    integers = np.round(y * 32767).astype(np.int16)
    swapped = integers.astype(integers.dtype.newbyteorder())
    np.testing.assert_array_equal(FrontEnd(FeatureConfig()).extract(swapped), FrontEnd(FeatureConfig()).extract(integers))


def test_padding_stays_silent_behind_the_low_pass():
    """The deep CNN's front end filters the recording and then pads it: the filter's ringing must not reach the padding."""
    config = preset("mel75")
    front_end = FrontEnd(config)
    short = noise_clip(9000, 5)
    padded = np.zeros((20, 16000), np.float32)
    padded[:, :9000] = short
    batch = front_end.extract_batch(padded, lengths=np.full(20, 9000))
    np.testing.assert_allclose(batch[0], front_end.extract(short), atol=1e-6)
    filtered = np.zeros(16000)
    import scipy.signal

    sos = scipy.signal.butter(35, 3000, fs=16000, output="sos")
    filtered[:9000] = scipy.signal.sosfilt(sos, short.astype(np.float64))
    exact = naive.features(filtered, replace(config, lowpass_hz=None))
    np.testing.assert_allclose(batch[0], exact, atol=1e-4)
    assert np.abs(front_end.extract_batch(padded)[0] - exact).max() > 1e-3


def test_global_normalisation_uses_the_given_statistics():
    y = noise_clip(16000, 0)
    plain = FrontEnd(FeatureConfig()).extract(y)
    mean, std = plain.mean(axis=0), plain.std(axis=0)
    config = FeatureConfig(normalize="global", global_mean=tuple(map(float, mean)), global_std=tuple(map(float, std)))
    np.testing.assert_allclose(FrontEnd(config).extract(y), (plain - mean) / std, atol=1e-5)
