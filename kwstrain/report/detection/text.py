"""A score as lines of text."""

from __future__ import annotations

from collections.abc import Sequence

from kwstrain.detection.rates import FalseAccepts, Misses
from kwstrain.detection.score import Score
from kwstrain.report.figures import shown


def score_text(given: Score) -> str:
    """The counts as tables."""
    misses, false, point = given.misses, given.false_accepts, given.point
    lines = [
        f"{len(given.outcomes)} recordings, {given.heard.hours:.2f} h; every word with {point.tolerance_s:g} s after it is "
        f"{given.heard.hours - false.hours:.2f} h of them",
        f"smoothing {1000 * point.smoothing_frames * point.hop_s:.0f} ms, refractory {point.refractory_s:g} s, a frame every "
        f"{1000 * point.hop_s:.0f} ms ({point.mode})",
        "",
    ]
    if misses.said:
        low, high = misses.interval
        lines.append(
            f"found {misses.said - misses.n} of {misses.said}: {100 * (1 - misses.rate):.1f} % (95 % interval {100 * (1 - high):.1f} to "
            f"{100 * (1 - low):.1f}); {given.duplicates} duplicates, {given.confusions} taken for another word"
        )
    if false.hours:
        low, high = false.interval
        clustered = given.bootstrap_per_hour
        drawn = f"; bootstrap over recordings {clustered[0]:.2f} to {clustered[1]:.2f}" if clustered else ""
        lines.append(
            f"false accepts {false.n} in {false.hours:.2f} h: {false.per_hour:.2f}/h (95 % interval {low:.2f} to {high:.2f}{drawn})"
        )
    lines.append(given.certificate[1])
    lines += _words_table(given)
    lines += _table("source", given.false_accepts_by_source())
    lines += _table("SNR", given.misses_by_snr())
    lines += _table("level", given.misses_by_level())
    return "\n".join(lines)


def _words_table(given: Score) -> list[str]:
    thresholds = given.point.detector(given.heard.words).thresholds
    said = {row.name: row for row in given.misses_by_word()}
    width = max(len("word"), *(len(shown(word)) for word in thresholds))
    lines = ["", f"{'word':{width}}  threshold      found            false accepts"]
    for row in given.false_accepts_by_word():
        one = said.get(row.name)
        found = f"{one.said - one.n:>5}/{one.said:<5} {100 * (1 - one.rate):5.1f} %" if one else "  never said"
        lines.append(f"{shown(row.name):{width}}  {thresholds[row.name]:9.5f}  {found:19}  {rate(row)}")
    return lines


def _table(title: str, rows: Sequence[FalseAccepts] | Sequence[Misses]) -> list[str]:
    if not rows:
        return []
    width = max(len(title), *(len(shown(row.name)) for row in rows))
    return ["", title, *(f"{shown(row.name):{width}}  {rate(row) if isinstance(row, FalseAccepts) else share(row)}" for row in rows)]


def rate(row: FalseAccepts) -> str:
    """A rate with its 95 % interval."""
    low, high = row.interval
    return f"{row.n} in {row.hours:.2f} h: {row.per_hour:.2f}/h ({low:.2f} to {high:.2f})"


def share(row: Misses) -> str:
    """The share that was found, with its 95 % interval."""
    low, high = row.interval
    return f"found {row.said - row.n}/{row.said}: {100 * (1 - row.rate):.1f} % ({100 * (1 - high):.1f} to {100 * (1 - low):.1f})"
