"""Pictures of a detector: miss rate against false accepts per hour, and posteriors with their events."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import NormalDist
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from kwsfeat import Point
from kwstrain.detection.detect import Detections
from kwstrain.detection.rates import FalseAccepts, Misses
from kwstrain.detection.score import Score
from kwstrain.report.figures import png, shown

_TICKS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 0.9, 0.98)  # of miss rates
_MOST_POINTS = 2000  # of a curve of posteriors: more than a picture has columns
_MOST_WORDS = 12  # that are told apart in one picture


def det_figure(given: Score) -> Figure:
    """Miss rate on a probit axis against false accepts per hour on a logarithmic one, for each word, with 95 % bounds.

    Points without a false accept stand at the left edge. The ring is the operating point.
    """
    figure = Figure(figsize=(7, 5), layout="constrained")
    axes = figure.subplots()
    hours, thresholds = given.false_accepts.hours, given.point.detector(given.heard.words).thresholds
    for k, (word, points) in enumerate(_drawn(given)):
        colour = f"C{k % 10}"
        n, misses = _false_accepts(points, hours), _misses(points)
        axes.plot(_x(n), _probits([row.rate for row in misses]), marker=".", markersize=3, color=colour, label=shown(word))
        if k < 3:
            bounds = [row.interval for row in misses]
            axes.fill_between(_x(n), _probits([low for low, _ in bounds]), _probits([high for _, high in bounds]), color=colour, alpha=0.12)
        chosen = _nearest(points, thresholds[word])
        _operating_point(axes, n[chosen], misses[chosen], colour)
    _rate_axis(axes, given)
    axes.set_yticks(_probits(_TICKS), [f"{100 * tick:g}" for tick in _TICKS])
    axes.set(ylabel="missed, %", ylim=(_probits([0.0008])[0], _probits([0.985])[0]))
    _legend(axes)
    return figure


def roc_figure(given: Score) -> Figure:
    """Found words in per cent against false accepts per hour, for each word, with the bounds of the rate."""
    figure = Figure(figsize=(7, 5), layout="constrained")
    axes = figure.subplots()
    hours = given.false_accepts.hours
    for k, (word, points) in enumerate(_drawn(given)):
        colour = f"C{k % 10}"
        n, found = _false_accepts(points, hours), [100 * (1 - row.rate) for row in _misses(points)]
        axes.plot(_x(n), found, marker=".", markersize=3, color=colour, label=shown(word))
        if k < 3:
            low, high = zip(*(row.interval for row in n), strict=True)
            axes.fill_betweenx(found, np.maximum(low, _left(hours)), high, color=colour, alpha=0.12)
    _rate_axis(axes, given)
    axes.set(ylabel="found, %", ylim=(0, 101))
    _legend(axes)
    return figure


def save_detections(found: Detections, thresholds: Mapping[str, float], path: Path) -> None:
    """Draw the posteriors of a recording, the highest of each moment, the thresholds and the events."""
    figure = Figure(figsize=(12, 3.6), layout="constrained")
    axes = figure.subplots()
    words = list(thresholds)
    times, highest = _reduced(found, len(words))
    loudest = np.argsort(-highest.max(axis=0, initial=0), kind="stable")[:_MOST_WORDS]
    for k, w in enumerate(loudest.tolist()):
        axes.plot(times, highest[:, w], linewidth=0.8, color=f"C{k % 10}", label=shown(words[w]))
        axes.axhline(thresholds[words[w]], linewidth=0.6, linestyle=":", color=f"C{k % 10}")
    for event in found.events:
        axes.axvline(event.time_s, linewidth=0.8, color="black", alpha=0.5)
        if len(found.events) <= 40:
            axes.annotate(
                shown(event.word), (event.time_s, 1.0), xytext=(2, 2), textcoords="offset points", fontsize=8, rotation=45, parse_math=False
            )
    axes.set(xlabel="s", ylabel="posterior", xlim=(0, max(found.seconds, 1e-3)), ylim=(0, 1.15))
    axes.set_title(shown(found.path.name), fontsize=10, parse_math=False, loc="left")
    _legend(axes)
    path.write_bytes(png(figure))


def _reduced(found: Detections, n_words: int) -> tuple[NDArray[np.float64], NDArray[np.float32]]:
    """Times (n,) and the highest posteriors (n, n_words) of at most _MOST_POINTS moments."""
    store = found.posteriors
    if store is None or not len(store):
        return np.zeros(0), np.zeros((0, n_words), np.float32)
    width = -(-len(store) // _MOST_POINTS)
    n = -(-len(store) // width)
    times, highest = np.zeros(n), np.zeros((n, n_words), np.float32)
    first = 0
    for posteriors, when in store.blocks(0, len(store)):
        rows = (first + np.arange(len(when))) // width
        np.maximum.at(highest, rows, posteriors)
        times[rows] = when
        first += len(when)
    return times, highest


def _drawn(given: Score) -> list[tuple[str, list[Point]]]:
    """The words that were said, at most a dozen."""
    return [(word, points) for word, points in given.curves.items() if points and points[0].said][:_MOST_WORDS]


def _false_accepts(points: Sequence[Point], hours: float) -> list[FalseAccepts]:
    return [FalseAccepts("", point.false_accepts, hours) for point in points]


def _misses(points: Sequence[Point]) -> list[Misses]:
    return [Misses("", point.misses, point.said) for point in points]


def _nearest(points: Sequence[Point], threshold: float) -> int:
    return int(np.argmin([abs(point.threshold - threshold) for point in points]))


def _left(hours: float) -> float:
    """Where a rate without an event is drawn."""
    return 0.5 / hours if hours > 0 else 0.1


def _x(rows: Sequence[FalseAccepts]) -> list[float]:
    return [row.per_hour if row.n else _left(row.hours) for row in rows]


def _probits(shares: Sequence[float]) -> list[float]:
    return [NormalDist().inv_cdf(min(max(share, 0.001), 0.98)) for share in shares]


def _operating_point(axes: Any, n: FalseAccepts, missed: Misses, colour: str) -> None:
    axes.plot(_x([n]), _probits([missed.rate]), marker="o", markersize=9, markerfacecolor="none", color=colour)


def _rate_axis(axes: Any, given: Score) -> None:
    axes.set_xscale("log")
    left = _left(given.false_accepts.hours)
    axes.axvline(left, linewidth=0.6, color="grey")
    axes.axvline(given.target, linewidth=0.8, linestyle="--", color="grey")
    axes.set(xlabel=f"false accepts per hour (none at the left edge; dashed: {given.target:g})")
    axes.grid(alpha=0.3, which="both")


def _legend(axes: Any) -> None:
    if axes.get_legend_handles_labels()[0]:
        for text in axes.legend(fontsize=8, loc="upper right").get_texts():
            text.set_parse_math(False)
