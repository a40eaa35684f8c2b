"""Talk that voices read: as long as asked, no sentence with an unwanted word, equal arguments give equal samples."""

from __future__ import annotations

import errno
from pathlib import Path

import numpy as np
import pytest
import soundfile
from click.testing import CliRunner
from numpy.typing import NDArray

from kwsfeat.cli import cli, main
from kwsfeat.corpus.acquire import talk
from kwsfeat.corpus.acquire.talk import talk_corpus
from kwsfeat.errors import CorpusError

pytest.importorskip("espeakng_loader", reason="no espeak-ng wheel for this platform")

TEXT = (
    "The first of some sentences stands here. Is a Bird mentioned in this second one? "
    "The third [[one]] ends\nwith   the text!\n\nA heading\n"
)


@pytest.fixture
def book(tmp_path: Path) -> Path:
    path = tmp_path / "book.txt"
    path.write_text(TEXT * 30, encoding="utf-8")
    return path


def heard(folder: Path) -> NDArray[np.int16]:
    parts = [soundfile.read(path, dtype="int16")[0] for path in sorted(folder.iterdir())]
    return np.concatenate(parts)


def test_a_text_is_read_sentence_by_sentence(book: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    said: list[str] = []

    def speak_lines(lines: object, *, seed: int) -> object:
        for line in lines:  # type: ignore[attr-defined]
            said.append(line)
            yield "voice", np.ones(800, np.float32)

    monkeypatch.setattr(talk, "speak_lines", speak_lines)
    talk_corpus(tmp_path / "out", [book], hours=1, without=["bird", " "])
    first = "The first of some sentences stands here."
    assert set(said) == {first, "The third one ends with the text!", f"A heading {first}"}
    long = tmp_path / "long.txt"
    long.write_text("word " * 300, encoding="utf-8")
    said.clear()
    talk_corpus(tmp_path / "other", [long], hours=1)
    assert sorted(map(len, said)) == [299, 399, 399, 399]


def test_hours_and_levels_are_those_asked_for(book: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(talk, "_FILE_S", 8.0)
    told: list[tuple[int, int]] = []
    hours = talk_corpus(tmp_path / "talk", [book], hours=20 / 3600, progress=lambda done, total: told.append((done, total)))
    assert hours == 20 / 3600
    assert [len(soundfile.read(path)[0]) / 16000 for path in sorted((tmp_path / "talk").iterdir())] == [8, 8, 4]
    assert told == [(8, 20), (16, 20), (20, 20)]
    power = np.square(heard(tmp_path / "talk") / 32768).reshape(-1, 1600).mean(axis=1)
    assert np.median(power) > 1e-5
    assert power.max() < 0.5


def test_equal_arguments_give_equal_samples(book: Path, tmp_path: Path) -> None:
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        talk_corpus(tmp_path / name, [book], hours=5 / 3600, seed=seed)
    a, b, c = (heard(tmp_path / name) for name in "abc")
    np.testing.assert_array_equal(a, b)
    assert (a != c).mean() > 0.5


def test_what_fails_on_the_way_leaves_nothing(book: Path, tmp_path: Path) -> None:
    def interrupt(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        talk_corpus(tmp_path / "new" / "talk", [book], hours=2 / 3600, progress=interrupt)
    assert not list((tmp_path / "new").iterdir())


def test_a_full_disk_is_one_line(book: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(path: Path, data: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device", str(path))

    monkeypatch.setattr(Path, "write_bytes", full)
    assert main(["talk", str(tmp_path / "new" / "talk"), str(book), "--hours", "0.0005"]) == 1
    assert not list((tmp_path / "new").iterdir())


def test_what_cannot_be_read_is_refused(book: Path, tmp_path: Path) -> None:
    latin = tmp_path / "latin.txt"
    latin.write_bytes("größe".encode("latin-1"))
    with pytest.raises(CorpusError, match="is not text in UTF-8"):
        talk_corpus(tmp_path / "out", [latin], hours=1)
    with pytest.raises(CorpusError, match="cannot be read"):
        talk_corpus(tmp_path / "out", [tmp_path / "missing.txt"], hours=1)
    with pytest.raises(CorpusError, match="no sentence of 20 letters is left"):
        talk_corpus(tmp_path / "out", [book], hours=1, without=["e"])
    with pytest.raises(CorpusError, match="hours=0 must be > 0"):
        talk_corpus(tmp_path / "out", [book], hours=0)
    assert not (tmp_path / "out").exists()
    with pytest.raises(CorpusError, match="already exists and is not empty"):
        talk_corpus(tmp_path, [book], hours=1)


def test_the_command_says_how_much_it_wrote(tmp_path: Path) -> None:
    (tmp_path / "short.txt").write_text(TEXT, encoding="utf-8")
    result = CliRunner().invoke(cli, ["talk", str(tmp_path / "talk"), str(tmp_path / "short.txt"), "--without", "bird"])
    assert result.exit_code == 0
    assert result.stdout == f"{tmp_path / 'talk'}: 0.00 h of talk\n"
    assert "the text has ended after 0.00 h of 2: give more" in result.stderr
    assert 2 < len(heard(tmp_path / "talk")) / 16000 < 10
