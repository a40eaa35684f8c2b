"""A folder per word, as Speech Commands."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

from kwsfeat.corpus.clip import Clip, Corpus
from kwsfeat.corpus.files import Files
from kwsfeat.corpus.layouts.layout import Evidence, Layout
from kwsfeat.corpus.names.meaning import SILENCE, SPLIT_NAMES, as_label, is_noise, nohash_speaker, one_spelling, word_likeness
from kwsfeat.corpus.names.speakers import name_speakers, speakers_note


def propose(files: Files) -> Evidence | None:
    """Most recordings lie in folders, which are called like words."""
    words = {path.split("/", 1)[0] for path in files.audio if "/" in path and not is_noise(path)}
    if 2 * sum("/" not in path for path in files.audio) > len(files.audio):
        return None
    return Evidence(0.6 + 0.2 * word_likeness(words), f"{len(words):,} folders")


def read(files: Files) -> Corpus:
    """The folder below the root is the word."""
    corpus = read_words(files, "")
    corpus.layout = LAYOUT.name
    apply_lists(corpus, [files.root, files.root / "train", *_above(files)])
    return corpus


def _above(files: Files) -> Iterator[Path]:
    """The folders between what the user named and the root: a wrapper may hold the lists."""
    return (folder for folder in files.root.parents if folder == files.top or files.top in folder.parents)


def read_words(files: Files, inside: str) -> Corpus:
    """A folder per word below the folder `inside` ("" or ending in "/")."""
    corpus = Corpus(files.source, files.root, "", [])
    filled = set()
    for path in files.audio:
        if not path.startswith(inside):
            continue
        below = path.removeprefix(inside)
        if "/" not in below:
            corpus.skipped.append((path, "lies outside the folders of the words"))
            continue
        filled.add(folder := below.split("/", 1)[0])
        if is_noise(below):
            corpus.noise.append(path)
        else:
            corpus.clips.append(Clip(path, as_label(folder), nohash_speaker(path)))
    for path in files.folders:
        if path.startswith(inside) and "/" not in (name := path.removeprefix(inside)) and name not in filled:
            corpus.skipped.append((path, "a word without recordings"))
    parts = [_part_below(clip.path.removeprefix(inside)) for clip in corpus.clips]
    if parts and all(parts):  # WORD/train/1.wav
        corpus.clips = [replace(clip, split=part) for clip, part in zip(corpus.clips, parts, strict=True)]
        corpus.noise_parts = [Clip(path, SILENCE, split=_part_below(path.removeprefix(inside))) for path in corpus.noise]
    clips = name_speakers(corpus.clips, depth=inside.count("/") + 1)
    corpus.notes += speakers_note(corpus.clips, clips)
    corpus.clips = clips
    return corpus


def _part_below(path: str) -> str:
    """The part that the second folder of a path names, "" where it names none."""
    folders = path.split("/")[1:-1]
    return SPLIT_NAMES.get(folders[0].lower(), "") if folders else ""


def apply_lists(corpus: Corpus, folders: Iterable[Path]) -> None:
    """Splits from the first folder with lists; their entries count with any suffix (the audio may be FLAC now)."""
    for folder in folders:
        lists = {"validation": folder / "validation_list.txt", "test": folder / "testing_list.txt"}
        listed = {_stem(line): split for split, path in lists.items() if path.is_file() for line in _lines(path)}
        if listed:
            break
    else:
        return
    by_stem = defaultdict(list)
    for i, clip in enumerate(corpus.clips):
        word, name = clip.path.split("/")[-2:]
        by_stem[_stem(f"{word}/{name}")].append(i)
    if not any(stem in by_stem for stem in listed):
        corpus.notes.append("validation_list.txt and testing_list.txt name none of the recordings: not used")
        return
    if missing := sum(stem not in by_stem for stem in listed):
        corpus.notes.append(f"validation_list.txt and testing_list.txt name {missing:,} recordings that are not there")
    both = all(path.is_file() for path in lists.values())
    splits = ["train" if both else ""] * len(corpus.clips)  # with one list only, the other part is still to be cut
    for stem, split in listed.items():
        for i in by_stem.get(stem, ()):
            splits[i] = split
    corpus.clips = [replace(clip, split=split) for clip, split in zip(corpus.clips, splits, strict=True)]


def _lines(path: Path) -> Iterator[str]:
    for line in path.read_text(encoding="utf-8-sig", errors="surrogateescape").splitlines():
        if line.strip():
            yield line.strip()


def _stem(path: str) -> str:
    return one_spelling(os.path.splitext(path.replace("\\", "/").removeprefix("./"))[0])


LAYOUT = Layout(
    "words",
    "a folder per word, as Speech Commands: WORD/SPEAKER_nohash_N.wav, _background_noise_/, validation_list.txt, testing_list.txt",
    propose,
    read,
)
