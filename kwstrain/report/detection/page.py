"""A page to see a score and to hear every false accept and every miss."""

from __future__ import annotations

import html
import json
import wave
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from kwsfeat import AudioError, Event, Outcome, as_float32, read_blocks
from kwstrain.detection.rates import FalseAccepts, Misses
from kwstrain.detection.score import Score
from kwstrain.io import write_atomic
from kwstrain.report.detection.figures import det_figure, roc_figure
from kwstrain.report.detection.text import rate, score_text, share
from kwstrain.report.figures import image, page, png

BEFORE_S, AFTER_S = 2.0, 0.5  # of an event that is heard
MOST = 500  # of a kind that can be heard; a detector with more has another problem


@dataclass(frozen=True)
class Excerpt:
    """A part of a recording to hear, and what is said of it."""

    recording: str
    start_s: float
    stop_s: float
    cells: tuple[str, ...]


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
            lines.append(_row(excerpt, sound.relative_to(folder) if _cut(excerpt, sound) else None))
            done += 1
            progress(done, total)
        shown = f"the first {MOST} of {len(rows):,}" if len(rows) > MOST else f"{len(rows):,}"
        parts.append(f"<h2>{title} ({shown})</h2>{_table((*kinds[title], 'hear it'), lines)}")
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


def _cut(excerpt: Excerpt, path: Path) -> bool:
    """Write the excerpt as a WAV file; False where the recording cannot be read (any more)."""
    start_s = max(0.0, excerpt.start_s)
    try:
        blocks = list(read_blocks(Path(excerpt.recording), start_s=start_s, stop_s=max(excerpt.stop_s, start_s + 0.1)))
    except AudioError:
        return False
    if not blocks:
        return False
    y = np.concatenate([as_float32(block) for block, _ in blocks])
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(blocks[0][1])
        file.writeframes(np.clip(np.rint(y * 32767), -32768, 32767).astype("<i2").tobytes())
    return True


def _row(excerpt: Excerpt, sound: Path | None) -> str:
    cells = "".join(f"<td>{_escaped(cell)}</td>" for cell in (excerpt.recording, *excerpt.cells))
    player = f'<audio controls preload="none" src="{html.escape(sound.as_posix())}"></audio>' if sound else "cannot be read"
    return f"<tr>{cells}<td>{player}</td></tr>"


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
        + _table(
            ("", "with 95 % interval"),
            [
                f"<tr><td>{_escaped(row.name)}</td><td>{rate(row) if isinstance(row, FalseAccepts) else share(row)}</td></tr>"
                for row in rows
            ],
        )
        for title, rows in tables.items()
        if rows
    )


def _table(heads: Sequence[str], rows: Sequence[str]) -> str:
    return f"<table><tr>{''.join(f'<th>{head}</th>' for head in heads)}</tr>{''.join(rows)}</table>" if rows else "<p>None.</p>"


def _escaped(text: str) -> str:
    return html.escape(text.encode("utf-8", "replace").decode())
