"""A page to see a score and to hear every false accept and every miss."""

from __future__ import annotations

import html
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from kwsfeat import Event, Outcome
from kwstrain.detection.rates import FalseAccepts, Misses
from kwstrain.detection.score import Score
from kwstrain.io import write_atomic
from kwstrain.report.detection.excerpts import AFTER_S, BEFORE_S, Excerpt, row, table
from kwstrain.report.detection.figures import det_figure, roc_figure
from kwstrain.report.detection.text import rate, score_text, share
from kwstrain.report.figures import image, page, png

MOST = 500  # of a kind that can be heard; a detector with more has another problem


def save(given: Score, folder: Path, *, progress: Callable[[int, int], None] = lambda done, total: None) -> Path:
    """Write ``score.json``, ``det.png``, ``roc.png``, ``index.html`` and the excerpts that it plays; returns the page.

    `progress` is called with (excerpts done, excerpts in all).
    """
    sounds = folder / "excerpts"
    sounds.mkdir(parents=True, exist_ok=True)
    curves = [image(figure) for figure in _figures(given, folder)]
    kinds = {
        "False accepts": ("recording", "heard at", "taken for", "score", "source"),
        "Misses": ("recording", "said at", "word", "SNR", "level"),
        "Taken for another word": ("recording", "heard at", "taken for", "score", "said"),
    }
    excerpts = {
        "False accepts": _events(given, lambda outcome: outcome.false_accepts),
        "Misses": _misses(given),
        "Taken for another word": _events(given, lambda outcome: ((event, one.word) for event, one in outcome.confusions)),
    }
    total, done = sum(min(MOST, len(rows)) for rows in excerpts.values()), 0
    parts = []
    for k, (title, rows) in enumerate(excerpts.items()):
        lines = []
        for i, excerpt in enumerate(rows[:MOST]):
            sound = sounds / f"{k + 1}-{i + 1:03d}.wav"
            lines.append(excerpt.row(sound.relative_to(folder) if excerpt.cut(sound) else None))
            done += 1
            progress(done, total)
        shown = f"the first {MOST} of {len(rows):,}" if len(rows) > MOST else f"{len(rows):,}"
        parts.append(f"<h2>{title} ({shown})</h2>{table((*kinds[title], 'hear it'), lines)}")
    reused = f"<p><strong>{len(given.reused)} recordings are those that the thresholds were chosen on.</strong></p>" if given.reused else ""
    body = f"<pre>{html.escape(score_text(given))}</pre>{reused}<h2>Curves</h2>{''.join(curves)}{_groups(given)}{''.join(parts)}"
    write_atomic(folder / "score.json", json.dumps(given.to_dict(), indent=1).encode())
    write_atomic(folder / "index.html", page(f"Detections of {given.run.name}", body).encode("utf-8", "replace"))
    return folder / "index.html"


def _figures(given: Score, folder: Path) -> Iterator[Figure]:
    if not given.misses.said or not given.false_accepts.hours:
        return
    for name, figure in (("det.png", det_figure(given)), ("roc.png", roc_figure(given))):
        (folder / name).write_bytes(png(figure))
        yield figure


def _events(given: Score, chosen: Callable[[Outcome], Iterable[tuple[Event, str]]]) -> list[Excerpt]:
    """What was heard before events, each with a word about it."""
    return [
        Excerpt(
            stream.name,
            event.time_s - BEFORE_S,
            event.time_s + AFTER_S,
            (f"{event.time_s:.2f} s", event.word, f"{event.score:.3f}", about),
        )
        for stream, outcome in zip(given.heard.streams, given.outcomes, strict=True)
        for event, about in chosen(outcome)
    ]


def _misses(given: Score) -> list[Excerpt]:
    tolerance_s = given.point.tolerance_s
    return [
        Excerpt(
            stream.name, one.start_s - 0.5, one.end_s + tolerance_s,
            (f"{one.start_s:.2f} s", one.word, _decibel(one.snr_db), _decibel(one.level_db)),
        )
        for stream, outcome in zip(given.heard.streams, given.outcomes, strict=True)
        for one in outcome.misses
    ]  # fmt: skip


def _decibel(value: float) -> str:
    return "" if np.isnan(value) else f"{value:.0f} dB"


def _groups(given: Score) -> str:
    tables: dict[str, Sequence[FalseAccepts] | Sequence[Misses]] = {
        "Words": given.misses_by_word(),
        "False accepts by word": given.false_accepts_by_word(),
        "False accepts by source": given.false_accepts_by_source(),
        "SNR": given.misses_by_snr(),
        "Level": given.misses_by_level(),
    }
    return "".join(
        f"<h2>{title}</h2>"
        + table(
            ("", "with 95 % interval"),
            [row((one.name, rate(one) if isinstance(one, FalseAccepts) else share(one))) for one in rows],
        )
        for title, rows in tables.items()
        if rows
    )
