"""One FrontEnd, recordings of every length: the same values as a FrontEnd that was configured for that length."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, reject, settings
from hypothesis import strategies as st
from strategies import configs, noise_clip

from kwsfeat import AudioError, ConfigError, FeatureConfig, FrontEnd, mfcc, preset, spectrogram, stft

slow = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much])


@slow
@given(configs(), st.integers(600, 9000), st.integers(0, 99))
def test_a_recording_is_a_clip_of_its_own_length(config, n_samples, seed):
    y = noise_clip(n_samples, seed)
    try:
        configured = replace(config, n_samples=n_samples)
    except ConfigError:
        reject()
    ours = FrontEnd(config).extract_recording(y)
    assert ours.shape == (config.frames_of(n_samples), config.n_features)
    np.testing.assert_array_equal(ours, FrontEnd(configured).extract(y))


@pytest.mark.parametrize("name", ["logmel", "mel75", "kaldi-mfcc", "whisper", "waveform22k"])
def test_lengths_in_any_order_leave_no_trace_on_each_other(name):
    config = preset(name)
    shared = FrontEnd(config)
    for n_samples in (config.n_samples, 5000, 70_000, 5001, config.n_samples):
        clips = np.stack([noise_clip(n_samples, seed) for seed in range(18)])
        alone = FrontEnd(config)
        batch = shared.extract_batch(clips, threads=2)
        assert batch.shape == (18, config.frames_of(n_samples), config.n_features)
        np.testing.assert_array_equal(batch, alone.extract_batch(clips))
        np.testing.assert_array_equal(batch[3], alone.extract_recording(clips[3]))


def test_what_is_for_one_clip_still_pads_and_crops():
    config = preset("logmel")
    front_end, y = FrontEnd(config), noise_clip(24_000, 1)
    front_end.extract_recording(y)
    assert front_end.extract(y).shape == config.shape
    np.testing.assert_array_equal(front_end.extract(y), FrontEnd(config).extract(y[4000:20_000]))


def test_scratch_memory_grows_once_and_very_long_recordings_give_it_back():
    front_end = FrontEnd(preset("logmel"))
    for n_samples in (16_000, 160_000):
        front_end.extract_recording(noise_clip(n_samples, 0))
    (memory,) = front_end._memories
    record = memory._handle.record
    for n_samples in (8000, 160_000, 16_000, 159_999):
        front_end.extract_recording(noise_clip(n_samples, 0))
    assert front_end._memories == [memory]
    assert memory._handle.record is record
    front_end.extract_recording(np.zeros(160 * (front_end._kept_rows + 10), np.int16))
    assert front_end._memories == []
    assert front_end.extract(noise_clip(16_000, 0)).shape == (101, 40)


@pytest.mark.parametrize(
    ("config", "n_samples", "message"),
    [
        (FeatureConfig(), 0, "no samples: at least one"),
        (FeatureConfig(framing="none"), 511, "511 samples gives no frame of 512: lengthen it, or choose framing 'zero'"),
        (FeatureConfig(framing="none", window_align="left"), 399, "399 samples gives no frame of 400"),
        (FeatureConfig(drop_last_frame=True), 100, "100 samples gives no frame"),
        (FeatureConfig(framing="reflect"), 256, "256 samples must have more than n_fft / 2 = 256 to be mirrored"),
        (FeatureConfig(deltas=1), 1279, "1279 samples gives 8 frames and deltas take delta_width=9"),
    ],
)
def test_what_is_too_short_is_refused_and_one_sample_more_is_not(config, n_samples, message):
    front_end = FrontEnd(config)
    with pytest.raises(AudioError, match=message):
        front_end.extract_recording(np.zeros(n_samples, np.float32))
    with pytest.raises(AudioError, match=message):
        front_end.extract_batch(np.zeros((2, n_samples), np.float32))
    if n_samples != 100:
        assert len(front_end.extract_recording(np.zeros(n_samples + 1, np.float32))) >= 1


def test_functions_share_their_tables_between_lengths():
    from kwsfeat.features.spectral import cached_front_end

    cached_front_end.cache_clear()
    for n_samples in (3000, 3001, 16_000):
        y = noise_clip(n_samples, 0)
        assert mfcc(y).shape == (1 + n_samples // 512, 20)
        assert spectrogram(y, n_fft=512).shape == (1 + n_samples // 128, 257)
        np.testing.assert_allclose(np.abs(stft(y, n_fft=512)) ** 2, spectrogram(y, n_fft=512), rtol=1e-3, atol=1e-4)
    assert cached_front_end.cache_info().misses == 2
