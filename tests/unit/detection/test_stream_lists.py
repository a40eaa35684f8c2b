"""Which recordings are scored, and where their references stand."""

from __future__ import annotations

from pathlib import Path

import pytest

from kwsfeat import CorpusError, Interval, KwsError, list_streams

HEAD = "start_s,end_s,word\n"


def test_a_folder_of_recordings_with_references_beside_them(tmp_path: Path) -> None:
    for name, text in (("a.wav", ""), ("a.csv", f"{HEAD}1,2,yes\n"), ("b.flac", ""), ("b.txt", "1\t2\tno\n")):
        (tmp_path / name).write_text(text)
    a, b = list_streams(tmp_path)
    assert [one.word for one in (*a.reference, *b.reference)] == ["yes", "no"]
    (tmp_path / "c.ogg").write_text("")
    with pytest.raises(CorpusError, match=r"c\.ogg: has no reference: put c\.csv or c\.txt beside it, or say --no-words"):
        list_streams(tmp_path)
    (alone,) = list_streams(tmp_path / "b.flac")
    assert repr(alone) == repr(b)


def test_recordings_without_words_are_of_the_source_that_their_folder_names(tmp_path: Path) -> None:
    for name in ("music/a.wav", "speech_en/b.wav"):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_text("")
    music, speech = list_streams(tmp_path, no_words=True)
    assert (music.source, music.reference, speech.source) == ("music", (), "speech_en")
    assert [repr(one) for one in music.sections(60.0)] == [repr(Interval(0.0, 60.0, source="music"))]


def test_a_list(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(f"{HEAD}1,2,yes\n")
    (tmp_path / "stream.toml").write_text(
        '[[recordings]]\naudio = "a.wav"\nreference = "a.csv"\n[[recordings]]\naudio = "sub/b.wav"\nno_words = true\nsource = "noise"\n',
        encoding="utf-8-sig",
    )
    for given in (tmp_path, tmp_path / "stream.toml"):
        a, b = list_streams(given)
        assert (a.audio, len(a.reference), a.source) == (tmp_path / "a.wav", 1, "")
        assert (b.audio, b.reference, b.source) == (tmp_path / "sub" / "b.wav", (), "noise")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[[recordings", "is not TOML"),
        ("", "lists no recordings"),
        ("recordings = 3", "lists no recordings"),
        ('[[recordings]]\nreference = "a.csv"', "recording 1: audio, reference and source are texts, and audio is needed"),
        ("[[recordings]]\naudio = 3\nno_words = true", "recording 1: audio"),
        ('[[recordings]]\naudio = "a.wav"', "recording 1 .a.wav.: needs either reference or no_words = true"),
        ('[[recordings]]\naudio = "a.wav"\nno_words = true\nreference = "a.csv"', "needs either"),
        ('[[recordings]]\naudio = "a.wav"\nno_word = true', "did you mean no_words"),
        ('[[recordings]]\naudio = "a.wav"\nreference = "x.csv"', r"x\.csv: cannot be read: No such file"),
    ],
)
def test_lists_that_cannot_be_right(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "stream.toml").write_text(text)
    with pytest.raises(KwsError, match=message) as caught:
        list_streams(tmp_path)
    assert "\n" not in str(caught.value)


def test_what_is_missing_is_said(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match="no such file or folder"):
        list_streams(tmp_path / "x")
    with pytest.raises(CorpusError, match="no recordings in it"):
        list_streams(tmp_path)
