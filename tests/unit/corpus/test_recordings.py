"""Which files of a folder are recordings: one rule for building and predicting."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
from folders import recordings

from kwsfeat import AudioError, CorpusError, FeatureConfig, list_recordings, load_clip
from kwsfeat.audio.read import read_samples
from kwsfeat.corpus.find import find_corpus


def test_building_and_predicting_take_the_same_files(tmp_path: Path) -> None:
    names = ["yes/1.wav", "yes/2.W64", "yes/3.rf64", "yes/4.caf", "yes/5.snd", "yes/6.aifc", "yes/7.wave", "no/8.flac"]
    hidden = ["__MACOSX/yes/1.wav", "yes/._1.wav", ".git/x.wav", "no/.cache/x.wav", "yes/notes.txt"]
    for name in names + hidden:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "yes" / "folder.wav").mkdir()
    (tmp_path / "yes" / "up").symlink_to(tmp_path)
    expected = sorted(names)
    assert [str(path.relative_to(tmp_path)) for path in list_recordings(tmp_path)] == expected
    assert [clip.path for clip in find_corpus(tmp_path).clips] == expected


def test_a_folder_without_recordings_says_what_it_needs(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match=r"no recordings in it: it needs files called \.wav, "):
        list_recordings(tmp_path)


def test_telephone_and_laboratory_kinds_are_recordings(tmp_path: Path) -> None:
    for name, kind in (("yes/1.sph", "NIST"), ("no/1.voc", "VOC")):
        (tmp_path / name).parent.mkdir()
        soundfile.write(tmp_path / name, np.arange(-800, 800, dtype=np.int16), 16000, format=kind, subtype="PCM_16")
    soundfile.write(tmp_path / "yes" / "2.gsm", np.zeros(8000, np.int16), 8000, format="RAW", subtype="GSM610")
    (tmp_path / "no" / "2.mp2").write_bytes((b"\xff\xfd\x80\xc0" + bytes(413)) * 40)  # MPEG-1 layer II, 44.1 kHz, frames of silence
    corpus = find_corpus(tmp_path)
    lengths = {clip.path: len(read_samples(corpus.open(clip))[0]) for clip in corpus.clips}
    assert lengths == {"no/1.voc": 1600, "no/2.mp2": 40 * 1152, "yes/1.sph": 1600, "yes/2.gsm": 8000}


def test_recordings_that_are_not_read_are_counted_with_the_cure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))  # no ffmpeg
    root = recordings(tmp_path / "c", "yes/a.wav", "no/a.wav")
    for name in ("yes/1.raw", "yes/2.pcm", "no/3.RAW", "no/4.ulaw", "yes/5.wv", "yes/6.m4b", "no/7.mov", "no/8.wv"):
        (root / name).write_bytes(bytes(1600))
    headerless = "2 .raw and 1 .ulaw and 1 .pcm recordings have no header and are left out: build and scan read them with --raw ulaw:8000"
    foreign = "2 .wv and 1 .mov and 1 .m4b recordings cannot be read without ffmpeg"
    notes = find_corpus(root).notes
    assert any(note.startswith(foreign) for note in notes)
    assert any(note.startswith(headerless) for note in notes)
    assert len(find_corpus(root, raw="s16:16000").clips) == 6
    for path in root.rglob("*.w*v"):
        path.unlink()
    with pytest.raises(CorpusError, match=r"1 \.mov .* without ffmpeg: .*; 2 \.raw .* --raw ulaw:8000"):
        find_corpus(root)
    with pytest.raises(CorpusError, match="have no header"):
        list_recordings(root)


@pytest.mark.skipif(sys.platform in ("win32", "darwin"), reason="names are Unicode on this system")
@pytest.mark.parametrize("shape", [b"caf%b/%d.wav", b"caf%b_%d.wav", b"caf%b%d.wav"])
def test_names_that_only_bytes_tell_apart_are_refused(tmp_path: Path, shape: bytes) -> None:
    root = recordings(tmp_path / "c", *(f"x{i}.wav" for i in range(6)))
    for i in range(6):
        path = os.fsencode(root) + b"/" + shape % ([b"\xe9", b"\xe8"][i % 2], i)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        os.rename(root / f"x{i}.wav", path)
    with pytest.raises(CorpusError, match=r"caf\\xe8 and caf\\xe9 are no Unicode and would be one class, caf\ufffd: rename them"):
        find_corpus(root, "words" if b"/" in shape else "names")


@pytest.mark.skipif(sys.platform in ("win32", "darwin"), reason="names are Unicode on this system")
def test_a_name_of_other_bytes_inside_a_folder_is_no_other_word(tmp_path: Path) -> None:
    root = recordings(tmp_path / "c", "word/1.wav", "no/1.wav")
    os.rename(root / "word" / "1.wav", os.fsencode(root / "word") + b"/caf\xe8.wav")
    os.rename(root / "word", os.fsencode(root) + b"/caf\xe9")
    assert find_corpus(root).words == ["caf\ufffd", "no"]


def test_a_link_to_itself_is_skipped_and_its_folder_is_read(tmp_path: Path) -> None:
    root = recordings(tmp_path / "c", "yes/1.wav", "no/1.wav")
    (root / "yes" / "again.wav").symlink_to("again.wav")
    (root / "up").symlink_to("up")
    corpus = find_corpus(root)
    assert [clip.path for clip in corpus.clips] == ["no/1.wav", "yes/1.wav", "yes/again.wav"]
    assert [name for name, _ in corpus.skipped] == ["up"]
    with pytest.raises(AudioError, match=r"again\.wav: a symbolic link"):
        load_clip(corpus.open(corpus.clips[-1]), FeatureConfig())
