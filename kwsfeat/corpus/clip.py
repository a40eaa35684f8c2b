"""A clip, one row of a corpus, and a corpus, the clips of one source."""

from __future__ import annotations

import hashlib
import io
import os
import tempfile
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from kwsfeat.audio.raw import Raw, as_wav, is_raw
from kwsfeat.audio.synthetic import silence_wav
from kwsfeat.corpus.elsewhere.tars import Member
from kwsfeat.corpus.elsewhere.urls import is_url, read_url, stamp_url
from kwsfeat.corpus.names.meaning import SILENCE

NOISE_FOLDER = "_background_noise_"
SYNTHETIC_SILENCE = "synthetic-silence/"


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


def clip_hash(seed: int, clip: Clip) -> str:
    """A number for a clip that depends on the seed, its path and its start only: an order that other files do not change."""
    key = f"{seed}\0{clip.path}\0{clip.start}"
    return hashlib.blake2b(key.encode("utf-8", "surrogateescape"), digest_size=8).hexdigest()


@dataclass
class Corpus:
    """What :func:`~kwsfeat.corpus.find.find_corpus` found.

    `clips` are in the order of their paths. `noise` are the paths of the background noise files. `skipped` lists what could
    not become a clip, as (path, reason); `notes` are sentences for the reader. `raw` says what headerless files hold.
    `piece_s` is how long a piece of silence is, in seconds. `packed` are the places of recordings that lie in tar files.
    `noise_parts` are what the corpus says of noise files more closely: the part that they belong to, the stretch that is noise.
    """

    source: Path
    root: Path
    layout: str
    clips: list[Clip]
    noise: list[str] = field(default_factory=list)
    skipped: list[tuple[str, str]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    raw: Raw | None = None
    piece_s: float = 1.0
    unpacked: tempfile.TemporaryDirectory[str] | None = field(default=None, repr=False)
    packed: Mapping[str, Member] = field(default_factory=dict, repr=False)
    noise_parts: list[Clip] = field(default_factory=list)

    def add_noise(self, path: str, split: str, start: int = 0, stop: int | None = None) -> None:
        """Add a noise file, or a stretch of it, with the part that the corpus puts it into, "" where it says none."""
        self.noise.append(path)
        self.noise_parts.append(Clip(path, SILENCE, split=split, start=start, stop=stop))

    def noise_by_file(self) -> dict[str, list[Clip]]:
        """The noise files and what of them is noise: what the corpus says, else the whole."""
        told = defaultdict(list)
        for clip in self.noise_parts:
            told[clip.path].append(clip)
        return {path: told.get(path) or [Clip(path, SILENCE)] for path in self.noise}

    def open(self, clip: Clip) -> str | BinaryIO:
        """What :func:`kwsfeat.audio.clip.load_clip` reads for `clip`: its path, or a file object for silence that is
        synthesised, for samples without a header, and for what lies elsewhere."""
        if clip.path.startswith(SYNTHETIC_SILENCE):
            return io.BytesIO(silence_wav(int(clip.path.removeprefix(SYNTHETIC_SILENCE)), self.piece_s))
        if member := self.packed.get(clip.path):
            return member.open(clip.path)
        if is_url(clip.path):
            return read_url(clip.path)
        path = os.path.join(self.root, clip.path)
        return as_wav(path, self.raw) if self.raw and is_raw(path) else path

    def is_elsewhere(self, path: str) -> bool:
        """Whether the recording is not a file on this machine."""
        return path in self.packed or is_url(path)

    def stamp(self, path: str) -> bytes:
        """Changes when the recording does, as far as its size and times tell."""
        if is_url(path):
            return stamp_url(path)
        try:
            status = os.stat(os.path.join(self.root, path))
        except OSError:
            return b"missing\n"
        return f"{status.st_size}:{status.st_mtime_ns}\n".encode()

    @property
    def words(self) -> list[str]:
        """The labels that occur, sorted."""
        return sorted({clip.label for clip in self.clips} - {""})
