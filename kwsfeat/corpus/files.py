"""Which files of a folder are recordings: the suffixes, the names that do not count, and the walk."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path

from kwsfeat.errors import CorpusError

AUDIO_SUFFIXES = (
    ".wav", ".wave", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".aiff", ".aif", ".aifc", ".au", ".snd", ".caf", ".w64", ".rf64",
)  # fmt: skip


def is_recording(name: str) -> bool:
    """Whether a file of this name is taken for a recording that libsndfile reads."""
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
    """
    folder = Path(folder)
    audio = list_files(folder, folder).audio
    if not audio:
        raise no_recordings(folder)
    return [folder / path for path in audio]


def no_recordings(source: Path) -> CorpusError:
    """The error about a folder or archive that holds none."""
    return CorpusError(f"{source}: no recordings in it: it needs files called {', '.join(AUDIO_SUFFIXES)}")


@dataclass
class Files:
    """What lies below a folder, as relative paths with "/", sorted folder by folder.

    `source` is what the user named, `top` the folder that was walked (of an archive, where it was unpacked), and `root` the
    folder in it that the paths are relative to. `audio` are the recordings and `folders` all folders.
    """

    source: Path
    top: Path
    root: Path
    audio: list[str] = field(default_factory=list)
    folders: list[str] = field(default_factory=list)

    def inside(self, folder: str) -> Files:
        """The same for a folder in it."""
        prefix = folder + "/"
        below = [[path.removeprefix(prefix) for path in paths if path.startswith(prefix)] for paths in (self.audio, self.folders)]
        return Files(self.source, self.top, self.root / folder, *below)


def list_files(source: Path, top: Path) -> Files:
    """Every recording below `top`; links are followed, circles are not.

    Raises
    ------
    CorpusError
        If a folder cannot be read.
    """
    files = Files(source, top, top)
    try:
        _walk(files, top, "", frozenset())
    except OSError as error:
        raise CorpusError(f"{error.filename}: cannot be read: {error.strerror}") from None
    return files


def _walk(files: Files, folder: Path, prefix: str, above: frozenset[tuple[int, int]]) -> None:
    status = os.stat(folder)
    if (here := (status.st_dev, status.st_ino)) in above:
        return
    with os.scandir(folder) as entries:
        ordered = sorted(entries, key=lambda entry: entry.name)
    for entry in ordered:
        if is_hidden(entry.name):
            continue
        if entry.is_dir():
            files.folders.append(prefix + entry.name)
            _walk(files, Path(entry.path), f"{prefix}{entry.name}/", above | {here})
        elif is_recording(entry.name) and (entry.is_file() or entry.is_symlink()):
            files.audio.append(prefix + entry.name)
