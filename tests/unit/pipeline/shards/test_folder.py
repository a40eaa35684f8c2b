"""A folder of files is read as the one file that it could be."""

from __future__ import annotations

import json
import os
import pickle
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from builds import CONFIGS, plan
from numpy.testing import assert_allclose, assert_array_equal

from kwsfeat import ConfigError, FreshFeatures, Reader, StoreError, UnknownNameError, build_shards, verify_file
from kwsfeat.cli import main

COLUMNS = ("length", "cut", "label", "split", "speaker", "source", "start", "variant", "augmentation", "noise")


def test_the_arrays_of_a_folder_are_those_of_one_file(both: tuple[Reader, Reader]) -> None:
    whole, folder = both
    assert (folder.labels, folder.feature_names, folder.n_clips) == (whole.labels, whole.feature_names, whole.n_clips)
    assert (folder.sr, folder.n_samples, folder.has_audio, folder.clip) == (whole.sr, whole.n_samples, True, whole.clip)
    for name in COLUMNS:
        assert_array_equal(getattr(folder, name), getattr(whole, name))
    assert_array_equal(folder.audio, whole.audio)
    for name in CONFIGS:
        assert folder.config(name) == whole.config(name)
        assert_array_equal(folder.features(name), whole.features(name))
        assert_allclose(folder.statistics(name), whole.statistics(name), rtol=1e-6)  # float32 of sums in another order
    for split in ("train", "validation", "test"):
        assert_array_equal(folder.rows(split), whole.rows(split))


@pytest.mark.parametrize(
    "key",
    [
        0, -1, 19, 20, np.int64(76), slice(None), slice(3, 17), slice(15, 45), slice(70, None, 2), slice(None, None, -1), slice(5, 5),
        [3, 70, 3, -1, 25], np.array([[60, 1], [20, 19]]), np.arange(77) % 3 == 0, [],
        (5, slice(2, 4)), (slice(18, 22), 1), ([50, 2], 0, 3), ([1, 50], [2, 3]), ([[1], [50]], [2, 3], slice(4)), ([50, 1], slice(2), 3),
        (np.arange(77) == 30, [2, 3]), (np.array(50), 2), ([1, 50], None), ([1, 50], ..., 2), (slice(18, 22), [2, 3], [0, 1]), (70, [2, 3]),
        (), ..., (..., 2), (..., [1, 2], None), (..., 50, 2, 3), (..., [1, 50], [2, 3], 0), (slice(18, 22), ..., None),
    ],
    ids=str,
)  # fmt: skip
def test_rows_are_indexed_as_numpy_does(both: tuple[Reader, Reader], key: object) -> None:
    whole, folder = (np.asarray(reader.features()) if i == 0 else reader.features() for i, reader in enumerate(both))
    assert_array_equal(folder[key], whole[key], strict=True)
    assert folder[key].dtype == whole.dtype
    assert (folder.shape, folder.ndim, folder.size, folder.nbytes, len(folder)) == (
        whole.shape, whole.ndim, whole.size, whole.nbytes, len(whole)
    )  # fmt: skip


@pytest.mark.parametrize("key", [77, -78, [0, 77], [0.5], np.zeros(3, bool), True, None, (None, 3), (0, 0, 0, 0)], ids=str)
def test_rows_that_are_not_there_are_refused(both: tuple[Reader, Reader], key: object) -> None:
    with pytest.raises(IndexError):
        both[1].audio[key]


@pytest.mark.parametrize("rows", [slice(-5, None), slice(None), slice(70, 600), slice(500, 600), slice(20, 20), slice(15, -30)], ids=str)
def test_consecutive_rows_are_those_of_one_file(both: tuple[Reader, Reader], rows: slice) -> None:
    whole, folder = both
    for name in ("audio", "length", "features/mfcc"):
        assert_array_equal(folder.map(name, rows), whole.map(name, rows), strict=True)
        assert_array_equal(folder.checked(name, rows), whole.checked(name, rows), strict=True)
        folder.read_ahead(name, rows)
    for read in (folder.map, folder.checked, folder.read_ahead):
        with pytest.raises(UnknownNameError):
            read("nix", rows)
        with pytest.raises(ConfigError, match="the step must be 1"):
            read("audio", slice(None, None, 2))


@pytest.mark.parametrize("path", ["nix", "features/nix", "skipped"])
def test_arrays_that_are_not_there_are_named(both: tuple[Reader, Reader], path: str) -> None:
    for reader in both:
        with pytest.raises(UnknownNameError, match=f"'{path}' is not a dataset of"):
            reader.map(path)


def test_neighbouring_rows_of_one_file_are_not_copied(folder: Path) -> None:
    with Reader(folder) as reader:
        rows = reader.features()[3:17]
        assert isinstance(rows, np.memmap)
        assert not rows.flags.writeable


def test_files_are_opened_when_their_rows_are_wanted(folder: Path) -> None:
    with Reader(folder) as reader:
        before = _open_files()
        _ = reader.features()[0]
        assert _open_files() - before == 2  # the first file, and its map


def _open_files() -> int:
    return len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else pytest.skip("no /proc")


def test_a_reader_goes_to_another_process(folder: Path) -> None:
    with Reader(folder) as reader:
        with pickle.loads(pickle.dumps(reader)) as other:
            assert_array_equal(other.label, reader.label)
        assert pickle.loads(pickle.dumps(reader)).seal == reader.seal
    with pytest.raises(StoreError, match="closed"):
        reader.features()


def test_arrays_go_to_another_process_without_what_they_hold(own: Path) -> None:
    with Reader(own) as reader:
        rows, expected = reader.features(), np.asarray(reader.features())
        pickled = pickle.dumps(rows)
    assert len(pickled) < 2000 < expected.nbytes
    assert_array_equal(pickle.loads(pickled), expected)
    shutil.rmtree(own)
    with pytest.raises(StoreError):
        pickle.loads(pickled)


def test_fresh_features_are_the_same(both: tuple[Reader, Reader]) -> None:
    config = CONFIGS["logmel"]
    for policy in ("kws-streaming", "bcresnet"):  # one goes through the kernel of all clips, one clip by clip
        ours, theirs = (FreshFeatures(reader, policy, config, seed=3, batch_size=16, threads=1) for reader in both)
        rows = ours.rows[::3]
        assert_array_equal(ours.batch(rows, 1).features, theirs.batch(rows, 1).features)


def test_each_file_of_a_folder_stands_alone(folder: Path) -> None:
    with Reader(folder) as whole:
        assert len(whole.files) == 5
        for i, path in enumerate(whole.files[:-1]):
            assert not verify_file(path).problems
            with Reader(path) as part:
                assert_array_equal(part.source, whole.source[20 * i : 20 * i + 20])


def test_a_folder_is_verified(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    calls: list[tuple[int, int]] = []
    report = verify_file(folder, progress=lambda done, total: calls.append((done, total)))
    assert (report.problems, report.n_clips, report.n_blocks) == ([], 77, 4)
    assert report.n_bytes == sum(path.stat().st_size for path in folder.iterdir())
    assert calls[-1][0] == calls[-1][1]
    assert main(["verify", str(folder)]) == 0
    assert "intact" in capsys.readouterr().out


def test_the_commands_take_a_folder(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["info", str(folder), "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert (said["n_clips"], said["files"], sum(said["splits"].values())) == (77, 4, 77)
    assert said["features"]["mfcc"]["shape"][0] == 77
    assert main(["info", str(folder)]) == 0
    assert "in 4 files" in capsys.readouterr().out
    assert main(["report", str(folder), str(tmp_path / "page.html")]) == 0
    assert "77" in (tmp_path / "page.html").read_text()
    assert main(["build", str(folder), str(tmp_path / "again.h5"), "--features", "mfcc"]) == 0
    with Reader(tmp_path / "again.h5") as again, Reader(folder) as first:
        assert_array_equal(again.audio, first.audio)


@pytest.fixture
def own(folder: Path, tmp_path: Path) -> Path:
    shutil.copytree(folder, tmp_path / "own")
    return tmp_path / "own"


def _flip(path: Path, at: int) -> None:
    with open(path, "r+b") as file:
        file.seek(at)
        byte = file.read(1)
        file.seek(at)
        file.write(bytes([byte[0] ^ 1]))


def test_a_changed_bit_is_found(own: Path) -> None:
    with Reader(own) as reader, Reader(own / "00002.h5") as part:
        seal, audio = reader.seal, part.extents["audio"]
    _flip(own / "00002.h5", audio.offset + 77)
    assert [problem.split(" rows")[0] for problem in verify_file(own).problems] == ["00002.h5: /audio"]
    with Reader(own) as reader:
        assert reader.seal == seal
        with pytest.raises(StoreError, match=r"00002\.h5: /audio is damaged"):
            reader.checked("audio", slice(30, 50))


@pytest.mark.parametrize(
    ("old", "new"), [('"rows": 20', '"rows": 21'), ('"train"', '"trains"'), ("00001", "00002"), ("}", ""), ('"seal": "', '"seal": "0'),
                     ('"version": 1', '"version": 2'), ("kwsfeat data set", "something else")]
)  # fmt: skip
def test_a_changed_table_is_refused(own: Path, old: str, new: str) -> None:
    text = (own / "dataset.json").read_text()
    assert old in text
    (own / "dataset.json").write_text(text.replace(old, new))
    with pytest.raises(StoreError, match=r"dataset\.json"):
        Reader(own)
    assert len(verify_file(own).problems) == 1


def test_a_file_that_was_exchanged_or_lost_is_named(own: Path, whole: Path) -> None:
    shutil.copy(whole, own / "00001.h5")
    (own / "00003.h5").unlink()
    problems = verify_file(own).problems
    assert "00001.h5 is not the file that dataset.json lists" in problems[0]
    assert "00003.h5: no such file" in problems[1]
    with Reader(own) as reader:
        assert reader.features()[:20].shape[0] == 20
        with pytest.raises(StoreError, match=r"00001\.h5 is not the file"):
            reader.features()[20]


def test_a_folder_that_is_no_data_set_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"a folder without dataset\.json"):
        Reader(tmp_path)


def test_a_folder_in_the_making_says_so(folder: Path, tmp_path: Path, tiny_corpus: Path) -> None:
    def nobody(partial: Path, *args: Any) -> Any:
        shutil.copy(folder / "00000.h5", partial / "00000.h5")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        build_shards(plan(tiny_corpus, synthesise=True), tmp_path / "set", CONFIGS, shard_clips=20, workers=nobody)
    with pytest.raises(StoreError, match=r"set\.partial: a folder in the making: repeat the command that makes it, it goes on"):
        Reader(tmp_path / "set.partial")


def test_augmented_copies_of_a_folder(folder: Path, tmp_path: Path) -> None:
    """Made of its audio, as from one file."""
    options = ["--augment", "nine", "--features", "logmel"]
    assert main(["build", str(folder), str(tmp_path / "new"), *options, "--shard-clips", "50", "-q"]) == 0
    with Reader(folder) as before, Reader(tmp_path / "new") as after:
        n_train = len(before.rows("train"))
        assert after.n_clips == 77 + 8 * n_train  # nine of each
        assert_array_equal(after.audio[after.split != "train"], before.audio[before.split != "train"])
        assert after.attrs["recipe"] == "nine"
