"""The recordings of a word: where in each of them it is, and which of them are of no use."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from kwsfeat import AudioError, as_float32, read_blocks, resample

Samples = NDArray[np.float32]

BEFORE_S, AFTER_S = 1.4, 0.7  # that are kept around the word: an embedding hears 0.8 s before it says anything
LONGEST_S = 30.0  # of a recording of one word
LONGEST_WORD_S, SHORTEST_WORD_S = 2.5, 0.08
MOST_SOUND_S = 4.0  # in a recording: a word that is said again is no fault, its loudest time is taken
PAUSE_S = 0.3  # within a word, or between the words of a phrase
_FRAME_S = 0.01
_SILENT_DB = -55.0  # of the loudest 30 ms
_STANDS_OUT_DB = 9.0  # the loudest 30 ms over the quietest tenth
_CLIPPED = 0.05  # share of the word's samples at full scale


@dataclass(frozen=True, eq=False)
class Take:
    """One recording of the word.

    `y` float32 (n,) holds the word with BEFORE_S before it and AFTER_S after it, quiet where the recording had nothing; `end` is the
    sample at which the word ends, `start` the one at which it begins.
    """

    path: Path
    y: Samples
    start: int
    end: int
    digest: str


@dataclass(frozen=True)
class Fault:
    """A recording that is left out, and why."""

    path: Path
    reason: str


def read_takes(paths: Iterable[Path], sr: int) -> tuple[list[Take], list[Fault]]:
    """The recordings that are of use, at `sr` Hz, and the others, each with the reason."""
    takes: list[Take] = []
    faults: list[Fault] = []
    for path in paths:
        try:
            takes.append(_take(path, sr))
        except AudioError as error:
            faults.append(Fault(path, str(error).removeprefix(f"{path}: ")))
    first: dict[str, Take] = {}
    for take in takes:
        if (same := first.setdefault(take.digest, take)) is not take:
            faults.append(Fault(take.path, f"is the same recording as {same.path.name}"))
    return list(first.values()), faults


def find_word(y: Samples, sr: int) -> tuple[int, int]:
    """Where the loudest sound between two pauses begins and ends, in samples.

    Raises
    ------
    AudioError
        If nothing is heard, or no word stands out.
    """
    frame = max(1, round(_FRAME_S * sr))
    n = len(y) // frame
    power = np.square(y[: n * frame], dtype=np.float64).reshape(n, frame).mean(axis=1) if n else np.zeros(0)
    level = 10 * np.log10(np.convolve(power, np.ones(3) / 3, "same") + 1e-12) if n >= 3 else np.full(1, -120.0)
    peak, floor = float(level.max()), float(np.percentile(level, 10))
    if peak < _SILENT_DB:
        raise AudioError(f"is silent: its loudest moment is at {peak:.0f} dB of full scale")
    if peak - floor < _STANDS_OUT_DB:
        raise AudioError(f"no word stands out: its loudest moment is {peak - floor:.0f} dB above its quietest")
    above = level > min(max(floor + 0.35 * (peak - floor), peak - 30), peak - 12)
    edges = np.flatnonzero(np.diff(np.concatenate([[0], above.astype(np.int8), [0]]))).reshape(-1, 2)
    parts = [edges[0].tolist()]
    for first, last in edges[1:].tolist():
        if (first - parts[-1][1]) * _FRAME_S <= PAUSE_S:
            parts[-1][1] = last
        else:
            parts.append([first, last])
    first, last = max(parts, key=lambda part: power[part[0] : part[1]].sum())
    seconds = (last - first) * _FRAME_S
    if seconds < SHORTEST_WORD_S:
        raise AudioError(f"no word is heard: its longest sound is {1000 * seconds:.0f} ms long, as a click")
    if seconds > LONGEST_WORD_S:
        raise AudioError(f"{seconds:.1f} s of sound without a pause are more than a word: music, noise, or talk")
    if (heard := sum(last - first for first, last in parts) * _FRAME_S) > MOST_SOUND_S:
        raise AudioError(f"{heard:.1f} s of sound are more than a word: music, noise, or talk")
    return first * frame, last * frame


def cut(path: Path, y: Samples, sr: int) -> Take:
    """The word of a waveform with what is kept around it.

    Raises
    ------
    AudioError
        As :func:`find_word`, or if the word is distorted.
    """
    start, end = find_word(y, sr)
    word = np.abs(y[start:end])
    clipped = float((word >= 0.999 * max(1e-9, float(word.max()))).mean())
    if clipped > _CLIPPED:
        raise AudioError(f"is clipped: {100 * clipped:.0f} % of the word's samples are at the limit; record it softer")
    before, after = round(BEFORE_S * sr), round(AFTER_S * sr)
    kept = y[max(0, start - before) : end + after]
    quiet = np.random.default_rng(len(y)).standard_normal(before + after).astype(np.float32) * _background(y)
    missing, behind = max(0, before - start), max(0, end + after - len(y))
    whole = np.concatenate([quiet[:missing], kept, quiet[len(quiet) - behind :] if behind else quiet[:0]])
    return Take(path, whole, before, before + end - start, hashlib.sha256(y.tobytes()).hexdigest()[:16])


def _take(path: Path, sr: int) -> Take:
    parts, seconds, rate = [], 0.0, sr
    for y, rate in read_blocks(path):
        parts.append(as_float32(y))
        seconds += len(y) / rate
        if seconds > LONGEST_S:
            raise AudioError(f"is longer than {LONGEST_S:g} s: cut it into recordings of one word")
    return cut(path, resample(np.concatenate(parts), rate, sr), sr)


def _background(y: Samples) -> np.float32:
    """The level of the quietest tenth of a recording, within bounds that are natural."""
    parts = [np.sqrt(np.mean(np.square(part, dtype=np.float64))) for part in np.array_split(y, max(1, len(y) // 320))]
    return np.float32(min(max(float(np.percentile(parts, 10)), 1e-4), 0.01))
