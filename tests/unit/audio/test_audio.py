"""Decoding: every kind of recording becomes the clip that the configuration asks for, or one clear error."""

from __future__ import annotations

import io
import struct
from pathlib import Path

import numpy as np
import pytest
import scipy.signal
import soundfile
import soxr
from hypothesis import given, settings
from hypothesis import strategies as st

import kwsfeat
from kwsfeat.audio.clip import fix_length, load_clip, trim_silence
from kwsfeat.audio.read import read_samples
from kwsfeat.config.features import FeatureConfig
from kwsfeat.config.presets import preset
from kwsfeat.errors import AudioError, ConfigError

RNG = np.random.default_rng(7)
SECOND = RNG.integers(-20000, 20000, 16000).astype(np.int16)
CONFIG = FeatureConfig()


def wav_chunks(*chunks: tuple[bytes, bytes]) -> bytes:
    body = b"".join(name + struct.pack("<I", len(data)) + data + b"\0" * (len(data) % 2) for name, data in chunks)
    return b"RIFF" + struct.pack("<I", 4 + len(body)) + b"WAVE" + body


FMT = struct.pack("<HHIIHH", 1, 1, 16000, 32000, 2, 16)


def test_16_bit_at_the_right_rate_passes_through_bit_for_bit(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", SECOND, 16000)
    y, length = load_clip(tmp_path / "a.wav", CONFIG)
    assert y.dtype == np.int16
    assert length == 16000
    np.testing.assert_array_equal(y, SECOND)


LOSSLESS = ["wav PCM_24", "wav PCM_32", "flac PCM_16", "flac PCM_24", "aiff PCM_16", "au PCM_16", "w64 PCM_16", "caf PCM_16"]


@pytest.mark.parametrize("kind", [*LOSSLESS, "wav FLOAT", "wav DOUBLE"])
def test_lossless_formats_give_the_same_samples(tmp_path: Path, kind: str) -> None:
    suffix, subtype = kind.split()
    path = tmp_path / f"a.{suffix}"
    soundfile.write(path, SECOND if kind in LOSSLESS else SECOND / 32768, 16000, subtype=subtype)
    np.testing.assert_array_equal(load_clip(path, CONFIG)[0], SECOND)


@pytest.mark.parametrize("kind", ["wav PCM_U8", "ogg VORBIS", "mp3 MPEG_LAYER_III"])
def test_lossy_formats_keep_a_tone(tmp_path: Path, kind: str) -> None:
    suffix, subtype = kind.split()
    tone = 0.5 * np.sin(2 * np.pi * 500 * np.arange(16000) / 16000)
    soundfile.write(tmp_path / f"a.{suffix}", tone, 16000, subtype=subtype)
    y, _ = load_clip(tmp_path / f"a.{suffix}", CONFIG)
    spectrum = np.abs(np.fft.rfft(y[4000:12000] / 32768)) / 4000
    assert np.argmax(spectrum) == 250
    assert spectrum[250] == pytest.approx(0.5, rel=0.1)


def test_channels_are_averaged(tmp_path: Path) -> None:
    left, right = np.full(16000, 0.5), np.full(16000, -0.25)
    soundfile.write(tmp_path / "a.wav", np.stack([left, right], axis=1), 16000, subtype="PCM_16")
    np.testing.assert_array_equal(load_clip(tmp_path / "a.wav", CONFIG)[0], np.full(16000, 4096))


def test_another_rate_is_resampled_by_soxr(tmp_path: Path) -> None:
    t = np.arange(44100) / 44100
    soundfile.write(tmp_path / "a.wav", 0.5 * np.sin(2 * np.pi * 1000 * t), 44100, subtype="FLOAT")
    y, length = load_clip(tmp_path / "a.wav", CONFIG)
    expected = 0.5 * np.sin(2 * np.pi * 1000 * np.arange(16000) / 16000)
    assert length == 16000
    np.testing.assert_allclose(y[1000:-1000] / 32768, expected[1000:-1000], atol=1e-4)


def test_system_c_fixes_the_length_and_then_resamples_by_fft(tmp_path: Path) -> None:
    config = preset("logspec8k")
    soundfile.write(tmp_path / "a.wav", SECOND[:12000], 16000)
    y, length = load_clip(tmp_path / "a.wav", config)
    at_16k = np.concatenate([np.zeros(4000), SECOND[:12000] / 32768])
    np.testing.assert_allclose(y, 32768 * scipy.signal.resample(at_16k, 8000), atol=0.51)
    assert length == 6000


def test_system_c_takes_other_rates_to_its_own_first(tmp_path: Path) -> None:
    config = preset("logspec8k")
    y48 = 0.3 * np.sin(2 * np.pi * 440 * np.arange(48000) / 48000)
    soundfile.write(tmp_path / "a.wav", y48, 48000, subtype="FLOAT")
    y, length = load_clip(tmp_path / "a.wav", config)
    at_16k = soxr.resample(y48.astype(np.float32), 48000, 16000)
    np.testing.assert_allclose(y, 32768 * scipy.signal.resample(at_16k, 8000), atol=0.51)
    assert length == 8000


@pytest.mark.parametrize(("pad", "first"), [("end", 0), ("front", 6000), ("center", 3000)])
def test_short_clips_get_zeros(tmp_path: Path, pad: str, first: int) -> None:
    soundfile.write(tmp_path / "a.wav", SECOND[:10000], 16000)
    y, length = load_clip(tmp_path / "a.wav", FeatureConfig(pad=pad))  # type: ignore[arg-type]
    assert length == 10000
    np.testing.assert_array_equal(y[first : first + 10000], SECOND[:10000])
    assert not y[:first].any()
    assert not y[first + 10000 :].any()


def test_long_clips_are_cropped() -> None:
    y = np.zeros(40000, np.int16)
    y[21000:23000] = 1000
    for crop, first in (("start", 0), ("center", 12000)):
        np.testing.assert_array_equal(fix_length(y, FeatureConfig(crop=crop))[0], y[first : first + 16000])  # type: ignore[arg-type]
    loudest, length = fix_length(y, FeatureConfig(crop="loudest"))
    assert np.count_nonzero(loudest) == 2000
    assert length == 16000


def test_random_crops_depend_on_the_seed_only() -> None:
    y, config = np.arange(30000), FeatureConfig(crop="random")
    firsts = {seed: int(fix_length(y, config, seed=(seed,))[0][0]) for seed in range(20)}
    assert firsts == {seed: int(fix_length(y, config, seed=(seed,))[0][0]) for seed in range(20)}
    assert len(set(firsts.values())) > 15
    assert all(0 <= first <= 14000 for first in firsts.values())


def test_start_and_stop_cut_a_piece(tmp_path: Path) -> None:
    for path in (tmp_path / "a.wav", tmp_path / "a.flac"):
        soundfile.write(path, SECOND, 16000)
        y, length = load_clip(path, CONFIG, start=3000, stop=5000)
        assert length == 2000
        np.testing.assert_array_equal(y[:2000], SECOND[3000:5000])
        with pytest.raises(AudioError, match="no samples from 16000"):
            load_clip(path, CONFIG, start=16000)


def test_trim_drops_the_quiet_ends() -> None:
    y = np.zeros(16000, np.int16)
    y[4000:8000] = 10000
    y[:100] = 30  # 50 dB below
    trimmed = trim_silence(y, 16000, 40.0)
    assert 4000 <= len(trimmed) <= 4640
    assert np.count_nonzero(trimmed) == 4000
    np.testing.assert_array_equal(trim_silence(np.zeros(5000, np.int16), 16000, 40.0), np.zeros(5000))


def test_out_is_written_in_place(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", SECOND, 16000)
    out = np.zeros(16000, np.int16)
    y, _ = load_clip(tmp_path / "a.wav", CONFIG, out=out)
    assert y is out
    np.testing.assert_array_equal(out, SECOND)


def test_loud_samples_are_clipped_not_wrapped(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", np.array([1.5, -1.5, 0.5] * 5000), 16000, subtype="FLOAT")
    assert load_clip(tmp_path / "a.wav", CONFIG)[0][:3].tolist() == [32767, -32768, 16384]


def test_file_objects_are_read(tmp_path: Path) -> None:
    file = io.BytesIO()
    soundfile.write(file, SECOND, 16000, format="WAV")
    file.seek(0)
    np.testing.assert_array_equal(load_clip(file, CONFIG)[0], SECOND)


@settings(max_examples=100)
@given(
    n=st.integers(1, 6000),
    before=st.lists(st.tuples(st.sampled_from([b"junk", b"PAD ", b"FLLR", b"minf"]), st.binary(max_size=6000)), max_size=2),
    after=st.binary(max_size=50),
    cut=st.tuples(st.integers(0, 6500), st.none() | st.integers(1, 6500)),
)
def test_the_fast_path_equals_libsndfile(
    tmp_path_factory: pytest.TempPathFactory,
    n: int,
    before: list[tuple[bytes, bytes]],
    after: bytes,
    cut: tuple[int, int | None],
) -> None:
    """Odd chunks before and after the samples, pieces, lengths."""
    data = wav_chunks((b"fmt ", FMT), *before, (b"data", SECOND[:n].tobytes()), (b"junk", after))
    path = tmp_path_factory.mktemp("wav") / "a.wav"
    path.write_bytes(data)
    start, stop = cut
    expected = soundfile.read(path, dtype="int16")[0][start:stop]
    if len(expected):
        y, sr = read_samples(path, start=start, stop=stop)
        assert sr == 16000
        np.testing.assert_array_equal(y, expected)
    else:
        with pytest.raises(AudioError, match="no samples"):
            read_samples(path, start=start, stop=stop)


def test_a_stream_that_was_never_closed_is_read_to_its_end(tmp_path: Path) -> None:
    """ffmpeg writing to a pipe cannot go back to fill in the sizes."""
    data = bytearray(wav_chunks((b"fmt ", FMT), (b"data", SECOND.tobytes())))
    data[40:44] = b"\xff\xff\xff\xff"
    data[4:8] = b"\xff\xff\xff\xff"
    (tmp_path / "a.wav").write_bytes(data)
    np.testing.assert_array_equal(load_clip(tmp_path / "a.wav", CONFIG)[0], SECOND)


def written(path: Path, y: np.ndarray, **options: str) -> bytes:
    soundfile.write(path, y, 16000, **options)
    return path.read_bytes()


BAD = {
    "text": (lambda path: b"This is text, whatever its name says.\n", "not a recording"),
    "zero bytes": (lambda path: b"", "empty, 0 bytes"),
    "no samples": (lambda path: written(path, np.zeros(0, np.int16)), "no samples"),
    "truncated": (lambda path: written(path, SECOND)[:20000], "truncated: 19956 of 32000 bytes"),
    "truncated in the header": (lambda path: written(path, SECOND)[:30], "not a recording"),
    "truncated after the header": (lambda path: written(path, SECOND)[:44], "truncated"),
    "truncated 24 bit": (lambda path: written(path, SECOND, subtype="PCM_24")[:20000], "truncated"),
    "truncated stereo": (lambda path: written(path, np.stack([SECOND, SECOND], axis=1))[:20000], "truncated"),
    "NaN": (lambda path: written(path, np.array([0.0, 0.1, np.nan], np.float32), subtype="FLOAT"), "sample 2 is nan"),
    "not scaled": (lambda path: written(path, np.array([100.0, -3000.0]), subtype="FLOAT"), "reach 3000"),
    "infinite": (lambda path: written(path, np.array([0.0, np.inf], np.float32), subtype="FLOAT"), "sample 1 is inf"),
}  # fmt: skip


@pytest.mark.parametrize("what", BAD)
def test_a_bad_recording_is_one_clear_line(tmp_path: Path, what: str) -> None:
    path = tmp_path / "bad.wav"
    make, message = BAD[what]
    path.write_bytes(make(path))
    with pytest.raises(AudioError, match=message) as caught:
        load_clip(path, CONFIG)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_truncated_flac_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "bad.flac"
    data = written(path, SECOND)
    path.write_bytes(data[: len(data) // 2])
    with pytest.raises(AudioError, match=r"bad\.flac: (truncated|not a recording)"):
        load_clip(path, CONFIG)


def test_what_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(AudioError, match="no such file"):
        load_clip(tmp_path / "missing.wav", CONFIG)
    (tmp_path / "folder.wav").mkdir()
    with pytest.raises(AudioError, match="is a folder"):
        load_clip(tmp_path / "folder.wav", CONFIG)
    (tmp_path / "link.wav").symlink_to(tmp_path / "gone.wav")
    with pytest.raises(AudioError, match=r"symbolic link to .*gone\.wav, which does not exist"):
        load_clip(tmp_path / "link.wav", CONFIG)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ((np.zeros((2, 100), np.float32), 16000, 8000), r"y has shape \(2, 100\) and must be one waveform"),
        ((np.zeros(100, np.float32), 16000, 8000, "sxor"), "method='sxor' must be soxr or fft"),
        ((np.zeros(100, np.float32), float("nan"), 16000), "sr=nan must be a whole number of Hz, >= 1"),
        ((np.zeros(100, np.float32), 0, 16000), "sr=0 must be a whole number of Hz"),
        ((np.zeros(100, np.float32), 16000, float("inf")), "new_sr=inf must be a whole number of Hz"),
        ((np.zeros(100, np.float32), 16000, 8000.5), "new_sr=8000.5 must be a whole number of Hz"),
    ],
)
def test_what_cannot_be_resampled_is_refused(given: tuple[object, ...], message: str) -> None:
    with pytest.raises((AudioError, ConfigError), match=message):
        kwsfeat.resample(*given)  # type: ignore[arg-type]


@pytest.mark.parametrize("method", ["soxr", "fft"])
def test_no_samples_stay_none(method: str) -> None:
    assert kwsfeat.resample(np.zeros(0, np.float32), 16000, 8000, method).shape == (0,)


def test_a_resampled_stream_that_has_ended_begins_with_a_reset() -> None:
    with pytest.raises(ConfigError, match="sr=0 must be"):
        kwsfeat.StreamResampler(0, 16000)
    resampler, y = kwsfeat.StreamResampler(48000, 16000), np.zeros(480, np.float32)
    resampler.push(y, last=True)
    with pytest.raises(AudioError, match=r"the signal has ended: reset\(\)"):
        resampler.push(y)
    resampler.reset()
    resampler.push(y)
