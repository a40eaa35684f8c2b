"""Accuracy of parts of a split: by speaker, by length, by level."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kwsfeat import Reader

WORST = 5  # speakers
PARTS = 4  # of the lengths, and of the levels
LOWEST_DB = -100.0  # the level of digital silence
_ROWS = 1024  # of audio in memory at once


@dataclass(frozen=True)
class Group:
    """Some clips of a split: what they have in common, how many there are, and the share that is recognised."""

    name: str
    n_clips: int
    accuracy: float

    def to_dict(self) -> dict[str, Any]:
        """JSON types."""
        return asdict(self)


def by_speaker(speaker: NDArray[np.str_], right: NDArray[np.bool_]) -> list[Group]:
    """The five speakers with the lowest accuracy, worst first, those with more clips before others; none where fewer than two are known."""
    names, index, counts = np.unique(speaker, return_inverse=True, return_counts=True)
    shares = np.bincount(index, weights=right) / counts
    groups = [Group(str(name), int(n), float(share)) for name, n, share in zip(names, counts, shares, strict=True) if name]
    return sorted(groups, key=lambda group: (group.accuracy, -group.n_clips))[:WORST] if len(groups) > 1 else []


def by_value(values: NDArray[np.floating], right: NDArray[np.bool_], unit: str, digits: int) -> list[Group]:
    """Up to four parts of about as many clips each, from the lowest values to the highest.

    Equal values stay in one part; the highest one, where many have it (as clips of full length do), is a part by itself.
    """
    shown = np.round(values, digits)
    edges = np.unique(np.quantile(shown, np.arange(1, PARTS) / PARTS, method="lower"))
    if edges[-1] == shown.max():
        edges[-1] = np.max(shown[shown < edges[-1]], initial=-np.inf)
    index = np.searchsorted(np.sort(edges), shown, side="left")
    groups = []
    for part in np.unique(index):
        inside = index == part
        low, high = shown[inside].min(), shown[inside].max()
        span = f"{low:.{digits}f}" if low == high else f"{low:.{digits}f} to {high:.{digits}f}"
        groups.append(Group(f"{span} {unit}", int(inside.sum()), float(right[inside].mean())))
    return groups


def groups(reader: Reader, rows: NDArray[np.int64], right: NDArray[np.bool_]) -> dict[str, list[Group]]:
    """The groups of some rows by ``speaker``, ``length`` and ``level``, each empty where the file does not tell.

    `right` bool (n,) says which of the rows are recognised. The length is that of the recording in the clip, the level its RMS
    relative to full scale.
    """
    return {
        "speaker": by_speaker(reader.speaker[rows], right),
        "length": by_value(reader.length[rows] / reader.sr, right, "s", 2),
        "level": by_value(levels(reader, rows), right, "dB", 0) if reader.has_audio else [],
    }


def levels(reader: Reader, rows: NDArray[np.int64]) -> NDArray[np.float64]:
    """RMS of each clip without its padding in dB relative to full scale, at least -100; float64, shape (n,)."""
    power = np.empty(len(rows))
    for start in range(0, len(rows), _ROWS):
        part = rows[start : start + _ROWS]
        y = reader.audio[part].astype(np.float32) / 32768
        power[start : start + _ROWS] = np.einsum("ij,ij->i", y, y) / np.maximum(reader.length[part], 1)
    return np.asarray(10 * np.log10(np.maximum(power, 10 ** (LOWEST_DB / 10))), np.float64)
