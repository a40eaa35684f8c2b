"""What is heard for distillation: recordings of any kind, and lines that synthetic voices speak, joined to tracks of equal length.

Recordings of speakers whom Speech Commands' rule puts into its validation part are heard in validation alone, those of its test part
never; the same rule goes by name for all others, and by word for what is spoken.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from kwsfeat import (
    AudioError,
    ClipConfig,
    ConfigError,
    clip_parts,
    list_recordings,
    pitch_shift,
    speak_lines,
    time_stretch,
    which_set,
)
from kwstrain.teaching.waveform import read_waveform

Samples = NDArray[np.float32]

SR = 16000
TRACK_S = 8.0
_PIECE = ClipConfig(sr=SR, n_samples=round(TRACK_S * SR))  # a recording as long as two of them is heard in pieces
_GAP_S = (0.05, 0.6)  # between recordings
_PEAK = (0.08, 0.9)
_SPEED, _SEMITONES = (0.85, 1.15), (-2.0, 2.0)
_QUIET_DB = (-80.0, -55.0)  # of the noise under a track
_LINE = (2, 7)  # words
_MOST_IN_A_ROW = 20  # recordings that are drawn and cannot be read to the end


@dataclass(frozen=True)
class Sounds:
    """Where tracks come from.

    Parameters
    ----------
    folders : tuple of Path
        Recordings of any length and rate.
    without : tuple of str
        Patterns of paths, each beginning with the name of its folder, that are left out: ``speech_commands/happy/*``.
    words : tuple of str
        That synthetic voices say, some to a line.
    spoken : float, 0 to 1
        Share of the tracks that are spoken by voices.
    """

    folders: tuple[Path, ...]
    without: tuple[str, ...] = ()
    words: tuple[str, ...] = ()
    spoken: float = 0.5

    @cached_property
    def recordings(self) -> list[tuple[str, Path]]:
        """Name and path of all that are not left out."""
        found = []
        for folder in self.folders:
            for path in list_recordings(folder):
                name = f"{folder.resolve().name}/{path.relative_to(folder).as_posix()}"
                if not any(fnmatch(name, pattern) for pattern in self.without):
                    found.append((name, path))
        return found

    def check(self) -> None:
        """Refuse what leaves a part of the work without sound.

        Raises
        ------
        ConfigError
            With what is missing.
        """
        if not self.folders and not self.words:
            raise ConfigError("there is nothing to hear: give folders of recordings, or --words")
        for part in ("train", "validation"):
            if self.folders and not self._pieces_of[part]:
                bad = f", {len(self.unreadable)} of them unreadable" if self.unreadable else ""
                raise ConfigError(f"no recording is left for {part}, out of {len(self.recordings)}{bad}: give more folders")
            if self.words and not self._words_of[part]:
                raise ConfigError(f"no word is left for {part}, out of {len(self.words)}: give more words")

    def track(self, part: str, rng: np.random.Generator, voices: VoiceQueue) -> Samples:
        """Eight seconds of `part`, ``train`` or ``validation``, float32 at 16 kHz in [-1, 1]."""
        n = round(TRACK_S * SR)
        share = self.spoken if self.words and self.folders else float(bool(self.words))
        pieces = self._said(part, rng, voices) if rng.random() < share else self._heard(part, rng)
        out, at = np.zeros(n, np.float32), round(float(rng.uniform(0.0, 1.0)) * SR)
        for y in pieces:
            part_of = y[: n - at]
            out[at : at + len(part_of)] = part_of
            at += len(y) + round(float(rng.uniform(*_GAP_S)) * SR)
            if at >= n:
                break
        level = 10.0 ** (rng.uniform(*_QUIET_DB) / 20.0)
        return np.clip(out + np.float32(level) * rng.standard_normal(n, np.float32), -1, 1)

    def _said(self, part: str, rng: np.random.Generator, voices: VoiceQueue) -> Iterator[Samples]:
        words = self._words_of[part]
        while True:
            line = " ".join(words[i] for i in rng.integers(len(words), size=int(rng.integers(*_LINE))))
            yield _levelled(voices.say(line), rng)

    def _heard(self, part: str, rng: np.random.Generator) -> Iterator[Samples]:
        """Recordings, each at another speed and pitch; of a long one a piece."""
        pieces, in_a_row = self._pieces_of[part], 0
        while True:
            path, start_s, stop_s = pieces[int(rng.integers(len(pieces)))]
            try:
                y = read_waveform(path, SR, start_s=start_s, stop_s=stop_s)
            except AudioError:
                in_a_row += 1
                if in_a_row == _MOST_IN_A_ROW:
                    raise
                continue
            in_a_row = 0
            if rng.random() < 0.6:
                y = time_stretch(y, float(rng.uniform(*_SPEED)), sr=SR)
            if rng.random() < 0.4:
                y = pitch_shift(y, SR, float(rng.uniform(*_SEMITONES)))
            yield _levelled(y, rng)

    @cached_property
    def _words_of(self) -> dict[str, Sequence[str]]:
        return {part: [word for word in self.words if which_set(word) == part] for part in ("train", "validation")}

    @property
    def unreadable(self) -> list[str]:
        """Recordings that cannot be opened, and why."""
        return self._found[1]

    @property
    def _pieces_of(self) -> dict[str, list[tuple[Path, float, float | None]]]:
        """Path, and the seconds at which it begins and ends, of each recording, or of each piece of a long one."""
        return self._found[0]

    @cached_property
    def _found(self) -> tuple[dict[str, list[tuple[Path, float, float | None]]], list[str]]:
        parts: dict[str, list[tuple[Path, float, float | None]]] = {"train": [], "validation": [], "test": []}
        unreadable = []
        for name, path in self.recordings:
            try:
                n = len(clip_parts(path, _PIECE))
            except AudioError as error:
                unreadable.append(str(error))
                continue
            if n == 1:
                parts[which_set(name)].append((path, 0.0, None))
                continue
            for i in range(n):
                parts[which_set(f"{name.replace('/', '-')}-{i}")].append((path, i * TRACK_S, (i + 1) * TRACK_S))
        return parts, unreadable


class VoiceQueue:
    """Voices that say one line after the other, each another voice."""

    def __init__(self, seed: int) -> None:
        self._line = ""
        self._spoken = speak_lines(iter(lambda: self._line, None), seed=seed)

    def say(self, line: str) -> Samples:
        """The line, by the next voice."""
        self._line = line
        return next(self._spoken)[1]


def _levelled(y: Samples, rng: np.random.Generator) -> Samples:
    """With a peak that is drawn, in decibels."""
    low, high = np.log(_PEAK)
    return np.asarray(y * (np.exp(rng.uniform(low, high)) / max(1e-4, float(np.abs(y).max()))), np.float32)
