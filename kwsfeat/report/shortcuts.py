"""Shortcuts: what tells the labels of a corpus apart without listening to the words, and so what a network may learn instead."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kwsfeat.corpus.clip import NOISE_FOLDER
from kwsfeat.corpus.names.meaning import SILENCE
from kwsfeat.corpus.scan import Measurement

TOLD_APART = 0.9
FEWEST = 10  # clips on each side: of fewer, chance tells some apart
_BINS = 200
_LISTED = 6


@dataclass(frozen=True)
class Shortcut:
    """A property that is different in the recordings of `labels` and in all others: `here` and `there`, in words, of `n` and `n_others`.

    `right` is the balanced accuracy of the best threshold: the mean of the shares that it gets right of either side.
    """

    name: str
    labels: tuple[str, ...]
    right: float
    here: str
    there: str
    n: int
    n_others: int

    def __str__(self) -> str:
        more = f" and {len(self.labels) - _LISTED} more" if len(self.labels) > _LISTED else ""
        return (
            f"{self.name} tells {', '.join(self.labels[:_LISTED])}{more} from the rest, {self.right:.0%} right: "
            f"{self.here} (n = {self.n:,}), the rest {self.there} (n = {self.n_others:,})"
        )

    def to_dict(self) -> dict[str, Any]:
        """Everything, in JSON types."""
        return {**vars(self), "labels": list(self.labels), "right": round(self.right, 4)}


def shortcuts(measured: Sequence[Measurement]) -> list[Shortcut]:
    """Those of format, rate, channels, length, level and noise floor that tell some labels from the others.

    A property counts when one threshold (for a format or a rate: whether it is that one) tells the recordings of some labels from
    those of all others with a balanced accuracy of at least 90 %, of at least 10 recordings on either side. Silence and noise do
    not count, for they should differ.

    Parameters
    ----------
    measured : sequence of Measurement
        As of a :class:`~kwsfeat.corpus.scan.Scan`.
    """
    words = [m for m in measured if m.clip.label not in ("", SILENCE, NOISE_FOLDER)]
    labels, index = np.unique([m.clip.label for m in words], return_inverse=True)
    if len(labels) < 2:
        return []
    found = []
    for name, value, shown in _NUMBERS:
        numbers = np.array([value(m) for m in words])
        if (best := _told_apart(labels, index, numbers)) is not None:
            typical = [f"median {shown(float(np.median(numbers[side])))}" for side in (best.inside, ~best.inside)]
            if typical[0] != typical[1]:  # else a difference that nobody would hear
                found.append(_shortcut(name, best, typical))
    for name, text in _KINDS:
        texts = np.array([text(m) for m in words])
        kinds = [_told_apart(labels, index, texts == kind) for kind in np.unique(texts)]
        if (best := max(filter(None, kinds), key=lambda one: one.right, default=None)) is not None:
            typical = [f"mostly {Counter(texts[side].tolist()).most_common(1)[0][0]}" for side in (best.inside, ~best.inside)]
            found.append(_shortcut(name, best, typical))
    return found


_NUMBERS: tuple[tuple[str, Callable[[Measurement], float], Callable[[float], str]], ...] = (
    ("length", lambda m: m.seconds, lambda x: f"{x:.2f} s"),
    ("level", lambda m: m.level_db, lambda x: f"{x:.0f} dB"),
    ("noise floor", lambda m: m.floor_db, lambda x: f"{x:.0f} dB"),
)
_KINDS: tuple[tuple[str, Callable[[Measurement], str]], ...] = (
    ("format", lambda m: m.kind),
    ("rate", lambda m: f"{m.sr:,} Hz"),
    ("number of channels", lambda m: str(m.channels)),
)


@dataclass(frozen=True)
class _Division:
    """Labels, which clips are theirs, and how well they are told from the rest."""

    labels: tuple[str, ...]
    inside: NDArray[np.bool_]
    right: float


def _shortcut(name: str, best: _Division, typical: Sequence[str]) -> Shortcut:
    n = int(best.inside.sum())
    return Shortcut(name, best.labels, best.right, typical[0], typical[1], n, len(best.inside) - n)


def _told_apart(labels: NDArray[np.str_], index: NDArray[np.intp], values: NDArray[Any]) -> _Division | None:
    """The best division of the labels into two groups by `values`, in the order of their means; None where it is not good enough."""
    borders = np.unique(np.quantile(values.astype(np.float64), np.linspace(0, 1, _BINS + 1), method="nearest"))
    bins = np.searchsorted(borders, values)
    counts = np.zeros((len(labels), len(borders)))
    np.add.at(counts, (index, bins), 1)
    order = np.argsort(counts @ np.arange(len(borders)) / counts.sum(axis=1), kind="stable")
    low = np.cumsum(counts[order], axis=0)[:-1]  # the labels with the lowest values: 1, 2, ... of them
    high = counts.sum(axis=0) - low
    sizes = np.minimum(low.sum(axis=1), high.sum(axis=1))
    distance = np.cumsum(low, axis=1) / low.sum(axis=1)[:, None] - np.cumsum(high, axis=1) / high.sum(axis=1)[:, None]
    right = np.where(sizes >= FEWEST, 0.5 + np.abs(distance).max(axis=1) / 2, 0.0)
    best = int(np.argmax(right))
    if right[best] < TOLD_APART:
        return None
    group = order[: best + 1] if 2 * (best + 1) <= len(labels) else order[best + 1 :]
    inside = np.isin(index, group)
    return _Division(tuple(sorted(str(labels[i]) for i in group)), inside, float(right[best]))


def format_shortcuts(found: Sequence[Shortcut]) -> str:
    """The shortcuts for a person."""
    if not found:
        return "shortcuts (what tells labels apart without the words): none"
    lines = [f"shortcuts (a network may learn them instead of the words: record and convert all labels alike): {len(found)}"]
    return "\n".join([*lines, *(f"  {shortcut}" for shortcut in found)])
