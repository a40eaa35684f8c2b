"""What was taught as a page: how good it is, what was left out and why, and every false alarm to hear."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from kwstrain.detection.rates import Misses
from kwstrain.io import write_atomic
from kwstrain.report.detection.excerpts import AFTER_S, BEFORE_S, Excerpt, escaped, row, table
from kwstrain.report.detection.text import rate, share
from kwstrain.report.figures import page

if TYPE_CHECKING:
    from kwstrain.teaching.teach import Taught

PAGE, CLIPS = "report.html", "false-alarms"
MOST = 100  # false alarms to hear


def save_report(taught: Taught, run: Path) -> None:
    """Write ``report.html`` into a run folder, and the clips that it plays."""
    facts = {
        "Made of": f"{len(taught.used)} recordings and {taught.voices} voices, on {taught.embedding}",
        "Recordings" if taught.used else "Voices": found_text(taught.found, by_recordings=bool(taught.used)),
        "False accepts": f"{rate(taught.false_accepts)}; allowed {taught.per_hour:g}/h",
        "Negatives": "; ".join(taught.sources) or "the caller's",
        "Credit": taught.credit,
    }
    parts = [
        table(("", ""), [row(fact) for fact in facts.items()]),
        "<h2>Remarks</h2>"
        + (f"<ul>{''.join(f'<li>{escaped(text)}</li>' for text in taught.remarks)}</ul>" if taught.remarks else "<p>None.</p>"),
        "<h2>Left out</h2>" + table(("recording", "because"), [row((str(one.path), one.reason)) for one in taught.faults]),
        f"<h2>False alarms in {taught.own_hours:.2f} h of your own negatives ({len(taught.alarms)})</h2>" + _alarms(taught, run),
        "<h2>What sounds like it</h2>" + _near(taught),
        "<h2>Recordings that were used</h2>" + table(("recording",), [row((str(path),)) for path in taught.used]),
    ]
    write_atomic(run / PAGE, page(f"{taught.word}: what was taught", "".join(parts)).encode("utf-8", "replace"))


def found_text(found: Misses, *, by_recordings: bool) -> str:
    """How many were found, with the interval, and how they were judged."""
    return f"{share(found)}{', each judged by a detector made without it' if by_recordings else ''}"


def _alarms(taught: Taught, run: Path) -> str:
    if not taught.own_hours:
        return "<p>None were given: --negatives adds sound without the word.</p>"
    rows = []
    for i, alarm in enumerate(taught.alarms[:MOST], start=1):
        about = (f"{alarm.time_s:.2f} s", f"{alarm.score:.3f}")
        excerpt, sound = Excerpt(str(alarm.path), alarm.time_s - BEFORE_S, alarm.time_s + AFTER_S, about), run / CLIPS / f"{i:03d}.wav"
        sound.parent.mkdir(exist_ok=True)
        rows.append(excerpt.row(sound.relative_to(run) if excerpt.cut(sound) else None))
    more = f"<p>The first {MOST} can be heard.</p>" if len(taught.alarms) > MOST else ""
    return table(("recording", "heard at", "score", "hear it"), rows) + more


def _near(taught: Taught) -> str:
    if not taught.near:
        return "<p>None: no voice said the word, or its phonemes have no neighbours that can be said.</p>"
    rows = [row((one.word, f"{one.mistaken} of {one.said}")) for one in taught.near]
    return "<p>In espeak-ng's phonemes, as its voices say them.</p>" + table(("word", "mistaken for it"), rows)
