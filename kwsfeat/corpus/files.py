"""Which files of a folder are recordings: the suffixes, the names that do not count, and the walk."""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from kwsfeat.audio.foreign import CONVERSION, has_ffmpeg, is_foreign, suffix_of
from kwsfeat.audio.raw import Raw, is_raw
from kwsfeat.errors import CorpusError

AUDIO_SUFFIXES = (
    ".wav", ".wave", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".mp2", ".aiff", ".aif", ".aifc", ".au", ".snd", ".caf", ".w64", ".rf64",
    ".sph", ".voc", ".gsm",
)  # fmt: skip


def is_recording(name: str) -> bool:
    """Whether a file of this name counts as a recording that libsndfile reads."""
    return os.path.splitext(name)[1].lower() in AUDIO_SUFFIXES


def is_hidden(name: str) -> bool:
    """Whether a file or folder of this name never counts: names with a dot in front, and what archivers leave beside the files."""
    return name.startswith(".") or name in ("__MACOSX", "@eaDir")


def list_recordings(folder: str | os.PathLike[str]) -> list[Path]:
    """The recordings that a build of `folder` reads, sorted folder by folder.

    Parameters
    ----------
    folder : path
        Searched with all folders in it. What is hidden (``.x``, ``__MACOSX``) is passed over.

    Returns
    -------
    list of Path
        Each begins with `folder`.

    Raises
    ------
    CorpusError
        If there is none, or a folder cannot be read.

    Examples
    --------
    >>> paths = list_recordings("recordings")
    >>> len(paths), paths[0].as_posix()
    (8, 'recordings/no/ann_nohash_0.wav')
    """
    folder = Path(folder)
    files = list_files(folder, folder)
    if not files.audio:
        raise no_recordings(files)
    return [folder / path for path in files.audio]


def no_recordings(files: Files) -> CorpusError:
    """The error about a folder or archive that holds none which can be read."""
    if unread := unread_notes(files):
        return CorpusError(f"{files.source}: {'; '.join(unread)}")
    return CorpusError(f"{files.source}: no recordings in it: it needs files called {', '.join(AUDIO_SUFFIXES)}")


def unread_notes(files: Files) -> list[str]:
    """How many recordings of which kinds are not read: for want of ffmpeg, with the line that converts them, or of a header."""
    notes = []
    if files.foreign:
        how = CONVERSION.format(suffix=_kinds(files.foreign)[0][0])
        notes.append(f"{_counted(files.foreign)} recordings cannot be read without ffmpeg: {how}")
    if files.headerless:
        how = "build and scan read them with --raw ulaw:8000 or the like"
        notes.append(f"{_counted(files.headerless)} recordings have no header and are left out: {how}")
    return notes


def _kinds(paths: list[str]) -> list[tuple[str, int]]:
    return Counter(suffix_of(path) for path in paths).most_common()


def _counted(paths: list[str]) -> str:
    return " and ".join(f"{n:,} {suffix}" for suffix, n in _kinds(paths))


@dataclass
class Files:
    """What lies below a folder, as relative paths with "/", sorted folder by folder.

    `source` is what the user named, `top` the folder that was walked (of an archive, where it was unpacked), and `root` the
    folder in it that the paths are relative to. `audio` are the recordings and `folders` all folders. `foreign` are recordings
    that need ffmpeg where that is not installed, `headerless` those that nobody said what they hold, `skipped` the folders that
    cannot be read, with the reason, and `aliases` links to folders that are read under another name. `raw` says what headerless
    files hold.
    """

    source: Path
    top: Path
    root: Path
    audio: list[str] = field(default_factory=list)
    folders: list[str] = field(default_factory=list)
    foreign: list[str] = field(default_factory=list)
    headerless: list[str] = field(default_factory=list)
    skipped: list[tuple[str, str]] = field(default_factory=list)
    aliases: list[str] = field(default_factory=list)
    raw: Raw | None = None

    def inside(self, folder: str) -> Files:
        """The recordings and folders of a folder in it."""
        prefix = folder + "/"
        audio, folders = ([path.removeprefix(prefix) for path in paths if path.startswith(prefix)] for paths in (self.audio, self.folders))
        return Files(self.source, self.top, self.root / folder, audio, folders, raw=self.raw)


def list_files(source: Path, top: Path, *, raw: bool = False) -> Files:
    """Every recording below `top`.

    Links are followed, but each folder is walked once: under its own name where it lies below `top`, else under that of the
    first link. A folder that cannot be read is skipped, and so is a link to itself. With `raw`, files of headerless samples count.

    Raises
    ------
    CorpusError
        If `top` itself cannot be read.
    """
    files = Files(source, top, top)
    walk = _Walk(files, raw)
    try:
        walk.folder(top, "")
    except OSError as error:
        raise CorpusError(f"{error.filename}: cannot be read: {error.strerror}") from None
    while walk.links:
        walk.link(*walk.links.pop(0))
    if walk.n_links:  # the folders behind links came last
        files.audio.sort(key=lambda path: path.split("/"))
        files.folders.sort(key=lambda path: path.split("/"))
    return files


class _Walk:
    def __init__(self, files: Files, raw: bool) -> None:
        self.files = files
        self.links: list[tuple[str, str]] = []  # to folders, looked at when all real folders are known
        self.n_links = 0
        self._seen: set[tuple[int, int]] = set()
        self._ffmpeg, self._raw = has_ffmpeg(), raw

    def folder(self, folder: str | os.PathLike[str], prefix: str) -> None:
        """Walk a folder that was not reached before; OSError where it cannot be read."""
        status = os.stat(folder)
        self._seen.add((status.st_dev, status.st_ino))
        with os.scandir(folder) as entries:
            ordered = sorted(entries, key=lambda entry: entry.name)
        for entry in ordered:
            if not is_hidden(entry.name):
                self._entry(entry, prefix + entry.name)

    def link(self, path: str, name: str) -> None:
        """Walk the folder behind a link, if no other name led there."""
        status = os.stat(path)
        if (status.st_dev, status.st_ino) in self._seen:
            self.files.aliases.append(name)
        else:
            self.files.folders.append(name)
            self._try(path, name)

    def _entry(self, entry: os.DirEntry[str], name: str) -> None:
        try:
            is_folder = entry.is_dir()
        except OSError as error:  # a link to itself, or to what may not be looked at
            if not is_recording(name):  # which is said of a recording when it is read
                self.files.skipped.append((name, f"cannot be read: {error.strerror}"))
                return
            is_folder = False
        if is_folder:
            if entry.is_symlink():
                self.links.append((entry.path, name))
                self.n_links += 1
            else:
                self.files.folders.append(name)
                self._try(entry.path, name)
        elif entry.is_symlink() or entry.is_file():
            if is_recording(name) or (self._raw and is_raw(name)) or (self._ffmpeg and is_foreign(name)):
                self.files.audio.append(name)
            elif is_raw(name):
                self.files.headerless.append(name)
            elif is_foreign(name):
                self.files.foreign.append(name)

    def _try(self, path: str, name: str) -> None:
        try:
            self.folder(path, name + "/")
        except OSError as error:
            self.files.folders.remove(name)
            self.files.skipped.append((name, f"cannot be read: {error.strerror}"))
