"""Thresholds, smoothing and refractory time for so many false accepts an hour, chosen on streams."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

from kwsfeat import ConfigError, Point, choose_thresholds, operating_curve
from kwstrain.detection.point import OperatingPoint
from kwstrain.detection.score import Heard, Score, score

SMOOTHING_S = (0.0, 0.1, 0.2, 0.4, 0.8)
REFRACTORY_S = (0.75, 1.5)


def calibrate(
    run: Path,
    point: OperatingPoint,
    heard: Heard,
    *,
    target: float = 0.5,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Score:
    """The operating point with the fewest misses whose false accepts are at most `target` an hour on these streams.

    Every word gets a threshold of its own, all words share one smoothing and one refractory time. Of points that miss equally
    many the one with fewer false accepts is taken, then the one that decides sooner.

    Parameters
    ----------
    run : Path
    point : OperatingPoint
        What is not chosen: mode, hop, hysteresis, tolerance.
    heard : Heard
        Streams in which every one of its words is said.
    target : float, 1/h, > 0
        False accepts of all words together.
    progress : callable
        Called with (curves done, curves in all).

    Returns
    -------
    Score
        Of the point on the same streams, which flatters it; its `point` has a `calibration` that says so.

    Raises
    ------
    ConfigError
        If a word is never said, there is no time without words, or no thresholds keep the target.
    """
    if not target > 0:
        raise ConfigError(f"fa-per-hour={target:g} must be > 0")
    if unsaid := [word for word in heard.words if not heard.said(word)]:
        raise ConfigError(
            f"{', '.join(unsaid[:5])} {'is' if len(unsaid) == 1 else 'are'} never said in these streams: name the words with --words, "
            "or add streams in which all are said"
        )
    choices = list(product(sorted({max(1, round(seconds / point.hop_s)) for seconds in SMOOTHING_S}), REFRACTORY_S))
    budget = 0
    best: tuple[tuple[float, ...], OperatingPoint] | None = None
    for i, (smoothing_frames, refractory_s) in enumerate(choices):
        tried = replace(point, smoothing_frames=smoothing_frames, refractory_s=refractory_s, thresholds={}, calibration={})
        if i == 0:
            budget = math.floor(target * _hours(tried, heard) + 1e-9)
        chosen = choose_thresholds(_curve(tried, heard), budget)
        progress(i + 1, len(choices))
        if chosen:
            order = (_sum(chosen, "misses"), _sum(chosen, "false_accepts"), smoothing_frames, refractory_s)
            if best is None or order < best[0]:
                best = order, replace(tried, thresholds={word: one.threshold for word, one in chosen.items()})
    if best is None:
        raise ConfigError(
            f"no thresholds give {target:g} false accepts an hour or fewer here ({budget} in all): allow more, or train with such negatives"
        )
    given = score(run, best[1], heard, target=target)
    return replace(given, point=replace(best[1], calibration=_calibration(given)))


def _hours(point: OperatingPoint, heard: Heard) -> float:
    """Of audio outside the intervals of the words, which no detector changes."""
    detector = point.detector(heard.words)
    hours = sum(stream.outcome(detector, tolerance_s=point.tolerance_s).total_hours for stream in heard.streams)
    if not hours:
        raise ConfigError("these streams have no time without words: false accepts need negatives")
    return hours


def _curve(point: OperatingPoint, heard: Heard) -> dict[str, list[Point]]:
    return operating_curve(
        heard.streams, heard.words, heard.words, smoothing_frames=point.smoothing_frames, hysteresis=point.hysteresis,
        refractory_s=point.refractory_s, tolerance_s=point.tolerance_s,
    )  # fmt: skip


def _sum(chosen: dict[str, Point], name: str) -> int:
    return sum(getattr(point, name) for point in chosen.values())


def _calibration(given: Score) -> dict[str, Any]:
    """What is stored beside the thresholds: on what they were chosen, and what they gave there."""
    return {
        "target_per_hour": given.target,
        "recordings": given.heard.digests,
        "hours": given.false_accepts.hours,
        "false_accepts": given.false_accepts.to_dict(),
        "misses": given.misses.to_dict(),
        "certificate": given.certificate[1],
    }
