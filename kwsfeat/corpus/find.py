"""Recordings on disk as a table of clips: layouts that are found by themselves.

A corpus is a folder, an archive (unpacked safely into a temporary folder) or a manifest. `find_corpus` says which layout
it took; ``layout=`` overrides it.
"""

from __future__ import annotations

import io
import os
import re
import tempfile
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import BinaryIO

from kwsfeat.audio.synthetic import silence_wav
from kwsfeat.corpus.archive import is_archive, unpack
from kwsfeat.corpus.manifest import SUFFIXES as MANIFEST_SUFFIXES
from kwsfeat.corpus.manifest import read_manifest
from kwsfeat.errors import CorpusError, nearest

AUDIO_SUFFIXES = (
    ".wav",
    ".wave",
    ".flac",
    ".ogg",
    ".oga",
    ".opus",
    ".mp3",
    ".aiff",
    ".aif",
    ".aifc",
    ".au",
    ".snd",
    ".caf",
    ".w64",
    ".rf64",
)
NOISE_FOLDER = "_background_noise_"
SYNTHETIC_SILENCE = "synthetic-silence/"

LAYOUTS = {
    "words": "a folder per word, as Speech Commands: WORD/SPEAKER_nohash_N.wav, _background_noise_/, validation_list.txt, testing_list.txt",
    "kaggle": "the Kaggle archive: train/audio/WORD/*.wav, and test/audio/*.wav without labels",
    "fsdd": "names in one folder: LABEL_SPEAKER_N.wav, as the Free Spoken Digit Dataset",
    "speakers": "a folder per speaker: SPEAKER/WORD/*.wav or SPEAKER/WORD_N.wav",
    "manifest": "a .csv, .tsv or .jsonl file: path, label and optionally speaker, split, start, end (seconds)",
    "unlabelled": "recordings without labels: of a Kaggle archive those in test/audio, else all",
}


@dataclass(frozen=True, slots=True)
class Clip:
    """One row of a corpus.

    `path` is relative to the corpus's root (or absolute); `label` is "" where it is not known; `speaker` is "" where it is
    not known; `split` is "train", "validation", "test", or "" where the corpus does not say. `start` and `stop` are samples
    at the recording's own rate; `stop` None is its end.
    """

    path: str
    label: str
    speaker: str = ""
    split: str = ""
    start: int = 0
    stop: int | None = None


@dataclass
class Corpus:
    """What :func:`find_corpus` found.

    `clips` are in the order of their paths. `noise` are the paths of the background noise files. `skipped` lists what could
    not become a clip, as (path, reason); `notes` are sentences for the reader.
    """

    source: Path
    root: Path
    layout: str
    clips: list[Clip]
    noise: list[str] = field(default_factory=list)
    skipped: list[tuple[str, str]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    unpacked: tempfile.TemporaryDirectory[str] | None = field(default=None, repr=False)

    def open(self, clip: Clip) -> str | BinaryIO:
        """What :func:`kwsfeat.audio.clip.load_clip` reads for `clip`: its path, or a file object for silence that is synthesised."""
        if clip.path.startswith(SYNTHETIC_SILENCE):
            return io.BytesIO(silence_wav(int(clip.path.removeprefix(SYNTHETIC_SILENCE))))
        return os.path.join(self.root, clip.path)

    @property
    def words(self) -> list[str]:
        """The labels that occur, sorted."""
        return sorted({clip.label for clip in self.clips} - {""})


def find_corpus(source: str | os.PathLike[str], layout: str | None = None) -> Corpus:
    """The clips of a folder, an archive or a manifest.

    Parameters
    ----------
    source : path
        A folder, a ``.tar.gz``, ``.tgz``, ``.tar`` or ``.zip`` archive, or a manifest (``.csv``, ``.tsv``, ``.jsonl``).
    layout : one of LAYOUTS, optional
        Overrides what the names say.

    Raises
    ------
    CorpusError
        If `source` is missing or holds no recordings, or the layout does not fit it.
    """
    source = Path(source)
    if layout is not None and layout not in LAYOUTS:
        near = nearest(layout, LAYOUTS)
        raise CorpusError(
            f"no layout called {layout!r}: {'did you mean ' + ', '.join(near) + '?' if near else 'there are ' + ', '.join(LAYOUTS)}"
        )
    if not source.exists():
        raise CorpusError(f"{source}: no such folder, archive or manifest")
    if source.is_file() and source.suffix.lower() in MANIFEST_SUFFIXES:
        return _manifest(source)
    if layout == "manifest":
        raise CorpusError(f"{source}: a manifest is a file called .csv, .tsv or .jsonl")
    if source.is_dir():
        return _folder(source, source, layout)
    if not is_archive(source):
        raise CorpusError(f"{source}: is neither a folder nor a .tar.gz, .zip, .csv or .jsonl file")
    unpacked = tempfile.TemporaryDirectory(prefix="kwsfeat-")
    unpack(source, Path(unpacked.name))
    corpus = _folder(source, Path(unpacked.name), layout)
    corpus.unpacked = unpacked
    return corpus


def _folder(source: Path, root: Path, layout: str | None) -> Corpus:
    top, files = root, _Files(root)
    while (inner := _wrapper(files, root)) is not None:  # archives often hold one folder that holds everything
        root = root / inner
        files = _Files(root)
    if not files.audio:
        raise CorpusError(f"{source}: no recordings in it: it needs files called {', '.join(AUDIO_SUFFIXES)}")
    layout = layout or _guess_layout(files)
    corpus = _READERS[layout](source, root, files)
    if layout in ("words", "kaggle"):
        _apply_lists(corpus, [root, root / "train", *(folder for folder in root.parents if folder == top or top in folder.parents)])
    if not corpus.clips and not corpus.noise:
        raise CorpusError(f"{source}: no clips in the layout {layout!r} ({LAYOUTS[layout]}): choose another with --layout")
    return corpus


class _Files:
    """Every recording below a folder as a relative path with "/", in sorted order; links are followed, circles are not."""

    def __init__(self, root: Path) -> None:
        self.audio: list[str] = []
        self.folders: list[str] = []
        try:
            self._walk(root, "", frozenset())
        except OSError as error:
            raise CorpusError(f"{error.filename}: cannot be read: {error.strerror}") from None

    def _walk(self, folder: Path, prefix: str, above: frozenset[tuple[int, int]]) -> None:
        status = os.stat(folder)
        if (here := (status.st_dev, status.st_ino)) in above:
            return
        with os.scandir(folder) as entries:
            ordered = sorted(entries, key=lambda entry: entry.name)
        for entry in ordered:
            if entry.name.startswith(".") or entry.name == "__MACOSX":
                continue
            if entry.is_dir():
                self.folders.append(prefix + entry.name)
                self._walk(Path(entry.path), f"{prefix}{entry.name}/", above | {here})
            elif os.path.splitext(entry.name)[1].lower() in AUDIO_SUFFIXES and (entry.is_file() or entry.is_symlink()):
                self.audio.append(prefix + entry.name)


def _wrapper(files: _Files, root: Path) -> str | None:
    """The one folder that holds every recording in folders of its own (or FSDD's recordings/): not a word, but packing."""
    tops = {path.split("/", 1)[0] for path in files.audio}
    if len(tops) != 1 or any("/" not in path for path in files.audio):
        return None
    (top,) = tops
    others = [f for f in files.folders if "/" not in f and f != top]
    nested = all(path.count("/") > 1 for path in files.audio)
    named = all(_FSDD_NAME.match(path.rsplit("/", 1)[-1]) for path in files.audio)
    is_kaggle = (root / "train" / "audio").is_dir() or (root / "test" / "audio").is_dir()
    return top if (nested or named) and not is_kaggle and (named or not others) else None


def _guess_layout(files: _Files) -> str:
    if any(path.startswith(("train/audio/", "test/audio/")) for path in files.audio):
        return "kaggle"
    flat = [path for path in files.audio if "/" not in path]
    if len(flat) > len(files.audio) // 2:
        named = sum(bool(_FSDD_NAME.match(path)) for path in flat)
        return "fsdd" if named > len(flat) // 2 else "unlabelled"
    return "speakers" if _is_by_speaker([path for path in files.audio if "/" in path and not _is_noise(path)]) else "words"


def _is_by_speaker(paths: list[str]) -> bool:
    """Whether the outer folder is a speaker: its name looks like one, or the names inside are words that recur in every folder."""
    if not paths or sum("_nohash_" in path for path in paths) > len(paths) // 2:
        return False
    outer = {path.split("/", 1)[0] for path in paths}
    if outer <= {str(digit) for digit in range(10)} or len(outer & _COMMON_WORDS) > len(outer) // 2:
        return False
    if all(_SPEAKER_FOLDER.match(name) for name in outer):
        return True
    return sum(_is_word_inside(path) for path in paths) > len(paths) // 2


def _is_word_inside(path: str) -> bool:
    """Whether what would be the word is one, and not just the number of a recording ("7_ann_1.wav" is a word, "7.wav" is not)."""
    word = _word_below_speaker(path)
    return word in _COMMON_WORDS and (not word.isdigit() or "_" in path.rsplit("/", 1)[-1])


_SPEAKER_FOLDER = re.compile(r"(speaker|spkr|spk|user|subject|person|voice|participant|s|p|m|f)?[-_ ]?\d+$", re.IGNORECASE)
_COMMON_WORDS = frozenset(
    (
        "backward", "bed", "bird", "cat", "dog", "down", "eight", "five", "follow", "forward", "four", "go", "happy", "house",
        "learn", "left", "marvin", "nine", "no", "off", "on", "one", "right", "seven", "sheila", "six", "stop", "three", "tree",
        "two", "up", "visual", "wow", "yes", "zero", *"0123456789",
    )
)  # fmt: skip
_FSDD_NAME = re.compile(r"(?P<label>[^_]+)_(?P<speaker>(?!nohash_)[^_]+)_(?P<index>\d+)\.\w+$")


def _words(source: Path, root: Path, files: _Files, inside: str = "") -> Corpus:
    """A folder per word below `inside` (ends with "/")."""
    corpus = Corpus(source, root, "words", [])
    for path in files.audio:
        if not path.startswith(inside):
            continue
        if "/" not in (below := path[len(inside) :]):
            corpus.skipped.append((path, "lies outside the folders of the words"))
        elif _is_noise(below):
            corpus.noise.append(path)
        else:
            corpus.clips.append(Clip(path, _text(below.split("/", 1)[0]), _speaker_of(path)))
    filled = {path[len(inside) :].split("/", 1)[0] for path in files.audio if path.startswith(inside)}
    for folder in files.folders:
        if folder.startswith(inside) and "/" not in (name := folder[len(inside) :]) and name not in filled:
            corpus.skipped.append((folder, "a word without recordings"))
    return corpus


def _kaggle(source: Path, root: Path, files: _Files) -> Corpus:
    corpus = _words(source, root, files, "train/audio/")
    corpus.layout = "kaggle"
    unlabelled = [Clip(path, "", split="test") for path in files.audio if path.startswith("test/audio/")]
    if unlabelled and corpus.clips:
        corpus.notes.append(f"test/audio holds {len(unlabelled):,} recordings without labels, left out: --layout unlabelled takes those")
    else:
        corpus.clips += unlabelled
    return corpus


def _fsdd(source: Path, root: Path, files: _Files) -> Corpus:
    """LABEL_SPEAKER_N names; in the digits' own corpus the recordings 0 to 4 of each are the official test part."""
    corpus = Corpus(source, root, "fsdd", [])
    early = []
    for path in files.audio:
        if _is_noise(path):
            corpus.noise.append(path)
        elif match := _FSDD_NAME.match(path.rsplit("/", 1)[-1]):
            corpus.clips.append(Clip(path, _text(match["label"]), _text(match["speaker"])))
            early.append(int(match["index"]) < 5)
        else:
            corpus.skipped.append((path, "is not called LABEL_SPEAKER_N"))
    if set(corpus.words) == set("0123456789") and 0 < sum(early) <= len(early) // 2:
        corpus.clips = [replace(clip, split="test") if test else clip for clip, test in zip(corpus.clips, early, strict=True)]
        corpus.notes.append("its own test part: recordings 0 to 4 of each digit and speaker")
    return corpus


def _speakers(source: Path, root: Path, files: _Files) -> Corpus:
    corpus = Corpus(source, root, "speakers", [])
    for path in files.audio:
        if _is_noise(path):
            corpus.noise.append(path)
        elif "/" in path:
            corpus.clips.append(Clip(path, _text(_word_below_speaker(path)), _text(path.split("/", 1)[0])))
        else:
            corpus.skipped.append((path, "lies outside the folders of the speakers"))
    return corpus


def _word_below_speaker(path: str) -> str:
    """ "anna/yes/3.wav", "anna/yes_3.wav", "anna/yes-3.wav" and "anna/yes3.wav" are all "yes"; "01/7_01_3.wav" is "7"."""
    _, *folders, name = path.split("/")
    if folders:
        return folders[0]
    word = re.split(r"[_\-. ]", name)[0]
    return word.rstrip("0123456789") or word


def _unlabelled(source: Path, root: Path, files: _Files) -> Corpus:
    kaggle = [path for path in files.audio if path.startswith("test/audio/")]
    return Corpus(source, root, "unlabelled", [Clip(path, "", split="test") for path in kaggle or files.audio])


_READERS = {"words": _words, "kaggle": _kaggle, "fsdd": _fsdd, "speakers": _speakers, "unlabelled": _unlabelled}


def _is_noise(path: str) -> bool:
    return path.split("/", 1)[0].lower().strip("_") == NOISE_FOLDER.strip("_") and "/" in path


def _speaker_of(path: str) -> str:
    speaker, found, _ = path.rsplit("/", 1)[-1].partition("_nohash_")
    return _text(speaker) if found else ""


def _text(name: str) -> str:
    """One spelling of a name: macOS stores "ö" as two characters. Bytes that are no Unicode become a question mark."""
    return unicodedata.normalize("NFC", name if name.isascii() else os.fsencode(name).decode("utf-8", "replace"))


def _apply_lists(corpus: Corpus, folders: Iterable[Path]) -> None:
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
    for line in path.read_text(encoding="utf-8", errors="surrogateescape").splitlines():
        if line.strip():
            yield line.strip()


def _stem(path: str) -> str:
    return _text(os.path.splitext(path.replace("\\", "/").removeprefix("./"))[0])


def _manifest(source: Path) -> Corpus:
    corpus = Corpus(source, source.parent, "manifest", [])
    for row in read_manifest(source):
        if row.label == NOISE_FOLDER:
            corpus.noise.append(row.path)
        else:
            corpus.clips.append(Clip(row.path, _text(row.label), _text(row.speaker), row.split, row.start, row.stop))
    if not corpus.clips:
        raise CorpusError(f"{source}: no rows: it needs a line with the names path,label and a line for each recording")
    return corpus
