"""The folder of a word: its recordings, what was taken for it by mistake, and the runs that were taught from them."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields
from itertools import chain, count
from pathlib import Path
from typing import Any, Literal

from kwsfeat import ConfigError, StoreError
from kwstrain.io import read_json, write_atomic
from kwstrain.teaching.choices import N_VOICES, Choices

FILE = "studio.json"
FORMAT, FORMAT_VERSION = "kwstrain studio", 1
SUFFIXES = (".wav", ".flac", ".ogg", ".opus", ".mp3", ".aiff", ".aif")  # of what is taken in; a browser decodes the others
PARTIAL = ".partial"  # the end of what is still being written
LONGEST_NAME, LONGEST_WORD = 120, 60  # bytes, characters
MOST_PER_HOUR = 1000
Kind = Literal["takes", "negatives"]


@dataclass(frozen=True, kw_only=True)
class Word:
    """What is taught, and how.

    Parameters
    ----------
    word : str
        Its name.
    say : str
        What synthetic voices say; the word where it is empty.
    voices : int
        How many of them.
    per_hour : float, 1/h
        False accepts that are allowed.
    keep_all : bool
        Use recordings, too, that are unlike the others.
    """

    word: str = ""
    say: str = ""
    voices: int = N_VOICES
    per_hour: float = 0.5
    keep_all: bool = False

    def __post_init__(self) -> None:
        for name, text in (("word", self.word), ("say", self.say)):
            if not isinstance(text, str) or len(text) > LONGEST_WORD or not text.isprintable():
                raise ConfigError(f"{name}={text!r} must be one line of at most {LONGEST_WORD} characters")
        if type(self.voices) is not int or type(self.per_hour) not in (int, float) or type(self.keep_all) is not bool:
            raise ConfigError(f"{self} does not hold a number of voices, a rate and yes or no")
        if not self.per_hour <= MOST_PER_HOUR:
            raise ConfigError(f"per_hour={self.per_hour:g} must be <= {MOST_PER_HOUR}")
        Choices(voices=self.voices, per_hour=self.per_hour)

    @classmethod
    def of(cls, values: dict[str, Any]) -> Word:
        """The word that a JSON object describes.

        Raises
        ------
        ConfigError
            If a name is unknown or a value is out of bounds.
        """
        known = {one.name for one in fields(cls)}
        if not isinstance(values, dict) or not set(values) <= known:
            raise ConfigError(f"{values!r} must be an object with the names {', '.join(sorted(known))}")
        return cls(**values)


@dataclass(frozen=True)
class Project:
    """A folder with ``studio.json``, ``takes/``, ``negatives/``, ``runs/`` and ``pages/``; nothing outside it is read or written."""

    folder: Path

    @classmethod
    def open(cls, folder: Path) -> Project:
        """The project in a folder, which is made where there is none.

        Raises
        ------
        StoreError
            If the folder holds something else, or its ``studio.json`` is damaged.
        """
        project = cls(folder)
        if folder.exists() and not folder.is_dir():
            raise StoreError(f"{folder} is a file: give the name of a folder")
        if not (folder / FILE).is_file() and folder.exists() and any(folder.iterdir()):
            raise StoreError(f"{folder} holds something else than a studio's project: give a new folder, and drop recordings on its page")
        for name in ("takes", "negatives", "runs", "pages"):
            (folder / name).mkdir(parents=True, exist_ok=True)
            if not (folder / name).resolve().is_relative_to(folder.resolve()):
                raise StoreError(f"{folder / name} leads out of the project's folder: make it a folder")
        for kind in ("takes", "negatives"):
            for left in (folder / kind).glob(f".*{PARTIAL}"):  # of a server that was killed
                left.unlink()
        if not (folder / FILE).is_file():
            project.save(Word())
        project.word()
        return project

    def word(self) -> Word:
        """What is taught.

        Raises
        ------
        StoreError
            If ``studio.json`` is damaged.
        """
        values = read_json(self.folder / FILE)
        if (values.pop("format", None), values.pop("format_version", None)) != (FORMAT, FORMAT_VERSION):
            raise StoreError(f"{self.folder / FILE} is not {FORMAT} {FORMAT_VERSION}: install a newer kwsfeat, or choose another folder")
        try:
            return Word.of(values)
        except ConfigError as error:
            raise StoreError(f"{self.folder / FILE} is damaged: {error}") from None

    def save(self, word: Word) -> None:
        """Write ``studio.json``."""
        values = {"format": FORMAT, "format_version": FORMAT_VERSION, **asdict(word)}
        write_atomic(self.folder / FILE, json.dumps(values, indent=1, ensure_ascii=False).encode())

    def recordings(self, kind: Kind) -> list[Path]:
        """The takes or the negatives, in the order of their names."""
        return sorted(path for path in self._entries(kind) if _is_name(path.name) and self._is_inside(path))

    def recording(self, kind: Kind, name: str) -> Path:
        """One of them.

        Raises
        ------
        ConfigError
            If `name` is not the name of a recording.
        StoreError
            If there is none of this name.
        """
        path = self.folder / kind / checked_name(name)
        if not self._is_inside(path):
            raise StoreError(f"{kind} holds no {name}")
        return path

    def keep(self, kind: Kind, partial: Path, name: str) -> Path:
        """Give a file that is whole its `name`, or this name with a number where there is another one, cut if it is too long then."""
        wanted = self.folder / kind / checked_name(name)
        others = (wanted.with_name(_numbered(wanted, n)) for n in count(2))
        path = next(path for path in chain([wanted], others) if not os.path.lexists(path))
        return partial.rename(path)

    def check_free(self, kind: Kind, name: str, most: int) -> None:
        """Whether one more recording may come, and be called so.

        Raises
        ------
        ConfigError
            If not.
        """
        checked_name(name)
        if len(self.recordings(kind)) >= most:
            raise ConfigError(f"{kind} holds {most} recordings, which are the most: remove some first")

    def next_name(self, kind: Kind) -> str:
        """The name of the next recording that has none: a number above all others."""
        numbers = [int(path.stem) for path in self.recordings(kind) if path.stem.isdecimal()]
        return f"{max(numbers, default=0) + 1:03d}.wav"

    def runs(self) -> list[Path]:
        """The runs that are whole, the oldest first."""
        found = (path for path in self._entries("runs") if path.name.isdecimal() and not path.is_symlink())
        return sorted(found, key=lambda path: int(path.name))

    def next_run(self) -> Path:
        """Where the next one goes."""
        known = self.runs()
        return self.folder / "runs" / f"{int(known[-1].name) + 1 if known else 1:03d}"

    def page_of(self, run: Path) -> Path:
        """Where the page of a run is."""
        return self.folder / "pages" / run.name

    def links(self) -> Iterator[Path]:
        """What leads out of the folder, which teaching would follow."""
        for kind in ("takes", "negatives"):
            yield from (path for path in (self.folder / kind).rglob("*") if not path.resolve().is_relative_to(self.folder.resolve()))

    def _entries(self, name: str) -> Iterator[Path]:
        """What one of the folders holds, which is made anew where somebody has removed it."""
        (self.folder / name).mkdir(exist_ok=True)
        return (self.folder / name).iterdir()

    def _is_inside(self, path: Path) -> bool:
        return path.is_file() and path.resolve().is_relative_to(self.folder.resolve())


def checked_name(name: str) -> str:
    """`name`, if it is the name of a recording and nothing else.

    Raises
    ------
    ConfigError
        If it has a folder in it, is hidden, or has another suffix.
    """
    if not _is_name(name):
        raise ConfigError(
            f"{name[:LONGEST_NAME]!r} is not the name of a recording: at most {LONGEST_NAME} bytes, no folder, and one of the endings "
            f"{', '.join(SUFFIXES)}"
        )
    return name


def _numbered(path: Path, n: int) -> str:
    """The name of a recording with a number behind it, within LONGEST_NAME."""
    end = f"-{n}{path.suffix}"
    return path.stem.encode()[: LONGEST_NAME - len(end.encode())].decode(errors="ignore") + end


def _is_name(name: str) -> bool:
    plain = name.isprintable() and not name.startswith(".") and not any(one in name for one in "/\\:")
    return plain and len(name.encode()) <= LONGEST_NAME and name.lower().endswith(SUFFIXES)
