"""Thresholds, smoothing and refractory time for a given number of false accepts per hour, chosen on streams."""

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
    """The operating point with the fewest misses whose false accepts are at most `target` per hour on these streams.

    Every word gets its own threshold; smoothing and refractory time are the same for all words. Ties are broken by fewer false
    accepts, then by the earlier decision.

    Parameters
    ----------
    run : Path
        The run folder.
    point : OperatingPoint
        Gives what is not chosen: mode, hop, hysteresis, tolerance.
    heard : Heard
        Streams in which each of its words is said at least once.
    target : float, 1/h, > 0
        False accepts of all words together.
    progress : callable
        Called with (curves done, curves in total).

    Returns
    -------
    Score
        Of the chosen operating point on the same streams, which makes it look better than it is; the `calibration` of its `point`
        records these streams.

    Raises
    ------
    ConfigError
        If `target` is not positive, a word is never said, there is no time without words, or no thresholds meet the target.
    """
    if not target > 0:
        raise ConfigError(f"fa-per-hour={target:g} must be > 0")
    if unsaid := [word for word in heard.words if not heard.said(word)]:
        raise ConfigError(
            f"{', '.join(unsaid[:5])} {'is' if len(unsaid) == 1 else 'are'} never said in these streams: name the words with --words, "
            "or add streams in which every word is said"
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
            f"no thresholds give at most {target:g} false accepts per hour here ({budget} in total): allow more, or "
            "train with such negatives"
        )
    given = score(run, best[1], heard, target=target)
    return replace(given, point=replace(best[1], calibration=_calibration(given)))


def _hours(point: OperatingPoint, heard: Heard) -> float:
    """Hours of audio outside the intervals of the words; the same for every detector."""
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
    """What is stored with the thresholds: the recordings they were chosen on, and the results there."""
    return {
        "target_per_hour": given.target,
        "recordings": given.heard.digests,
        "hours": given.false_accepts.hours,
        "false_accepts": given.false_accepts.to_dict(),
        "misses": given.misses.to_dict(),
        "certificate": given.certificate[1],
    }
