"""Archives of every kind, damaged in every way: one line, nothing outside, no traceback."""

from __future__ import annotations

import builtins
import bz2
import gzip
import io
import lzma
import struct
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest
import soundfile

from kwsfeat.cli import main
from kwsfeat.corpus.acquire.archive import unpack
from kwsfeat.corpus.find import find_corpus
from kwsfeat.errors import CorpusError, MissingExtraError

py7zr = pytest.importorskip("py7zr")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = tmp_path / "speech"
    rng = np.random.default_rng(0)
    for name in ("yes/a_nohash_0.wav", "no/b_nohash_0.wav", "_background_noise_/hum.wav"):
        (root / name).parent.mkdir(parents=True)
        soundfile.write(root / name, rng.integers(-9000, 9000, 4000).astype(np.int16), 16000)
    return root


def seven(archive: Path, folder: Path, name: str = "speech", **options: object) -> Path:
    with py7zr.SevenZipFile(archive, "w", **options) as pack:
        pack.writeall(folder, name)
    return archive


def test_7z_is_read_like_a_folder(tmp_path: Path, folder: Path) -> None:
    corpus = find_corpus(seven(tmp_path / "speech.7z", folder))
    assert corpus.words == ["no", "yes"]
    assert len(corpus.noise) == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["speech", "speech.7z"]


def test_backslashes_in_a_zip_are_folders(tmp_path: Path, folder: Path) -> None:
    with zipfile.ZipFile(tmp_path / "speech.zip", "w") as pack:
        pack.writestr("speech\\yes\\", "")
        for path in sorted(folder.rglob("*.wav")):
            pack.write(path, str(path.relative_to(tmp_path)).replace("/", "\\"))
    corpus = find_corpus(tmp_path / "speech.zip")
    assert corpus.words == ["no", "yes"]
    assert len(corpus.noise) == 1
    with zipfile.ZipFile(tmp_path / "evil.zip", "w") as pack:
        pack.writestr("a\\..\\..\\evil.wav", "")
    with pytest.raises(CorpusError, match="refused"):
        find_corpus(tmp_path / "evil.zip")


def test_archives_inside_an_archive_are_unpacked(tmp_path: Path, folder: Path) -> None:
    """What Kaggle's "download all" gives: a zip of 7z archives."""
    seven(tmp_path / "train.7z", folder, "train/audio")
    (tmp_path / "clips").mkdir()
    soundfile.write(tmp_path / "clips" / "clip_1.wav", np.ones(160, np.int16), 16000)
    seven(tmp_path / "test.7z", tmp_path / "clips", "test/audio")
    with zipfile.ZipFile(tmp_path / "all.zip", "w") as pack:
        for name in ("train.7z", "test.7z"):
            pack.write(tmp_path / name, name)
    corpus = find_corpus(tmp_path / "all.zip")
    assert corpus.layout == "kaggle"
    assert corpus.words == ["no", "yes"]
    assert corpus.notes == ["test/audio holds 1 recordings without labels, left out: --layout unlabelled takes those"]


def test_without_py7zr_the_line_says_what_to_install(tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    archive = seven(tmp_path / "speech.7z", folder)
    real = builtins.__import__

    def without(name: str, *args: object, **options: object) -> object:
        if name == "py7zr":
            raise ImportError(name)
        return real(name, *args, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(MissingExtraError, match=r"speech.7z: 7z archives need the package py7zr: pip install 'kwsfeat\[archives\]'"):
        find_corpus(archive)


@pytest.mark.parametrize("name", ["../evil.wav", "/tmp/evil.wav", "a/../../evil.wav"])
def test_a_malicious_7z_writes_nothing(tmp_path: Path, folder: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    archive = seven(tmp_path / "evil.7z", folder, "x" * len(name.encode()))
    real = py7zr.SevenZipFile.__init__

    def renamed(self: object, *args: object, **options: object) -> None:
        real(self, *args, **options)
        for member in self.files:  # type: ignore[attr-defined]
            member._file_info["filename"] = name

    monkeypatch.setattr(py7zr.SevenZipFile, "__init__", renamed)
    with pytest.raises(CorpusError, match="refused"):
        unpack(archive, tmp_path / "target")
    assert list((tmp_path / "target").iterdir()) == []


def test_a_link_in_a_7z_is_refused(tmp_path: Path, folder: Path) -> None:
    (folder / "link").symlink_to("yes")
    with pytest.raises(CorpusError, match="link is a link"):
        unpack(seven(tmp_path / "link.7z", folder), tmp_path / "target")


def test_encrypted_archives_are_said(tmp_path: Path, folder: Path) -> None:
    seven(tmp_path / "a.7z", folder, password="secret")
    with pytest.raises(CorpusError, match=r"a\.7z: encrypted: unpack it by hand"):
        unpack(tmp_path / "a.7z", tmp_path / "target")
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as pack:
        pack.writestr("a.wav", b"x")
    data = bytearray((tmp_path / "a.zip").read_bytes())
    struct.pack_into("<H", data, data.find(b"PK\1\2") + 8, 1)
    struct.pack_into("<H", data, 6, 1)
    (tmp_path / "a.zip").write_bytes(data)
    with pytest.raises(CorpusError, match=r"a\.zip: encrypted"):
        unpack(tmp_path / "a.zip", tmp_path / "target")


def packed(folder: Path, suffix: str) -> bytes:
    file = io.BytesIO()
    if suffix == ".zip":
        with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as pack:
            for path in sorted(folder.rglob("*.wav")):
                pack.write(path, path.relative_to(folder.parent))
        return file.getvalue()
    if suffix == ".7z":
        with py7zr.SevenZipFile(file, "w") as seven_zip:
            seven_zip.writeall(folder, "speech")
        return file.getvalue()
    with tarfile.open(fileobj=file, mode="w") as tar:
        tar.add(folder, "speech")
    return {".tar.gz": gzip.compress, ".tar.bz2": bz2.compress, ".tar.xz": lzma.compress}[suffix](file.getvalue())


@pytest.mark.parametrize("suffix", [".tar.gz", ".tar.bz2", ".tar.xz", ".zip", ".7z"])
def test_one_changed_bit_of_the_samples_is_found(tmp_path: Path, folder: Path, suffix: str) -> None:
    """Wherever it lies between the header and the very end; where it cannot matter, all samples are right."""
    data = packed(folder, suffix)
    (tmp_path / f"good{suffix}").write_bytes(data)
    unpack(tmp_path / f"good{suffix}", tmp_path / "good")
    expected = {path.name: path.read_bytes() for path in folder.rglob("*.wav")}
    assert {path.name: path.read_bytes() for path in (tmp_path / "good").rglob("*.wav")} == expected
    rng = np.random.default_rng(1)
    positions = [*rng.integers(20, len(data), 24).tolist(), *range(len(data) - 8, len(data))]
    found = []
    for k, at in enumerate(positions):
        changed = bytearray(data)
        changed[at] ^= 1 << int(rng.integers(8))
        (tmp_path / f"bad{suffix}").write_bytes(changed)
        try:
            unpack(tmp_path / f"bad{suffix}", tmp_path / f"bad{k}")
        except CorpusError as error:
            found.append(str(error))
        else:
            assert {path.name: path.read_bytes() for path in (tmp_path / f"bad{k}").rglob("*.wav")} == expected
    assert len(found) >= 20
    assert all(len(message.splitlines()) == 1 for message in found)
    for length in (0, 1, len(data) // 2, len(data) - 1):
        (tmp_path / f"bad{suffix}").write_bytes(data[:length])
        with pytest.raises(CorpusError, match="damaged archive"):
            unpack(tmp_path / f"bad{suffix}", tmp_path / f"cut{length}")


def test_a_damaged_tar_writes_nothing(tmp_path: Path, folder: Path) -> None:
    data = bytearray(packed(folder, ".tar.gz"))
    data[-6] ^= 1  # of the checksum behind the last block
    (tmp_path / "a.tar.gz").write_bytes(data)
    with pytest.raises(CorpusError, match="damaged archive: CRC check failed"):
        unpack(tmp_path / "a.tar.gz", tmp_path / "target")
    assert list((tmp_path / "target").iterdir()) == []


@pytest.mark.parametrize("suffix", [".tar.gz", ".zip"])
def test_names_of_too_many_parts_are_refused(tmp_path: Path, suffix: str) -> None:
    for n_folders in (99, 100, 1200):
        name, path = "d/" * n_folders + "x.wav", tmp_path / f"{n_folders}{suffix}"
        if suffix == ".zip":
            with zipfile.ZipFile(path, "w") as made:
                made.writestr(name, b"x")
        else:
            with tarfile.open(path, "w:gz") as tar:
                tar.addfile(tarfile.TarInfo(name), io.BytesIO(b""))
    unpack(tmp_path / f"99{suffix}", tmp_path / "whole")
    assert (tmp_path / "whole" / ("d/" * 99) / "x.wav").is_file()
    for n_folders in (100, 1200):
        with pytest.raises(CorpusError, match=f"lies in {n_folders:,} folders, 99 are the most"):
            unpack(tmp_path / f"{n_folders}{suffix}", tmp_path / f"target{n_folders}")
        assert not any((tmp_path / f"target{n_folders}").iterdir())


@pytest.mark.parametrize(
    ("name", "kind", "link", "headers"),
    [
        ("h", tarfile.LNKTYPE, "nope", {}),
        ("z", tarfile.REGTYPE, "", {"path": "a\0b"}),
        ("z.wav", tarfile.REGTYPE, "", {"mtime": "nan"}),
        ("n" * 300 + ".wav", tarfile.REGTYPE, "", {}),
    ],
)
def test_strange_members_are_one_line(
    tmp_path: Path, folder: Path, capsys: pytest.CaptureFixture[str], name: str, kind: bytes, link: str, headers: dict[str, str]
) -> None:
    with tarfile.open(tmp_path / "a.tar.gz", "w:gz") as tar:
        tar.add(folder, "speech")
        member = tarfile.TarInfo(name)
        member.type, member.linkname, member.pax_headers = kind, link, headers
        tar.addfile(member, io.BytesIO(b""))
    code = main(["build", str(tmp_path / "a.tar.gz"), str(tmp_path / "a.h5"), "-q"])
    said = capsys.readouterr().err
    assert code in (0, 1)
    assert "Traceback" not in said
    assert len(said.splitlines()) == code
