"""What a recording promises is compared with what is there; what is lost is said; memory follows the clip, not the recording."""

from __future__ import annotations

import io
import os
import resource
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from kwsfeat import AudioError, FeatureConfig, load_clip
from kwsfeat.audio import faults
from kwsfeat.audio.clip import resample
from kwsfeat.audio.describe import describe
from kwsfeat.audio.read import read_samples

SR = 16000
CONFIG = FeatureConfig()
KINDS = {
    "wav": ("WAV", "PCM_24"), "flac": ("FLAC", "PCM_16"), "ogg": ("OGG", "VORBIS"), "opus": ("OGG", "OPUS"),
    "mp3": ("MP3", "MPEG_LAYER_III"), "aiff": ("AIFF", "PCM_16"), "au": ("AU", "PCM_16"), "w64": ("W64", "PCM_16"),
    "rf64": ("RF64", "PCM_16"), "caf": ("CAF", "PCM_16"), "sph": ("NIST", "PCM_16"), "voc": ("VOC", "PCM_16"),
}  # fmt: skip


def noise(n: int, seed: int = 0, level: float = 0.05) -> np.ndarray:
    return level * np.random.default_rng(seed).standard_normal(n)


def heard(path: Path, **options: object) -> tuple[np.ndarray, int, list[str]]:
    remarks: list[str] = []
    y, sr = read_samples(path, remark=remarks.append, **options)
    return y, sr, remarks


@pytest.mark.parametrize("suffix", KINDS)
@pytest.mark.parametrize("kept", [0.5, 0.9])
def test_a_truncated_recording_is_refused(tmp_path: Path, suffix: str, kept: float) -> None:
    path = tmp_path / f"cut.{suffix}"
    kind, subtype = KINDS[suffix]
    soundfile.write(path, noise(10 * SR), SR, format=kind, subtype=subtype)
    assert len(read_samples(path)[0]) == pytest.approx(10 * SR, abs=1200)
    path.write_bytes(path.read_bytes()[: int(kept * path.stat().st_size)])
    with pytest.raises(AudioError, match=rf"cut\.{suffix}: (truncated|not a recording that can be read)"):
        read_samples(path)


@pytest.mark.parametrize(("suffix", "missing"), [("wav", 1), ("wav", 2), ("aiff", 1)])
def test_an_incomplete_last_sample_is_left_out_and_said(tmp_path: Path, suffix: str, missing: int) -> None:
    path = tmp_path / f"x.{suffix}"
    kind, subtype = KINDS[suffix]
    soundfile.write(path, noise(1000), SR, format=kind, subtype=subtype)
    path.write_bytes(path.read_bytes()[:-missing])
    y, _, remarks = heard(path)
    assert (len(y), remarks) == (999, [faults.HALF_SAMPLE])


def test_an_incomplete_last_sample_of_a_plain_wav(tmp_path: Path) -> None:
    path = tmp_path / "x.wav"
    soundfile.write(path, noise(1000), SR, subtype="PCM_16")
    whole = read_samples(path)[0]
    path.write_bytes(path.read_bytes()[:-1])
    y, _, remarks = heard(path)
    np.testing.assert_array_equal(y, whole[:999])
    assert remarks == [faults.HALF_SAMPLE]
    path.write_bytes(path.read_bytes()[:-2])
    with pytest.raises(AudioError, match="truncated"):
        read_samples(path)


def test_an_mp3_without_a_length_is_decoded_to_its_end(tmp_path: Path) -> None:
    path = tmp_path / "x.mp3"
    loud_after_silence = np.concatenate([np.zeros(5 * SR), noise(5 * SR, level=0.3)])
    soundfile.write(path, loud_after_silence, SR, format="MP3", subtype="MPEG_LAYER_III")
    data = path.read_bytes()
    path.write_bytes(data[data.index(b"\xff\xf3", 4) :])  # without the first frame, which holds the tag
    with soundfile.SoundFile(path) as file:
        assert abs(file.frames - 10 * SR) > SR, "the header's guess is wrong, or this test tests nothing"
    y, _, remarks = heard(path)
    assert len(y) == pytest.approx(10 * SR, abs=3000)
    assert remarks == [faults.UNTAGGED]
    assert len(read_samples(io.BytesIO(path.read_bytes()))[0]) == len(y)


def test_a_picture_in_front_of_an_mp3_hides_nothing(tmp_path: Path) -> None:
    path = tmp_path / "x.mp3"
    soundfile.write(path, noise(SR), SR, format="MP3", subtype="MPEG_LAYER_III")
    data = path.read_bytes()
    tag = b"ID3\3\0\0\0\x01\x1c\x2a" + b"Xing".ljust(20010, b"\0")  # 20010 in 7 bits a byte
    path.write_bytes(tag + tag + data)
    y, _, remarks = heard(path)
    assert (len(y), remarks) == (SR, [])
    half = (tag + tag + data)[: -len(data) // 2]
    path.write_bytes(half)
    for cut in (path, io.BytesIO(half)):
        with pytest.raises(AudioError, match="truncated"):
            read_samples(cut)
    path.write_bytes(tag + data[data.index(b"\xff\xf3", 4) :])  # a word in the tag is no length
    assert heard(path)[2] == [faults.UNTAGGED]


def test_channels_that_cancel_each_other(tmp_path: Path) -> None:
    path = tmp_path / "x.wav"
    y = noise(SR).astype(np.float32)
    soundfile.write(path, np.stack([y, -y], axis=1), SR, subtype="FLOAT")
    taken, _, remarks = heard(path)
    np.testing.assert_array_equal(taken, y)
    assert remarks == [faults.CANCELLED]


def test_a_dead_channel_is_said(tmp_path: Path) -> None:
    path = tmp_path / "x.wav"
    y = noise(SR).astype(np.float32)
    soundfile.write(path, np.stack([y, 0 * y], axis=1), SR, subtype="FLOAT")
    taken, _, remarks = heard(path)
    np.testing.assert_array_equal(taken, y / 2)
    assert remarks == [faults.DEAD_CHANNEL]


@pytest.mark.parametrize("silent", [np.zeros((SR, 2)), np.stack([noise(SR), noise(SR, 1)], axis=1)])
def test_ordinary_stereo_needs_no_remark(tmp_path: Path, silent: np.ndarray) -> None:
    soundfile.write(tmp_path / "x.wav", silent, SR)
    assert heard(tmp_path / "x.wav")[2] == []


def test_what_a_header_claims_is_bounded(tmp_path: Path) -> None:
    path = tmp_path / "x.flac"
    soundfile.write(path, noise(SR), SR)
    data = bytearray(path.read_bytes())
    data[21] |= 0x0F
    data[22:26] = b"\xff" * 4
    path.write_bytes(data)
    with pytest.raises(AudioError, match=r"claims 68,719,\d+,\d+ samples in"):
        read_samples(path)


@pytest.mark.parametrize("sr", [1, 999, 1_000_001, 2_000_000_000])
def test_rates_that_cannot_be(tmp_path: Path, sr: int) -> None:
    path = tmp_path / "x.wav"
    soundfile.write(path, noise(2000), SR, subtype="PCM_16")
    data = bytearray(path.read_bytes())
    data[24:28] = sr.to_bytes(4, "little")
    path.write_bytes(data)
    with pytest.raises(AudioError, match=f"claims {sr:,} samples a second"):
        load_clip(path, FeatureConfig(sr=8000, n_samples=8000, resample_from_hz=16000))


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes with names here")
def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "x.wav").symlink_to(tmp_path / "pipe")
    for name in ("pipe", "x.wav"):
        with pytest.raises(AudioError, match="not a regular file"):
            read_samples(tmp_path / name)
        with pytest.raises(AudioError, match="not a regular file"):
            describe(tmp_path / name)


@pytest.mark.parametrize(("crop", "remark"), [("start", faults.LOUDEST_CUT), ("loudest", faults.CUT)])
def test_what_is_cut_off_is_said(tmp_path: Path, crop: str, remark: str) -> None:
    y = noise(3 * SR, level=0.001)
    y[2 * SR : 3 * SR] += noise(SR, 1, level=0.1)
    soundfile.write(tmp_path / "x.wav", y, SR)
    remarks: list[str] = []
    load_clip(tmp_path / "x.wav", FeatureConfig(crop=crop), remark=remarks.append)
    assert remarks == [remark]
    remarks.clear()
    soundfile.write(tmp_path / "y.wav", y[:SR], SR)
    load_clip(tmp_path / "y.wav", FeatureConfig(crop=crop), remark=remarks.append)
    assert remarks == []


@pytest.mark.parametrize("seconds", [1, 70])
def test_a_recording_of_which_trimming_leaves_a_click_is_said(tmp_path: Path, seconds: int) -> None:
    y = np.zeros(seconds * SR)
    y[3000:3200] = 0.5
    y[9000:13000] = 0.03 * np.sin(np.arange(4000))
    soundfile.write(tmp_path / "x.wav", y, SR)
    said: dict[float, list[str]] = {10.0: [], 40.0: []}
    lengths = [load_clip(tmp_path / "x.wav", FeatureConfig(trim_db=db), remark=remarks.append)[1] for db, remarks in said.items()]
    assert lengths[0] < 0.05 * SR < 0.5 * SR < lengths[1]
    assert faults.TRIMMED in said[10.0]
    assert faults.TRIMMED not in said[40.0]
    soundfile.write(tmp_path / "x.wav", y[3000:3200], SR)  # as short before
    load_clip(tmp_path / "x.wav", FeatureConfig(trim_db=10.0), remark=said[40.0].append)
    assert faults.TRIMMED not in said[40.0]


@pytest.mark.parametrize(("peak", "said"), [(1.0, []), (1.2, []), (1.5, [faults.OVERDRIVEN]), (15.0, [faults.OVERDRIVEN])])
def test_what_is_louder_than_full_scale_is_said(tmp_path: Path, peak: float, said: list[str]) -> None:
    y = peak * np.sin(2 * np.pi * 440 * np.arange(SR) / SR)
    soundfile.write(tmp_path / "x.wav", y, SR, subtype="FLOAT")
    remarks: list[str] = []
    clip, _ = load_clip(tmp_path / "x.wav", CONFIG, remark=remarks.append)
    assert remarks == said
    np.testing.assert_array_equal(clip, np.clip(np.rint(y.astype(np.float32) * 32768), -32768, 32767))


@pytest.mark.parametrize("suffix", ["mp3", "ogg", "opus"])
def test_overshoots_of_a_loud_lossy_recording_need_no_remark(tmp_path: Path, suffix: str) -> None:
    kind, subtype = KINDS[suffix]
    soundfile.write(tmp_path / "x", np.clip(noise(SR, level=0.35), -1, 1), SR, format=kind, subtype=subtype)
    assert suffix == "opus" or np.abs(read_samples(tmp_path / "x")[0]).max() > 1.1, "nothing overshoots, so this tests nothing"
    remarks: list[str] = []
    load_clip(tmp_path / "x", CONFIG, remark=remarks.append)
    assert remarks == []


@pytest.fixture(scope="module")
def long_recording(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, np.ndarray]:
    """70 s at 48 kHz, quiet, with one loud second that begins at 40 s."""
    y = noise(70 * 48000, level=0.01)
    y[40 * 48000 : 41 * 48000] += noise(48000, 1, level=0.2)
    y = np.rint(y * 32768) / 32768
    path = tmp_path_factory.mktemp("long") / "x.flac"
    soundfile.write(path, y, 48000, subtype="PCM_16")
    return path, y.astype(np.float32)


@pytest.mark.parametrize("sr", [48000, 16000, 22050])
@pytest.mark.parametrize("crop", ["start", "center", "random"])
def test_a_part_of_a_long_recording_is_what_the_whole_gives(long_recording: tuple[Path, np.ndarray], sr: int, crop: str) -> None:
    """To one step of 16 bits: the resampling filter sees half a second on each side only."""
    path, y = long_recording
    config = FeatureConfig(sr=sr, n_samples=sr, crop=crop)
    clip, length = load_clip(path, config, seed=(3,))
    whole = resample(y, 48000, sr)
    spare = len(whole) - sr
    first = {"start": 0, "center": spare // 2, "random": int(np.random.default_rng((3,)).integers(spare + 1))}[crop]
    assert length == sr
    assert np.abs(clip / 32768 - whole[first : first + sr]).max() <= 1.01 / 32768


@pytest.mark.parametrize("options", [{"crop": "loudest"}, {"crop": "start", "trim_db": 6.0}])
def test_the_loud_second_of_a_long_recording_is_found(long_recording: tuple[Path, np.ndarray], options: dict) -> None:
    path, y = long_recording
    clip, length = load_clip(path, FeatureConfig(sr=48000, n_samples=48000, **options))
    assert length == 48000
    np.testing.assert_allclose(clip / 32768, y[40 * 48000 : 41 * 48000], atol=1e-4)


@pytest.mark.slow
def test_memory_does_not_grow_with_the_recording(tmp_path: Path) -> None:
    """15 minutes of stereo at 48 kHz are 350 MB of float32; the clip needs a second of them."""
    path = tmp_path / "x.flac"
    with soundfile.SoundFile(path, "w", 48000, 2, subtype="PCM_16") as file:
        for k in range(900):
            file.write(np.full((48000, 2), k % 3, np.int16))
    code = (
        "import resource, sys; from kwsfeat import FeatureConfig, load_clip\n"
        "load_clip(sys.argv[1], FeatureConfig(sr=16000, crop='start', n_samples=16000))\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "for crop in ('center', 'random', 'loudest'): load_clip(sys.argv[2], FeatureConfig(crop=crop))\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)"
    )
    short = tmp_path / "short.wav"
    soundfile.write(short, noise(48000), 48000)
    done = subprocess.run([sys.executable, "-c", code, short, path], capture_output=True, text=True, check=True)
    assert int(done.stdout) * (1 if sys.platform == "darwin" else 1024) < 60e6
    assert resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss > 0
