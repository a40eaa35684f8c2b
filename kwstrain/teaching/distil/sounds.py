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
    ConfigError,
    as_float32,
    list_recordings,
    pitch_shift,
    read_blocks,
    resample,
    speak_lines,
    time_stretch,
    which_set,
)

Samples = NDArray[np.float32]

SR = 16000
TRACK_S = 8.0
_LONG_S = 6.0  # a recording that is longer is heard in pieces
_GAP_S = (0.05, 0.6)  # between recordings
_PEAK = (0.08, 0.9)
_SPEED, _SEMITONES = (0.85, 1.15), (-2.0, 2.0)
_QUIET_DB = (-80.0, -55.0)  # of the noise under a track
_LINE = (2, 7)  # words


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
            if self.folders and not self._names_of[part]:
                raise ConfigError(f"no recording is left for {part}, out of {len(self.recordings)}: give more folders")
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
        names = self._names_of[part]
        while True:
            _, path, first, n = names[int(rng.integers(len(names)))]
            try:
                y = _read(path, first, n)
            except AudioError:
                continue
            if rng.random() < 0.6:
                y = time_stretch(y, float(rng.uniform(*_SPEED)), sr=SR)
            if rng.random() < 0.4:
                y = pitch_shift(y, SR, float(rng.uniform(*_SEMITONES)))
            yield _levelled(y, rng)

    @cached_property
    def _words_of(self) -> dict[str, Sequence[str]]:
        return {part: [word for word in self.words if which_set(word) == part] for part in ("train", "validation")}

    @cached_property
    def _names_of(self) -> dict[str, list[tuple[str, Path, float, float]]]:
        """Name, path, and the second at which it begins and its length, of each recording, or of each piece of a long one."""
        import soundfile

        parts: dict[str, list[tuple[str, Path, float, float]]] = {"train": [], "validation": [], "test": []}
        for name, path in self.recordings:
            info = soundfile.info(path)
            seconds = info.frames / info.samplerate
            if seconds <= _LONG_S:
                parts[which_set(name)].append((name, path, 0.0, seconds))
                continue
            for i in range(int(seconds // TRACK_S)):
                parts[which_set(f"{name.replace('/', '-')}-{i}")].append((name, path, i * TRACK_S, TRACK_S))
        return parts


class VoiceQueue:
    """Voices that say one line after the other, each another voice."""

    def __init__(self, seed: int) -> None:
        self._line = ""
        self._spoken = speak_lines(iter(lambda: self._line, None), seed=seed)

    def say(self, line: str) -> Samples:
        """The line, by the next voice."""
        self._line = line
        return next(self._spoken)[1]


def _read(path: Path, first_s: float, n_s: float) -> Samples:
    """Some seconds of a recording, at 16 kHz."""
    import soundfile

    if first_s == 0.0 and n_s <= _LONG_S:
        blocks = list(read_blocks(path))
        return resample(np.concatenate([as_float32(block) for block, _ in blocks]), blocks[0][1], SR)
    with soundfile.SoundFile(path) as file:
        file.seek(round(first_s * file.samplerate))
        y = file.read(round(n_s * file.samplerate), dtype="float32", always_2d=True).mean(axis=1)
        return resample(y, file.samplerate, SR)


def _levelled(y: Samples, rng: np.random.Generator) -> Samples:
    """With a peak that is drawn, in decibels."""
    low, high = np.log(_PEAK)
    return np.asarray(y * (np.exp(rng.uniform(low, high)) / max(1e-4, float(np.abs(y).max()))), np.float32)
