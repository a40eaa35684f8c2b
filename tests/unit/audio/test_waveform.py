"""One rule of what samples are, everywhere: int16, or float in [-1, 1]. What has another scale is refused with the cure."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
import soundfile

import kwsfeat
from kwsfeat import AudioError, FeatureConfig, FilterState, FrontEnd
from kwsfeat.audio.waveform import as_float32, as_int16, as_samples, write_waveform
from kwsfeat.augment.noise import Noise
from kwsfeat.pipeline.arrays import write_file

WAVE = np.sin(0.05 * np.arange(4000)) * 0.5
SOS = kwsfeat.butter_sos(4, 1000, sr=16000)
FRONT_END = FrontEnd(FeatureConfig(n_samples=4000))
FILTERED = FrontEnd(FeatureConfig(n_samples=4000, lowpass_hz=300.0))


def write(y: np.ndarray, folder: Path) -> None:
    write_file(
        folder / "x.h5", audio=np.atleast_2d(y), length=[4000], label=[0], split=["train"], labels=["a"],
        configs={"mel": FRONT_END.config},
    )  # fmt: skip


# What takes a waveform.
TAKERS = {
    "extract": lambda y, _: FRONT_END.extract(y),
    "extract_recording": lambda y, _: FRONT_END.extract_recording(y),
    "extract_batch": lambda y, _: FRONT_END.extract_batch([y, y]),
    "extract, low-pass": lambda y, _: FILTERED.extract(y),
    "extract, unchecked": lambda y, _: FRONT_END.extract(y, check_finite=False),
    "stft": lambda y, _: kwsfeat.stft(y),
    "stft, unchecked": lambda y, _: kwsfeat.stft(y, check_finite=False),
    "spectrogram": lambda y, _: kwsfeat.spectrogram(y),
    "melspectrogram": lambda y, _: kwsfeat.melspectrogram(y),
    "mfcc": lambda y, _: kwsfeat.mfcc(y),
    "amplitude_spectrum": lambda y, _: kwsfeat.amplitude_spectrum(y, sr=16000),
    "sosfilt": lambda y, _: kwsfeat.sosfilt(SOS, y),
    "sosfilt with a state": lambda y, _: kwsfeat.sosfilt(SOS, y, zi=FilterState.at_rest(SOS)),
    "sosfilt with scipy's state": lambda y, _: kwsfeat.sosfilt(SOS, y, zi=np.zeros((2, 2))),
    "time_stretch": lambda y, _: kwsfeat.time_stretch(y, 1.1, sr=16000),
    "pitch_shift": lambda y, _: kwsfeat.pitch_shift(y, 16000, 2.0),
    "transforms": lambda y, _: kwsfeat.load_policy("bcresnet").bind(16000, Noise([WAVE])).apply(y, {"parts": None}),
    "noise": lambda y, _: Noise([y]),
    "write_file": write,
}


@pytest.mark.parametrize("taker", TAKERS)
@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda y: np.rint(32768 * y).astype(np.int32), "int32 and must be float in .* or int16: divide them by 2147483648, or"),
        (lambda y: np.rint(32768 * y).astype(np.int64), r"int64 and must be float .*convert 16-bit values with \.astype\(np\.int16\)"),
        (lambda y: (128 + 127 * y).astype(np.uint8), "uint8 and must be float .*: subtract 128 and divide by 128"),
        (lambda y: y > 0, "bool and must be float"),
        (lambda y: y.astype(complex), "complex128 and must be float"),
        (lambda y: (32768 * y).astype(np.float32), "samples reach 16384 and must lie between -1 and 1: divide .* 32768 for 16-bit"),
        (lambda y: 32768 * y, "samples reach 16384 and must lie between -1 and 1"),
        (lambda y: -32768 * np.abs(y), "samples reach 16384 and must lie between -1 and 1"),
        (lambda y: (np.rint(32768 * y)).tolist(), "samples reach 16384 and must lie between -1 and 1"),
    ],
)
def test_samples_of_another_scale_are_refused_everywhere(taker, change, message, tmp_path):
    with pytest.raises(AudioError, match=message):
        TAKERS[taker](change(WAVE), tmp_path)


@pytest.mark.parametrize("taker", TAKERS)
@pytest.mark.parametrize("dtype", [np.int16, np.float32, np.float64, np.float16, list])
def test_samples_in_range_are_taken_everywhere(taker, dtype, tmp_path):
    y = WAVE.tolist() if dtype is list else np.rint(32768 * WAVE).astype(np.int16) if dtype is np.int16 else WAVE.astype(dtype)
    TAKERS[taker](y, tmp_path)


def test_a_little_above_full_scale_is_no_other_scale():
    loud, normal = FRONT_END.extract(4 * WAVE), FRONT_END.extract(WAVE)
    np.testing.assert_allclose(loud[:, 0], normal[:, 0] + 2 * np.log(4), atol=1e-3)  # the band of the tone


def test_a_recording_of_floats_in_the_range_of_integers_is_refused(tmp_path):
    soundfile.write(tmp_path / "loud.wav", 20_000 * WAVE, 16000, subtype="FLOAT")
    with pytest.raises(AudioError, match=r"loud\.wav: samples reach 10000 and must lie between -1 and 1: divide them by their full scale"):
        kwsfeat.load_clip(tmp_path / "loud.wav", FRONT_END.config)
    file = io.BytesIO()
    soundfile.write(file, np.rint(2**30 * WAVE).astype(np.int32), 16000, format="WAV", subtype="PCM_32")  # its scale is stated
    file.seek(0)
    y, _ = kwsfeat.load_clip(file, FRONT_END.config)
    assert np.abs(y).max() == pytest.approx(8192, abs=1)


def test_the_clip_that_is_wrong_is_named():
    batch = np.stack([WAVE, WAVE, 32768 * WAVE]).astype(np.float32)
    with pytest.raises(AudioError, match="clip 2 of 3: samples reach 16384"):
        FRONT_END.extract_batch(batch)
    batch[1, 7] = np.nan
    with pytest.raises(AudioError, match="clip 1 of 3 holds NaN"):
        FRONT_END.extract_batch(batch)
    with pytest.raises(AudioError, match="clip 2 of 3: samples reach 16384"):
        FRONT_END.extract_batch(batch, check_finite=False)


def test_the_peak_is_seen_in_the_first_and_the_last_sample_and_under_a_low_pass():
    for position in (0, 1, 3998, 3999):
        y = WAVE.astype(np.float32)
        y[position] = -1000
        with pytest.raises(AudioError, match="the clip: samples reach 1000"):
            FRONT_END.extract(y)
    high = (32768 * (-1.0) ** np.arange(4000)).astype(np.float32)  # nothing of it is left behind the filter
    with pytest.raises(AudioError, match="the clip: samples reach 32768"):
        FILTERED.extract(high)


def test_conversions_keep_what_needs_no_change():
    integers, floats = np.array([-32768, 5], np.int16), np.array([-1, 0.25], np.float32)
    assert as_int16(integers) is integers
    assert as_float32(floats) is floats
    assert as_samples(integers) is integers
    assert as_float32(integers).tolist() == [-1, 5 / 32768]
    assert as_int16(np.array([-2, -1, 0.5, 0.99999, 1])).tolist() == [-32768, -32768, 16384, 32767, 32767]
    with pytest.raises(AudioError, match="y is not an array of samples"):
        as_samples([[1.0], [1.0, 2.0]])
    with pytest.raises(AudioError, match="noise holds NaN or infinity"):
        as_int16(np.array([0.0, np.inf]), "noise")


@pytest.mark.parametrize("name", ["a.wav", "a.FLAC"])
def test_a_written_recording_is_read_back(name: str, tmp_path: Path) -> None:
    y = np.array([0.25, -1.0, 1.0], np.float32)
    write_waveform(str(tmp_path / name), y, 8000)
    found, sr = soundfile.read(tmp_path / name, dtype="int16")
    assert (found.tolist(), sr) == ([8192, -32768, 32767], 8000)
    write_waveform(tmp_path / name, found[:2], 8000)
    assert soundfile.read(tmp_path / name, dtype="int16")[0].tolist() == [8192, -32768]


@pytest.mark.parametrize(
    ("name", "y", "sr", "message"),
    [
        ("a.ogg", np.zeros(4), 8000, r"a\.ogg: recordings are written as \.wav or \.flac"),
        ("a", np.zeros(4), 8000, r"a: recordings are written as \.wav or \.flac"),
        ("a.wav", np.zeros((4, 2)), 8000, r"y of shape \(4, 2\) at 8000 Hz is not a waveform"),
        ("a.wav", np.zeros(4), 0, r"at 0 Hz is not a waveform"),
        ("a.wav", np.array([np.nan]), 8000, "y holds NaN"),
        ("a.wav", np.array([3000.0]), 8000, "samples reach 3000"),
        ("a.wav", np.zeros(4, np.int32), 8000, "has samples of type int32"),
    ],
)
def test_what_is_not_a_recording_is_not_written(name: str, y: np.ndarray, sr: int, message: str, tmp_path: Path) -> None:
    with pytest.raises(AudioError, match=message):
        write_waveform(tmp_path / name, y, sr)
    assert not list(tmp_path.iterdir())
