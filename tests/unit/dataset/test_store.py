"""The file format: what Writer writes, Reader maps and h5py alone can read."""

from __future__ import annotations

import fcntl
import json
import os
import re
from itertools import pairwise
from pathlib import Path

import h5py
import numpy as np
import pytest
from crafted import reseal

from kwsfeat import FeatureConfig, FrontEnd, Reader
from kwsfeat.dataset.columns import Columns
from kwsfeat.dataset.disk import network_file_system
from kwsfeat.dataset.format import is_block_array
from kwsfeat.dataset.statistics import Moments
from kwsfeat.dataset.writer import Writer
from kwsfeat.errors import ConfigError, StoreError, UnknownNameError
from kwsfeat.pipeline.arrays import write_file

N_CLIPS = 100  # two blocks
LOGMEL = FeatureConfig(sr=8000, n_samples=2000, n_fft=256, win_length=200, hop_length=80, n_mels=20)
MFCC = FeatureConfig.from_partial({"output": "mfcc", "log": "db", "top_db": 80.0}, LOGMEL)
SPLIT = ["train", "validation", "test", "train", "train"] * (N_CLIPS // 5)
SPEAKERS = [f"s{i % 7}" if i % 3 else "" for i in range(N_CLIPS)]
SOURCES = [f"wörter/{i}.wav" for i in range(N_CLIPS)]


def clips() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    audio = (3000 * rng.standard_normal((N_CLIPS, LOGMEL.n_samples))).astype(np.int16)
    length = rng.integers(1000, LOGMEL.n_samples + 1, N_CLIPS).astype(np.int32)
    audio[np.arange(LOGMEL.n_samples) >= length[:, None]] = 0
    return audio, length


def write(path: Path) -> None:
    audio, length = clips()
    label = [i % 4 - 1 for i in range(N_CLIPS)]
    write_file(
        path, audio=audio, length=length, label=label, split=SPLIT, labels=["yes", "no", "é"], configs={"logmel": LOGMEL, "mfcc": MFCC},
        speaker=SPEAKERS, source=SOURCES,
    )  # fmt: skip


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("store") / "a.h5"
    write(path)
    return path


def test_the_file_holds_no_time(path: Path) -> None:
    """Else two builds of the same would differ unless they fell into one second."""
    with h5py.File(path) as file:
        names: list[str] = ["/"]
        file.visit(names.append)
        times = {name: h5py.h5g.get_objinfo(file[name].id, b".").mtime for name in names}
    assert {"/", "features", "checksum/features", "label"} < times.keys()
    assert not any(times.values()), times


def test_reader_gives_back_what_was_written(path: Path) -> None:
    audio, length = clips()
    with Reader(path) as reader:
        assert (reader.n_clips, reader.sr, reader.n_samples) == (N_CLIPS, 8000, 2000)
        assert reader.labels == ("yes", "no", "é")
        assert reader.feature_names == ("logmel", "mfcc")
        assert isinstance(reader.audio, np.memmap)
        np.testing.assert_array_equal(reader.audio, audio)
        np.testing.assert_array_equal(reader.length, length)
        np.testing.assert_array_equal(reader.label, [i % 4 - 1 for i in range(N_CLIPS)])
        assert reader.split.tolist() == SPLIT
        assert reader.speaker.tolist() == SPEAKERS
        assert reader.source.tolist() == SOURCES
        assert not reader.variant.any()
        assert not reader.start.any()
        np.testing.assert_array_equal(reader.rows("test"), np.arange(2, N_CLIPS, 5))
        assert reader.config() == reader.config("logmel") == LOGMEL
        assert reader.config("mfcc") == MFCC


@pytest.mark.parametrize("rows", [slice(-5, None), slice(None), slice(95, 600), slice(500, 600), slice(70, 30), slice(64, 64)], ids=str)
def test_consecutive_rows_are_a_slice_of_numpy(path: Path, rows: slice) -> None:
    with Reader(path) as reader:
        for name in ("audio", "length", "features/mfcc"):
            np.testing.assert_array_equal(reader.map(name, rows), reader.map(name)[rows], strict=True)
            np.testing.assert_array_equal(reader.checked(name, rows), reader.map(name)[rows], strict=True)
            reader.read_ahead(name, rows)
        np.testing.assert_array_equal(reader.map("label", rows), reader.label[rows], strict=True)


def test_rows_and_arrays_that_cannot_be_read_are_named(path: Path) -> None:
    with Reader(path) as reader:
        for read in (reader.map, reader.checked, reader.read_ahead):
            with pytest.raises(ConfigError, match="step of -1 are not consecutive: the step must be 1"):
                read("audio", slice(None, None, -1))
            with pytest.raises(UnknownNameError, match=r"'features/mfc' is not an? \w+ of .*a\.h5.*: did you mean features/mfcc"):
                read("features/mfc", slice(5))
        with pytest.raises(UnknownNameError, match=r"'label' is not an array of .*a\.h5 with checksums: .*length"):
            reader.checked("label", slice(5))


def test_features_are_those_of_the_front_end(path: Path) -> None:
    audio, length = clips()
    reader = Reader(path)
    for name, config in (("logmel", LOGMEL), ("mfcc", MFCC)):
        assert reader.features(name).dtype == np.float32
        np.testing.assert_array_equal(reader.features(name), FrontEnd(config).extract_batch(audio, lengths=length))
    np.testing.assert_array_equal(reader.features(), reader.features("logmel"))


def test_statistics_are_of_the_training_rows_only(path: Path) -> None:
    reader = Reader(path)
    train = reader.features("mfcc")[reader.rows("train")].astype(np.float64)
    mean, std = reader.statistics("mfcc")
    assert mean.dtype == std.dtype == np.float32
    np.testing.assert_allclose(mean, train.mean(axis=(0, 1)), rtol=1e-6)
    np.testing.assert_allclose(std, train.std(axis=(0, 1)), rtol=1e-6)


def test_moments_do_not_cancel_and_do_not_depend_on_the_cuts() -> None:
    x = 1e6 + np.random.default_rng(0).standard_normal((1000, 3)).astype(np.float32)
    cut = Moments.of(x[:0]).merge(Moments.of(x[:10])).merge(Moments.of(x[10:700])).merge(Moments.of(x[700:]))
    np.testing.assert_allclose(cut.std, x.astype(np.float64).std(axis=0), rtol=1e-9)
    np.testing.assert_allclose(cut.mean, x.astype(np.float64).mean(axis=0), rtol=1e-12)


def test_h5py_alone_reads_the_file(path: Path) -> None:
    with h5py.File(path) as file:
        assert file.attrs["format"] == "kwsfeat"
        assert file.attrs["format_version"] == 3
        assert file.attrs["complete"]
        assert list(file.attrs["labels"]) == ["yes", "no", "é"]
        assert file["features/logmel"].shape == (N_CLIPS, *LOGMEL.shape)
        assert file["source"].asstr()[1] == "wörter/1.wav"
        assert json.loads(file["features/logmel"].attrs["config"]) == LOGMEL.to_dict()
        np.testing.assert_array_equal(file["features/logmel"][7], Reader(path).features()[7])
        for name in ("audio", "length", "features/logmel", "label"):
            assert file[name].chunks is None
            assert file[name].id.get_create_plist().get_nfilters() == 0


def test_the_example_of_the_documentation(path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    text = (Path(__file__).parents[3] / "docs" / "reference" / "file-format.md").read_text(encoding="utf-8")
    monkeypatch.chdir(path.parent)
    (path.parent / "out.h5").write_bytes(path.read_bytes())
    alone, with_kwsfeat = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    assert "kwsfeat" not in alone
    exec(alone, {})
    shape, *_ = capsys.readouterr().out.split(") ")
    assert shape == f"({len(Reader(path).rows('train'))}, {LOGMEL.n_frames}, {LOGMEL.n_features}"
    values: dict[str, object] = {}
    exec(with_kwsfeat, values)
    assert values["config"] == LOGMEL


def test_maps_outlive_the_reader_and_are_read_only(path: Path) -> None:
    with Reader(path) as reader:
        audio = reader.audio
    assert audio[0, 0] == clips()[0][0, 0]
    with pytest.raises(ValueError, match="read-only"):
        audio[0, 0] = 1


def test_the_same_input_gives_the_same_bytes(path: Path, tmp_path: Path) -> None:
    write(tmp_path / "b.h5")
    assert (tmp_path / "b.h5").read_bytes() == path.read_bytes()


def test_unknown_names_are_answered_with_the_near_ones(path: Path) -> None:
    reader = Reader(path)
    with pytest.raises(UnknownNameError, match=r"'mfc'.*mfcc"):
        reader.features("mfc")
    with pytest.raises(UnknownNameError, match=r"'valid'.*validation"):
        reader.rows("valid")


def test_a_file_that_is_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="no such file"):
        Reader(tmp_path / "missing.h5")
    (tmp_path / "text.h5").write_text("hello")
    with pytest.raises(StoreError, match="not an HDF5 file"):
        Reader(tmp_path / "text.h5")
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["x"] = 1
    with pytest.raises(StoreError, match="not one made by kwsfeat"):
        Reader(tmp_path / "other.h5")


def test_a_file_that_another_program_changes_is_refused(path: Path) -> None:
    with open(path, "rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)  # as HDF5 does when it opens a file for writing
        with pytest.raises(StoreError, match="open for writing in another program"):
            Reader(path)
    assert Reader(path).n_clips == N_CLIPS


@pytest.mark.parametrize(
    ("attribute", "value", "message"),
    [("format_version", 4, "format version 4, this program reads versions up to 3: update"), ("complete", False, "unfinished")],
)
def test_a_newer_version_or_an_unfinished_file_is_refused(path: Path, tmp_path: Path, attribute: str, value: object, message: str) -> None:
    copy = tmp_path / "copy.h5"
    copy.write_bytes(path.read_bytes())
    with h5py.File(copy, "r+") as file:
        file.attrs.modify(attribute, value)
    reseal(copy)
    with pytest.raises(StoreError, match=message):
        Reader(copy)


def test_a_newer_version_is_told_by_the_first_page(path: Path, tmp_path: Path) -> None:
    """Whatever comes after it."""
    (tmp_path / "new.h5").write_bytes(path.read_bytes().replace(b'"format_version": 3', b'"format_version": 7', 1))
    with pytest.raises(StoreError, match="format version 7, this program reads versions up to 3"):
        Reader(tmp_path / "new.h5")


def test_a_chunked_layout_is_refused_by_name(path: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy.h5"
    copy.write_bytes(path.read_bytes())
    with h5py.File(copy, "r+") as file:
        audio = file["audio"][:]
        del file["audio"]
        file.create_dataset("audio", data=audio, chunks=(10, 2000), compression="gzip")
    reseal(copy)
    with pytest.raises(StoreError, match="/audio is not contiguous"):
        Reader(copy)


def test_feature_sets_of_one_file_must_share_its_audio(tmp_path: Path) -> None:
    other = FeatureConfig.from_partial({"pad": "front"}, LOGMEL)
    with pytest.raises(
        ConfigError, match=r"features 'a' and features 'b' disagree about what a clip is \(pad: 'end' != 'front'\): build two files"
    ):
        Writer(tmp_path / "a.h5", columns=Columns.of([0], ["train"]), labels=["a"], configs={"a": LOGMEL, "b": other})


def columns(n: int) -> Columns:
    return Columns.of([0] * n, ["train"] * n)


def test_blocks_may_come_in_any_order(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    values = rng.standard_normal((N_CLIPS, *LOGMEL.shape)).astype(np.float32)
    for name, step in (("up", 1), ("down", -1)):
        with Writer(tmp_path / name, columns=columns(N_CLIPS), labels=["a"], configs={"x": LOGMEL}) as writer:
            for index in range(len(writer.blocks))[::step]:
                block = writer.empty_block(index)
                block.arrays["features/x"][:] = values[block.rows]
                writer.write(block)
            writer.finish()
    assert (tmp_path / "up").read_bytes() == (tmp_path / "down").read_bytes()


def test_a_missing_block_is_not_finished(tmp_path: Path) -> None:
    with Writer(tmp_path / "a.h5", columns=columns(N_CLIPS), labels=["a"], configs={"x": LOGMEL}) as writer:
        writer.write(writer.empty_block(0))
        with pytest.raises(StoreError, match="1 of 2 blocks"):
            writer.finish()
    assert not (tmp_path / "a.h5").exists()


def test_a_block_whose_bytes_changed_is_not_taken_up_again(tmp_path: Path) -> None:
    arguments = {"columns": columns(N_CLIPS), "labels": ["a"], "configs": {"x": LOGMEL}, "key": b"plan"}
    with Writer(tmp_path / "a.h5", **arguments) as writer:
        assert not writer.finished
        for index in range(2):
            writer.write(writer.empty_block(index))
        place = writer.partial, writer.layout.places["audio"].offset
    with open(place[0], "r+b") as file:
        file.seek(place[1] + 5)
        file.write(b"\x01")
    with Writer(tmp_path / "a.h5", **arguments) as writer:
        assert set(writer.finished) == {0, 1}
        assert writer.read(0, writer.new_arrays()) is None
        assert writer.read(1, writer.new_arrays()) is not None
    with Writer(tmp_path / "a.h5", **(arguments | {"key": b"other plan"})) as writer:
        assert not writer.finished


def test_float16_states_its_error(tmp_path: Path) -> None:
    x = np.random.default_rng(2).uniform(-30, 30, (N_CLIPS, *LOGMEL.shape)).astype(np.float32)
    with Writer(tmp_path / "a.h5", columns=columns(N_CLIPS), labels=["a"], configs={"x": LOGMEL}, dtype="float16") as writer:
        for index, rows in enumerate(writer.blocks):
            block = writer.empty_block(index)
            block.arrays["features/x"][:] = x[rows]
            writer.write(block)
        writer.finish()
    reader = Reader(tmp_path / "a.h5")
    assert reader.features().dtype == np.float16
    error = np.abs(reader.features().astype(np.float64) - x).max()
    stated = reader.feature_attrs()["float16_error"]
    assert stated / 2 < error <= stated


def test_values_that_are_not_finite_are_refused(tmp_path: Path) -> None:
    sources = [f"{i}.wav" for i in range(3)]
    with Writer(
        tmp_path / "a.h5", columns=Columns.of([0] * 3, ["test"] * 3, source=sources), labels=["a"], configs={"x": LOGMEL}, dtype="float16"
    ) as writer:
        block = writer.empty_block(0)
        block.arrays["features/x"][2, 0, 0] = np.inf
        with pytest.raises(StoreError, match=r"2\.wav.*not finite"):
            writer.write(block)


def test_a_disk_that_does_not_keep_what_is_written_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write = os.pwrite

    def forgetful(fd: int, data: memoryview, offset: int) -> int:
        return write(fd, bytes(len(data)), offset)

    with Writer(tmp_path / "a.h5", columns=columns(3), labels=["a"], configs={"x": LOGMEL}) as writer:
        block = writer.empty_block(0)
        block.arrays["audio"][2, 7] = 1
        monkeypatch.setattr(os, "pwrite", forgetful)
        with pytest.raises(StoreError, match="does not read back the same"):
            writer.write(block)


def test_one_writer_at_a_time(tmp_path: Path) -> None:
    arguments = {"columns": columns(3), "labels": ["a"], "configs": {"x": LOGMEL}}
    with Writer(tmp_path / "a.h5", **arguments), pytest.raises(StoreError, match="another process"):
        Writer(tmp_path / "a.h5", **arguments)
    Writer(tmp_path / "a.h5", **arguments).discard()
    assert list(tmp_path.iterdir()) == []


def test_everything_in_a_file_is_documented(path: Path) -> None:
    text = (Path(__file__).parents[3] / "docs" / "reference" / "file-format.md").read_text(encoding="utf-8")
    with h5py.File(path) as file:
        names = [
            *(f"`/{name}" for name in file),
            *(f"`{name}`" for name in file.attrs),
            *(f"`{name}`" for name in file["features/logmel"].attrs),
        ]
    assert [name for name in names if name not in text] == []


def test_every_byte_lies_in_one_place(path: Path) -> None:
    places = sorted(Reader(path).extents.values(), key=lambda place: place.offset)
    assert all(a.end <= b.offset for a, b in pairwise(places))
    assert places[-1].end <= os.path.getsize(path)
    assert sum(is_block_array(name) for name in Reader(path).extents) == 5


@pytest.mark.parametrize(
    ("folder", "kind"),
    [
        ("/data/words", "nfs4"),
        ("/data/fast", None),
        ("/data/fast/x", None),
        ("/home", None),
        ("/da", None),
        ("/my disk/a", "cifs"),
        ("/", None),
    ],
)
def test_a_network_disk_is_known_by_the_mounts(tmp_path: Path, folder: str, kind: str | None) -> None:
    mounts = tmp_path / "mounts"
    mounts.write_text(
        "/dev/sda / ext4 rw 0 0\nserver:/x /data nfs4 rw 0 0\n/dev/sdb /data/fast xfs rw 0 0\n//s/y /my\\040disk cifs rw 0 0\n\n"
        "server:/old /home nfs rw 0 0\n/dev/sdc /home ext4 rw 0 0\n"
    )
    assert network_file_system(Path(folder) / "a.h5", mounts) == kind
    assert network_file_system(Path(folder) / "a.h5", tmp_path / "nowhere") is None
