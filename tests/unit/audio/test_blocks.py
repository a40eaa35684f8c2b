"""A recording in blocks is the recording as a whole."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from kwsfeat import AudioError, read_blocks
from kwsfeat.audio import faults
from kwsfeat.audio.decode import PIECE
from kwsfeat.audio.read import read_samples

SR = 8000


def noise(n: int) -> np.ndarray:
    return 0.1 * np.random.default_rng(n).standard_normal(n)


@pytest.mark.parametrize(("suffix", "subtype"), [("wav", "PCM_16"), ("wav", "FLOAT"), ("flac", "PCM_16"), ("ogg", "VORBIS"), ("mp3", None)])
@pytest.mark.parametrize("n", [1, 1000, PIECE + 100])
def test_blocks_are_the_whole(tmp_path: Path, suffix: str, subtype: str | None, n: int) -> None:
    path = tmp_path / f"a.{suffix}"
    soundfile.write(path, noise(n), SR, subtype=subtype)
    whole, sr = read_samples(path)
    blocks = list(read_blocks(path))
    assert {rate for _, rate in blocks} == {sr}
    assert max(len(y) for y, _ in blocks) <= PIECE
    joined = np.concatenate([y for y, _ in blocks])
    assert joined.dtype == whole.dtype
    np.testing.assert_array_equal(joined, whole)


def test_a_part(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    soundfile.write(path, noise(PIECE + 5000), SR)
    whole, _ = read_samples(path)
    for start_s, stop_s in ((0.5, 0.75), (0, 1), (PIECE / SR - 0.1, PIECE / SR + 0.1), (33.0, None), (33.0, 1e6), (1e6, None)):
        blocks = [y for y, _ in read_blocks(path, start_s=start_s, stop_s=stop_s)]
        stop = None if stop_s is None else round(stop_s * SR)
        np.testing.assert_array_equal(np.concatenate([np.zeros(0, np.int16), *blocks]), whole[round(start_s * SR) : stop])


def test_channels_are_mixed_as_ever(tmp_path: Path) -> None:
    y = noise(4000)
    soundfile.write(tmp_path / "a.wav", np.column_stack([y, 0.5 * y]), SR, subtype="FLOAT")
    soundfile.write(tmp_path / "b.wav", np.column_stack([y, -y]), SR, subtype="FLOAT")
    ((mean, _),) = read_blocks(tmp_path / "a.wav")
    np.testing.assert_allclose(mean, 0.75 * y, atol=1e-6)
    remarks: list[str] = []
    ((first, _),) = read_blocks(tmp_path / "b.wav", remark=remarks.append)
    np.testing.assert_allclose(first, y, atol=1e-6)
    assert remarks == [faults.CANCELLED]


@pytest.mark.parametrize("suffix", ["wav", "flac", "mp3"])
def test_a_truncated_recording_is_refused(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"cut.{suffix}"
    soundfile.write(path, noise(4 * SR), SR)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(AudioError, match=rf"cut\.{suffix}: (truncated|not a recording that can be read)"):
        list(read_blocks(path))


def test_what_is_no_recording_is_one_clear_line(tmp_path: Path) -> None:
    with pytest.raises(AudioError, match="no such file"):
        next(read_blocks(tmp_path / "a.wav"))
    with pytest.raises(AudioError, match="is a folder"):
        next(read_blocks(tmp_path))
    soundfile.write(tmp_path / "empty.wav", np.zeros(0), SR)
    with pytest.raises(AudioError, match=r"empty\.wav: no samples"):
        next(read_blocks(tmp_path / "empty.wav"))
    y = noise(100)
    y[50] = np.nan
    soundfile.write(tmp_path / "nan.wav", y, SR, subtype="FLOAT")
    with pytest.raises(AudioError, match="sample 50 is nan"):
        next(read_blocks(tmp_path / "nan.wav"))
