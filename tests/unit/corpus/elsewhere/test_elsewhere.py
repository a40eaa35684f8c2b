"""Recordings behind URLs and in the tar files of WebDataset give the files that the same recordings in a folder give."""

from __future__ import annotations

import csv
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_array_equal

pytest.importorskip("fsspec")

import fsspec
from builds import CONFIG, CONFIGS, plan
from tarred import add

from kwsfeat import CorpusError, KwsError, Reader, build_file, build_shards
from kwsfeat.cli import main
from kwsfeat.pipeline.sources import Recordings


def in_memory(folder: Path, to: str) -> str:
    system = fsspec.filesystem("memory")
    for path in folder.iterdir():
        system.pipe(f"/{to}/{path.name}", path.read_bytes())
    return f"memory://{to}"


def audio_by_name(path: Path) -> dict[str, np.ndarray]:
    with Reader(path) as reader:
        return dict(zip([name.rpartition("/")[2] for name in reader.source.tolist()], np.array(reader.audio), strict=True))


def test_tar_files_give_what_their_recordings_give(tars: Path, tiny_corpus: Path, tmp_path: Path) -> None:
    build_file(plan(tiny_corpus), tmp_path / "folder.h5", CONFIGS)
    rows = plan(f"{tars}/speech-{{000..001}}.tar")  # type: ignore[arg-type]
    assert (rows.corpus.layout, rows.labels) == ("webdataset", ("no", "up", "yes"))
    assert [clip.path for clip in rows.clips] == sorted((clip.path for clip in rows.clips), key=lambda path: path[:14])  # in their order
    assert {clip.speaker for clip in rows.clips} >= {"00abc000"}
    build_file(rows, tmp_path / "tars.h5", CONFIGS)
    ours, theirs = audio_by_name(tmp_path / "tars.h5"), audio_by_name(tmp_path / "folder.h5")
    assert len(ours) == 72
    with Reader(tmp_path / "folder.h5") as reader:
        words = [name.split("/") for name in reader.source.tolist()]
    for word, name in words:
        if word in rows.labels:
            whole = theirs[name] if sum(other == name for _, other in words) == 1 else None
            assert whole is None or np.array_equal(ours[f"{word}_{name}"], whole)
    with Reader(tmp_path / "tars.h5") as reader:
        assert all(
            name.rpartition("/")[2].startswith(reader.labels[label]) for name, label in zip(reader.source, reader.label, strict=True)
        )


def test_a_url_gives_what_the_path_gives(tars: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    where = in_memory(tars, "speech")
    assert main(["build", f"{where}/speech-{{000..001}}.tar", str(tmp_path / "url.h5"), "-q"]) == 0
    assert main(["build", f"{tars}/speech-{{000..001}}.tar", str(tmp_path / "path.h5"), "-q"]) == 0
    assert (tmp_path / "url.h5").read_bytes() == (tmp_path / "path.h5").read_bytes()
    assert main(["scan", f"{where}/speech-{{000..001}}.tar"]) in (0, 3)
    assert "webdataset" in capsys.readouterr().err


def test_the_files_of_a_folder_read_their_own_recordings(tars: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tars)
    rows = plan("speech-{000..001}.tar")  # type: ignore[arg-type]
    build_shards(rows, tmp_path / "set", CONFIGS, shard_clips=30)
    build_file(rows, tmp_path / "one.h5", CONFIGS)
    assert len(rows.part(slice(0, 5)).corpus.packed) == 5
    with Reader(tmp_path / "set") as several, Reader(tmp_path / "one.h5") as one:
        assert_array_equal(several.audio, one.audio)


def test_a_build_begins_anew_where_a_tar_file_has_changed(tars: Path) -> None:
    rows = plan(f"{in_memory(tars, 'other')}/speech-{{000..001}}.tar")  # type: ignore[arg-type]
    before = rows.identity()
    assert rows.identity() == before
    data = (tars / "speech-001.tar").read_bytes()
    fsspec.filesystem("memory").pipe("/other/speech-001.tar", data + bytes(512))
    assert rows.identity() != before


@pytest.fixture
def manifest(tiny_corpus: Path, tmp_path: Path) -> Iterator[Path]:
    """Some recordings in memory, some as files behind a URL, some as paths, and one that is nowhere."""
    system = fsspec.filesystem("memory")
    with open(tmp_path / "list.csv", "w", newline="") as file:
        lines = csv.writer(file)
        lines.writerow(["path", "label", "start", "end"])
        for word in ("yes", "no"):
            for i, path in enumerate(sorted((tiny_corpus / word).iterdir())[:6]):
                system.pipe(f"/corpus/{word}/{path.name}", path.read_bytes())
                url = (f"memory://corpus/{word}/{path.name}", f"file://{path}", str(path))[i % 3]
                lines.writerow([url, word, *(("0.25", "0.75") if i > 2 else ("", ""))])
        lines.writerow(["memory://corpus/yes/nowhere.wav", "yes", "", ""])
    yield tmp_path / "list.csv"
    system.rm("/corpus", recursive=True)


def test_a_manifest_may_list_urls(manifest: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["build", str(manifest), str(tmp_path / "out.h5"), "--silence-share", "0"]) == 3
    assert "memory://corpus/yes/nowhere.wav: no such file" in capsys.readouterr().err
    with Reader(tmp_path / "out.h5") as reader:
        assert reader.n_clips == 12
        assert reader.start.tolist() == [0, 0, 0, 4000, 4000, 4000] * 2
        assert sorted(set(reader.length.tolist())) == [8000, 16000]


def _fails(self: Any, *arguments: Any, **options: Any) -> Any:
    raise ConnectionResetError("the network\nis down")


def test_a_place_that_does_not_answer_stops_the_build(manifest: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Recordings that cannot be reached are not recordings that cannot be read: the file would lack them for ever."""
    rows = plan(manifest)
    monkeypatch.setattr(type(fsspec.filesystem("memory")), "cat_file", _fails)
    with pytest.raises(CorpusError, match=r"^memory://corpus/\w+/\w+\.wav: cannot be reached \(the network\): repeat the command"):
        build_file(rows, tmp_path / "out.h5", {"x": CONFIG})
    monkeypatch.setattr(type(fsspec.filesystem("memory")), "info", _fails)
    with pytest.raises(CorpusError, match="cannot be reached"):
        rows.identity()


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("memory://nowhere/x-{000..001}.tar", r"memory://nowhere/x-000\.tar: no such file"),
        ("/nowhere/x-{000..001}.tar", r"/nowhere/x-000\.tar: No such file"),
        ("/nowhere/x-{5..3}.tar", r"\{5\.\.3\} must be \{FIRST\.\.LAST\}"),
        ("memory://folder/of/recordings", r"only tar files may be a URL"),
        ("nothing://x/y.tar", "Protocol not known: nothing"),
    ],
)
def test_what_is_not_there_is_said(source: str, message: str) -> None:
    with pytest.raises(CorpusError, match=message):
        plan(source)  # type: ignore[arg-type]


def test_samples_that_make_no_sense_are_skipped(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "x-0.tar", "w") as tar:
        add(tar, "a.wav", b"not a recording")
        add(tar, "a.cls", b"7")
        add(tar, "b.txt", b"only a text")
        add(tar, "c.flac", b"")
        add(tar, "c.json", b"[1]")
        add(tar, "d.flac", b"")
        add(tar, "d.json", b'{"label": "x", "split": "dev set"}')
        add(tar, ".hidden.wav", b"")
    rows: Recordings = plan(f"{tmp_path}/x-{{0..0}}.tar", unknown=None)  # type: ignore[arg-type]
    assert [(clip.path, clip.label) for clip in rows.clips] == [("x-0.tar/a.wav", "7")]
    assert [name for name, _ in rows.corpus.skipped] == ["x-0.tar/b", "x-0.tar/c.flac", "x-0.tar/d.flac"]
    assert "split 'dev set' must be train" in rows.corpus.skipped[2][1]


def test_null_is_nothing_said_and_a_list_is_no_label(tmp_path: Path) -> None:
    told = {"a": '{"label": "yes", "speaker": null, "split": null}', "b": '{"label": null}', "c": '{"label": ["yes"]}', "d": '{"label": 7}'}
    with tarfile.open(tmp_path / "x-0.tar", "w") as tar:
        for key, text in told.items():
            add(tar, f"word/{key}.wav", b"")
            add(tar, f"word/{key}.json", text.encode("utf-8-sig"))
    rows: Recordings = plan(f"{tmp_path}/x-{{0..0}}.tar")  # type: ignore[arg-type]
    assert [(clip.label, clip.speaker) for clip in rows.clips] == [("yes", ""), ("7", "")]
    assert [(name[-6:], why.split(",")[0]) for name, why in rows.corpus.skipped] == [
        ("/c.wav", "what is said of it cannot be read (label ['yes'] must be one text or number)"),
        ("/b.wav", "no label"),
    ]


def test_a_second_recording_of_a_sample_is_listed(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "x-0.tar", "w") as tar:
        for name in ("yes/1.wav", "yes/1.flac", "no.0.wav", "no.1.wav", "no.2.wav"):
            add(tar, name, b"")
        add(tar, "no.cls", b"no")
    rows: Recordings = plan(f"{tmp_path}/x-{{0..0}}.tar")  # type: ignore[arg-type]
    assert [clip.path for clip in rows.clips] == ["x-0.tar/yes/1.wav", "x-0.tar/no.0.wav"]
    assert [name for name, _ in rows.corpus.skipped] == ["x-0.tar/yes/1.flac", "x-0.tar/no.1.wav", "x-0.tar/no.2.wav"]
    assert "a second recording of the sample no: names differ before their first dot" in rows.corpus.skipped[1][1]


def test_a_damaged_tar_file_is_named(tars: Path, tmp_path: Path) -> None:
    (tmp_path / "x-0.tar").write_bytes(bytes(range(256)) * 20)
    with pytest.raises(CorpusError, match=r"x-0\.tar: damaged, or not a tar file"):
        plan(f"{tmp_path}/x-{{0..0}}.tar")  # type: ignore[arg-type]
    (tmp_path / "x-0.tar").write_bytes((tars / "speech-000.tar").read_bytes()[:50_000])
    with pytest.raises(KwsError, match=r"x-0\.tar"):
        build_file(plan(f"{tmp_path}/x-{{0..0}}.tar"), tmp_path / "out.h5", {"x": CONFIG}, strict=True)  # type: ignore[arg-type]
