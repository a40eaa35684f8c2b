"""Engines against each other in the same run: every round gives each its turn, and a table of ratios comes out.

A busy moment hits all of them; a turn is a few calls, so that each is warm; an engine's time is its best call.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np

ROUNDS, CALLS = 20, 4


class Table:
    """Lines of the report: what, engine, microseconds a clip, ratio to ours, the ratio that is asked for, and whether it is met."""

    def __init__(self) -> None:
        self.lines: list[tuple[str, str, float, float, float | None]] = []

    def add(self, work: str, seconds: dict[str, float], wanted: dict[str, float]) -> None:
        ours = next(iter(seconds.values()))
        for engine, t in seconds.items():
            self.lines.append((work, engine, 1e6 * t, t / ours, wanted.get(engine)))

    def __str__(self) -> str:
        rows = ["| work | engine | us per clip | clips/s | ratio | at least |", "|---|---|---|---|---|---|"]
        for work, engine, us, ratio, wanted in self.lines:
            asked = "" if wanted is None else f"{wanted:g} {'met' if ratio >= wanted else 'MISSED'}"
            rows.append(f"| {work} | {engine} | {us:,.1f} | {1e6 / us:,.0f} | {ratio:.1f} | {asked} |")
        return "\n".join(rows)


def race(engines: dict[str, Callable[[], object]]) -> dict[str, float]:
    """Best seconds of each engine, in rounds in which every one has its turn."""
    for run in engines.values():
        run()
    best = dict.fromkeys(engines, np.inf)
    for _ in range(ROUNDS):
        for name, run in engines.items():
            for _ in range(CALLS):
                began = time.perf_counter()
                run()
                best[name] = min(best[name], time.perf_counter() - began)
    return best


def compare(
    benchmark,
    table: Table,
    work: str,
    engines: dict[str, Callable[[], object]],
    wanted: dict[str, float],
    n_clips: dict[str, int] | None = None,
) -> None:
    """Our engine is the first one; `n_clips` are worked on in one call of an engine, one where nothing is said.

    Without --benchmark-enable every engine runs once and nothing is claimed.
    """
    benchmark(next(iter(engines.values())))
    if not benchmark.enabled:
        for run in engines.values():
            run()
        return
    seconds = {engine: t / (n_clips or {}).get(engine, 1) for engine, t in race(engines).items()}
    table.add(work, seconds, wanted)
