"""Which files of a folder are recordings: one rule for building and predicting."""

from __future__ import annotations

from pathlib import Path

import pytest
from folders import recordings

from kwsfeat import AudioError, CorpusError, FeatureConfig, list_recordings, load_clip
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


def test_a_link_to_itself_is_skipped_and_its_folder_is_read(tmp_path: Path) -> None:
    root = recordings(tmp_path / "c", "yes/1.wav", "no/1.wav")
    (root / "yes" / "again.wav").symlink_to("again.wav")
    (root / "up").symlink_to("up")
    corpus = find_corpus(root)
    assert [clip.path for clip in corpus.clips] == ["no/1.wav", "yes/1.wav", "yes/again.wav"]
    assert [name for name, _ in corpus.skipped] == ["up"]
    with pytest.raises(AudioError, match=r"again\.wav: a symbolic link"):
        load_clip(corpus.open(corpus.clips[-1]), FeatureConfig())
