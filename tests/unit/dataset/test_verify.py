"""kwsfeat verify: an intact file passes, one changed bit anywhere does not."""

from __future__ import annotations

import os
import shutil
import zlib
from pathlib import Path

import h5py
import numpy as np
import pytest
from crafted import reseal

from kwsfeat import FeatureConfig, Reader
from kwsfeat.dataset.format import is_block_array
from kwsfeat.dataset.seal import PAGE
from kwsfeat.dataset.verify import verify_file
from kwsfeat.errors import StoreError
from kwsfeat.pipeline.arrays import write_file

CONFIG = FeatureConfig(sr=8000, n_samples=800, n_fft=128, win_length=100, hop_length=80, n_mels=10)


@pytest.fixture(scope="module")
def intact(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("verify") / "intact.h5"
    audio = (1000 * np.random.default_rng(0).standard_normal((40, 800))).astype(np.int16)
    split = ["train", "test"] * 20
    write_file(path, audio=audio, length=[800] * 40, label=[0, 1] * 20, split=split, labels=["a", "b"], configs={"x": CONFIG, "y": CONFIG})
    return path


@pytest.fixture
def copy(intact: Path, tmp_path: Path) -> Path:
    return Path(shutil.copy(intact, tmp_path / "copy.h5"))


def test_an_intact_file_passes(intact: Path) -> None:
    report = verify_file(intact)
    assert report.problems == []
    assert (report.n_bytes, report.n_blocks, report.n_clips) == (intact.stat().st_size, 1, 40)


def flip(path: Path, bit: int) -> None:
    with open(path, "r+b") as file:
        file.seek(bit // 8)
        (value,) = file.read(1)
        file.seek(bit // 8)
        file.write(bytes([value ^ (1 << bit % 8)]))


def missed(path: Path, bits: np.ndarray) -> list[int]:
    """The bits whose change goes unnoticed."""
    unnoticed = []
    for bit in map(int, bits):
        flip(path, bit)
        if not verify_file(path).problems:
            unnoticed.append(bit)
        flip(path, bit)
    assert verify_file(path).problems == []
    return unnoticed


@pytest.mark.slow
def test_any_flipped_bit_is_found(copy: Path) -> None:
    bits = np.random.default_rng(1).integers(0, 8 * copy.stat().st_size, 500)
    assert missed(copy, bits) == []


def test_a_flipped_bit_in_the_metadata_is_found(copy: Path) -> None:
    taken = np.zeros(copy.stat().st_size, bool)
    for name, place in Reader(copy).extents.items():
        if is_block_array(name):
            taken[place.offset : place.end] = True
    rest = np.flatnonzero(~taken)
    rng = np.random.default_rng(2)
    written = rest[np.frombuffer(copy.read_bytes(), np.uint8)[rest] != 0]  # not the gaps between pages
    for where in (rest, written):
        assert missed(copy, 8 * rng.choice(where, 500) + rng.integers(0, 8, 500)) == []


@pytest.mark.parametrize("name", ["audio", "length", "cut", "features/x", "features/y", "checksum/audio", "label"])
def test_first_and_last_bit_of_each_array_is_found_and_named(copy: Path, name: str) -> None:
    place = Reader(copy).extents[name]
    for bit in (8 * place.offset, 8 * place.end - 1):
        flip(copy, bit)
        named = f"/{name} rows 0 to 39" if is_block_array(name) else "seal"
        assert sum(named in problem for problem in verify_file(copy).problems) == 1
        flip(copy, bit)


def test_any_flipped_bit_of_the_first_page_is_found(copy: Path) -> None:
    text = copy.read_bytes()[:PAGE].rstrip(b"\0")
    assert missed(copy, np.arange(0, 8 * len(text), 5)) == []
    assert missed(copy, np.arange(8 * len(text), 8 * PAGE, 101)) == []


@pytest.mark.parametrize("keep", [0, 7, 100, 5000, -1])
def test_a_file_that_was_cut_off_is_found(copy: Path, keep: int) -> None:
    os.truncate(copy, keep % copy.stat().st_size)
    assert verify_file(copy).problems


def test_bytes_behind_the_end_are_found(copy: Path) -> None:
    with open(copy, "ab") as file:
        file.write(b"\0")
    assert verify_file(copy).problems


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda file: file["label"].write_direct(np.full(40, 7, np.int32)), "/label must lie between -1 and 1"),
        (lambda file: file["features/x"].attrs.modify("fingerprint", "0" * 16), "fingerprint"),
        (lambda file: file.attrs.modify("fingerprints", np.array(["0" * 16] * 2, dtype=h5py.string_dtype())), "fingerprint of 'x'"),
        (lambda file: file.__delitem__("speaker"), "/speaker is missing"),
        (lambda file: file.__delitem__("features/y"), "features/y"),
    ],
)
def test_content_that_disagrees_with_itself_is_found(copy: Path, change: object, problem: str) -> None:
    with h5py.File(copy, "r+") as file:
        change(file)
    reseal(copy)
    assert any(problem in line for line in verify_file(copy).problems)


def test_values_that_are_not_finite_are_found(copy: Path) -> None:
    with h5py.File(copy, "r+") as file:
        file["features/x"][3, 0, 0] = np.nan
        file["checksum/features/x"][0] = zlib.crc32(file["features/x"][:].tobytes())
    reseal(copy)
    (problem,) = verify_file(copy).problems
    assert "not finite" in problem


def test_a_missing_file_is_an_error_not_a_finding(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="No such file"):
        verify_file(tmp_path / "missing.h5")
    with pytest.raises(StoreError, match=r"dataset\.json: No such file"):
        verify_file(tmp_path)
