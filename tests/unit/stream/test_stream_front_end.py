"""StreamFrontEnd against FrontEnd on the whole recording: bit for bit, for any configuration that streams and any way to cut."""

from __future__ import annotations

import pickle
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, reject, settings
from hypothesis import strategies as st
from strategies import configs, noise_clip

from kwsfeat import PRESETS, AudioError, ConfigError, FeatureConfig, FrontEnd, StreamFrontEnd, preset
from kwsfeat.audio.clip import resample
from kwsfeat.audio.waveform import as_int16

LOGMEL = preset("logmel")


def pushed(stream: StreamFrontEnd, y: np.ndarray, sizes: list[int]) -> list[np.ndarray]:
    """What each piece gave, and the end; the sizes are taken again and again."""
    out, start, k = [], 0, 0
    while start < len(y):
        n = sizes[k % len(sizes)]
        out.append(stream.push(y[start : start + n]))
        start, k = start + n, k + 1
    return [*out, stream.finish()]


def streamed(config: FeatureConfig, y: np.ndarray, sizes: list[int]) -> np.ndarray:
    return np.concatenate(pushed(StreamFrontEnd(config), y, sizes))


def cuts(hop: int) -> st.SearchStrategy[list[int]]:
    """Sizes of pieces, at least one of which takes the signal on."""
    size = st.one_of(st.sampled_from([0, 1, hop - 1, hop, hop + 1, 1280, 100_000]), st.integers(0, 5000))
    return st.lists(size, min_size=1, max_size=8).filter(lambda sizes: sum(sizes) >= 40)


STREAMS: dict[str, object] = {"peak_normalize": False, "log_ref": 1.0, "top_db": None}


@pytest.mark.slow
@settings(max_examples=25, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much])
@given(st.data())
def test_any_config_and_any_cut_give_the_bits_of_the_whole_recording(data):
    config = data.draw(configs(**STREAMS, normalize="none"))
    try:
        config = replace(
            config,
            win_length=data.draw(st.one_of(st.just(config.win_length), st.integers(1, config.n_fft))),
            hop_length=data.draw(st.one_of(st.just(config.hop_length), st.integers(1, 2 * config.n_fft))),
            lowpass_hz=data.draw(st.sampled_from([None, None, 1000.0])),
            lowpass_order=data.draw(st.sampled_from([1, 8, 35])),
            dither=data.draw(st.sampled_from([0.0, 0.0, 0.01])),
        )
    except ConfigError:
        reject()
    n = data.draw(st.integers(config.n_samples, 12_000))
    y = noise_clip(n, data.draw(st.integers(0, 1000)))
    if data.draw(st.booleans()):
        y = (y * 32767).clip(-32768, 32767).astype(np.int16)
    whole = FrontEnd(config).extract_recording(y)
    np.testing.assert_array_equal(streamed(config, y, data.draw(cuts(config.hop_length))), whole)


@pytest.mark.parametrize("name", [name for name in PRESETS if name != "micro-frontend"])
def test_every_preset_streams_without_what_needs_the_whole_clip(name):
    config = replace(preset(name), **STREAMS, resample_from_hz=0)
    config = replace(config, normalize="global", global_mean=(0.5,) * config.n_features, global_std=(2.0,) * config.n_features)
    y = noise_clip(30_011, 5)
    whole = FrontEnd(config).extract_recording(y)
    for sizes in ([1280], [1, 159, 161, 4000], [100_000]):
        np.testing.assert_array_equal(streamed(config, y, sizes), whole)


@pytest.mark.parametrize("sizes", [[0, 100_000], [160], [1], [0, 999]], ids=str)
@pytest.mark.parametrize(
    "changes",
    [
        {"n_fft": 512, "win_length": 200, "framing": "zero"},
        {"n_fft": 1024, "win_length": 240, "hop_length": 3, "framing": "zero", "drop_last_frame": True},
        {"n_fft": 256, "win_length": 100, "framing": "reflect"},
        {"n_fft": 512, "win_length": 1, "framing": "symmetric", "drop_last_frame": True, "preemph": 0.97},
        {"n_fft": 512, "win_length": 1, "hop_length": 1500, "framing": "symmetric", "preemph": 0.97},
    ],
    ids=str,
)
def test_windows_far_shorter_than_the_fft_give_the_bits_of_the_whole_recording(changes, sizes):
    config = FeatureConfig(window_align="left", output="spectrum", **changes)
    y = noise_clip(3000, 9)
    np.testing.assert_array_equal(streamed(config, y, sizes), FrontEnd(config).extract_recording(y))


def test_a_mixture_of_types_is_one_signal():
    integers = (noise_clip(9000, 0) * 32768).astype(np.int16)
    stream = StreamFrontEnd(LOGMEL)
    parts = [integers[:3000], integers[3000:6000] / 32768, (integers[6000:] / 32768).astype(np.float32)]
    out = np.concatenate([*(stream.push(part) for part in parts), stream.finish()])
    np.testing.assert_array_equal(out, FrontEnd(LOGMEL).extract_recording(integers))


@pytest.mark.parametrize(
    "changes",
    [{}, {"framing": "none"}, {"framing": "reflect"}, {"framing": "symmetric"}, {"framing": "end"}, {"deltas": 2},
     {"deltas": 2, "delta_kind": "htk"}, {"output": "waveform"}, {"hop_length": 700}, {"drop_last_frame": True},
     {"hop_length": 700, "drop_last_frame": True}, {"framing": "end", "drop_last_frame": True},
     {"window_align": "left", "win_length": 100, "drop_last_frame": True}],
    ids=str,
)  # fmt: skip
def test_a_frame_comes_with_the_sample_that_completes_it(changes):
    config = replace(LOGMEL, **changes)
    stream = StreamFrontEnd(config)
    y = noise_clip(9_000, 1)
    n_known = np.cumsum([len(stream.push(y[i : i + 1])) for i in range(len(y))])
    first, hop = stream.latency * config.sr, stream.hop_s * config.sr
    due = np.floor((np.arange(1, len(y) + 1) - first) / hop + 1e-9) + 1
    late = due > 12  # the first ones may wait for a mirrored edge or for their deltas
    np.testing.assert_array_equal(n_known[late], due[late])
    assert (n_known <= np.maximum(due, 0)).all()
    assert stream.n_frames == n_known[-1]


@pytest.mark.parametrize("n", [0, 1, 100, 256, 257, 400, 511, 512, 513])
@pytest.mark.parametrize("framing", ["zero", "reflect", "symmetric", "none", "end"])
@pytest.mark.parametrize("deltas", [0, 1])
def test_a_signal_that_ends_early_has_the_frames_of_a_recording_or_none(n, framing, deltas):
    config = replace(LOGMEL, framing=framing, deltas=deltas)
    y = noise_clip(1 + n, 2)[:n]
    try:
        whole = FrontEnd(config).extract_recording(y)
    except AudioError:
        whole = np.empty((0, config.n_features), np.float32)
    np.testing.assert_array_equal(streamed(config, y, [100]), whole)


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (np.array([0.1, np.nan], np.float32), "samples holds NaN or infinity"),
        (np.array([0.1, -np.inf]), "samples holds NaN or infinity"),
        (np.array([3000.0, -4.0]), "must lie between -1 and 1"),
        (np.zeros((100, 2), np.float32), r"shape \(100, 2\) and must be one-dimensional"),
        (np.zeros(100, np.int32), "samples of type int32 and must be float in"),
    ],
)
def test_a_push_that_is_refused_takes_nothing(bad, message):
    config = replace(LOGMEL, log="pcen", deltas=1, lowpass_hz=3000.0, dither=0.01)
    y = noise_clip(8000, 3)
    stream = StreamFrontEnd(config)
    out = [stream.push(y[:3333])]
    with pytest.raises(AudioError, match=message) as error:
        stream.push(bad)
    assert "\n" not in str(error.value)
    out += [stream.push(y[3333:]), stream.finish()]
    np.testing.assert_array_equal(np.concatenate(out), FrontEnd(config).extract_recording(y))


@pytest.mark.slow
@settings(max_examples=20)
@given(st.sampled_from([8000, 11025, 22050, 44100, 48000, 96000, 16001]), st.integers(0, 40_000), st.data())
def test_another_rate_gives_the_bits_of_the_resampled_recording(sr, n, data):
    y = noise_clip(n + 1, n)[:n]
    clip = as_int16(resample(y, sr, 16000))
    config = data.draw(st.sampled_from([LOGMEL, replace(LOGMEL, framing="reflect", log="pcen", deltas=1, lowpass_hz=3000.0)]))
    whole = FrontEnd(config).extract_recording(clip) if clip.size > 2000 else streamed(config, clip, [100_000])
    stream = StreamFrontEnd(config, sr=sr)
    np.testing.assert_array_equal(np.concatenate(pushed(stream, y, data.draw(cuts(sr // 100)))), whole)
    stream.reset()
    n_known = np.cumsum([len(stream.push(y[i : i + 50])) for i in range(0, n - n % 50, 50)])
    due = np.floor((np.arange(1, n // 50 + 1) * 50 / sr - stream.latency) / stream.hop_s - 1e-9) + 1
    assert (n_known >= due)[due > 12].all()


@pytest.mark.parametrize("sr", [48000, 44100, 8000])
def test_a_resampled_stream_goes_on_from_its_state_within_a_step_of_16_bits(sr):
    y = noise_clip(2 * sr, 8)
    config = FeatureConfig(output="waveform")
    whole = FrontEnd(config).extract_recording(as_int16(resample(y, sr, 16000)))
    for cut in (0, 100, sr // 3, sr + 7):
        stream, resumed = StreamFrontEnd(config, sr=sr), StreamFrontEnd(config, sr=sr)
        first = np.concatenate([stream.push(y[i : min(i + 999, cut)]) for i in range(0, cut + 1, 999)])
        resumed.restore(stream.state())
        rest = [resumed.push(y[i : i + 555]) for i in range(cut, len(y), 555)]
        both = np.concatenate([first, *rest, resumed.finish()])
        assert both.shape == whole.shape
        assert np.abs(both - whole).max() <= 1 / 32768
        assert (both != whole).mean() < 0.01


def test_silence_and_clipping_are_signals_too():
    y = np.concatenate([np.zeros(5000, np.int16), np.full(3000, 32767, np.int16), np.full(3000, -32768, np.int16)])
    for name in ("logmel", "kaldi", "bcresnet", "micro-frontend"):
        np.testing.assert_array_equal(streamed(preset(name), y, [1280, 77]), FrontEnd(preset(name)).extract_recording(y))


@pytest.mark.parametrize("input_scale", [1.0, 32768.0])
@pytest.mark.parametrize("changes", [{}, {"deltas": 2}, {"output": "spectrum"}, {"post_divide": 1000.0}], ids=str)
def test_a_filter_that_fades_into_silence_ends_in_the_same_zeros(changes, input_scale):
    """Its values pass below 1e-38, where a piece kept what the whole recording rounds to zero."""
    config = replace(LOGMEL, log="pcen", lowpass_hz=1000.0, input_scale=input_scale, **changes)
    y = np.concatenate([noise_clip(8000, 3), np.zeros(32_000, np.float32)])
    whole = FrontEnd(config).extract_recording(y)
    assert (whole[-1] == 0).all()
    np.testing.assert_array_equal(streamed(config, y, [1000, 77]), whole)


MICRO = preset("micro-frontend")
RICH = replace(LOGMEL, log="pcen", deltas=2, preemph=0.9, framing="reflect", lowpass_hz=3000.0, dither=0.01, post_add=1.0)


def test_a_stream_goes_on_from_its_state_and_streams_share_nothing():
    y, other = noise_clip(20_000, 4), noise_clip(20_000, 5)
    whole = FrontEnd(RICH).extract_recording(y)
    for cut in (0, 1, 100, 5000, 19_999):
        stream = StreamFrontEnd(RICH)
        first = stream.push(y[:cut])
        state = stream.state()
        resumed, copied = StreamFrontEnd(RICH), pickle.loads(pickle.dumps(stream))
        resumed.push(other[:777])
        resumed.restore(state)
        stream.push(other)  # neither the state nor what came of it changes with the stream
        for one in (resumed, copied):
            np.testing.assert_array_equal(np.concatenate([first, one.push(y[cut:]), one.finish()]), whole)
            assert one.n_frames == len(whole)


def test_reset_equals_a_new_object_and_an_ended_stream_says_so():
    y = noise_clip(6000, 6)
    stream = StreamFrontEnd(RICH)
    first = np.concatenate([stream.push(y), stream.finish()])
    for call in (lambda: stream.push(y), stream.finish):
        with pytest.raises(AudioError, match=r"the stream has ended: reset\(\) begins another"):
            call()
    ended = stream.state()
    stream.reset()
    assert stream.n_frames == 0
    np.testing.assert_array_equal(np.concatenate(pushed(stream, y, [500])), first)
    stream.reset()
    stream.restore(ended)
    with pytest.raises(AudioError, match="has ended"):
        stream.push(y)


@pytest.mark.parametrize(
    "change",
    [
        lambda s: s | {"fingerprint": "0"},
        lambda s: s | {"sr": 8000},
        lambda s: {},
        lambda s: None,
        lambda s: s | {"frames": s["frames"] | {"n_frames": 3}},
        lambda s: s | {"frames": s["frames"] | {"n_samples": 10**6}},
        lambda s: s | {"frames": s["frames"] | {"samples": s["frames"]["samples"][1:]}},
        lambda s: s | {"context": s["context"] | {"n_out": 1}},
        lambda s: s | {"context": s["context"] | {"frames": s["context"]["frames"][1:]}},
        lambda s: s | {"conditioning": s["conditioning"] | {"dither": 4}},
    ],
)
def test_a_state_that_is_none_is_refused_and_changes_nothing(change):
    y = noise_clip(9000, 7)
    stream = StreamFrontEnd(RICH)
    out = [stream.push(y[:5000])]
    with pytest.raises(ConfigError, match="this is not a state of this stream"):
        stream.restore(change(stream.state()))
    out += [stream.push(y[5000:]), stream.finish()]
    np.testing.assert_array_equal(np.concatenate(out), FrontEnd(RICH).extract_recording(y))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"peak_normalize": True}, "peak_normalize=True cannot stream: it divides by the clip's largest sample"),
        ({"top_db": 80.0}, "top_db=80.0 cannot stream"),
        ({"log_ref": "max"}, "log_ref='max' cannot stream"),
        ({"normalize": "row-l1"}, "normalize='row-l1' cannot stream"),
        ({"normalize": "mean"}, "normalize='mean' cannot stream"),
        ({"resample": "fft"}, "resample='fft' from 48000 to 16000 Hz cannot stream"),
        ({"resample": "fft", "resample_from_hz": 8000}, "resample_from_hz=8000 cannot stream"),
    ],
)
def test_what_needs_the_whole_clip_is_refused_by_name(changes, message):
    with pytest.raises(ConfigError, match=message) as error:
        StreamFrontEnd(replace(LOGMEL, **changes), sr=48000)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("sr", [0, 999, -16000, 1_000_001])
def test_a_rate_out_of_bounds_is_refused(sr):
    with pytest.raises(ConfigError, match=f"sr={sr} must be from 1,000 to 1,000,000 Hz"):
        StreamFrontEnd(LOGMEL, sr=sr)
