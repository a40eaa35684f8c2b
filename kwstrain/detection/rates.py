"""Counts with what they are counted against, and the intervals that these allow."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from kwsfeat import binomial_interval, bootstrap_interval, poisson_interval


@dataclass(frozen=True)
class Misses:
    """How many of so many words were missed."""

    name: str
    n: int
    said: int

    @property
    def share(self) -> float:
        """The miss rate; NaN where nothing was said."""
        return self.n / self.said if self.said else float("nan")

    @property
    def interval(self) -> tuple[float, float]:
        """95 %, Clopper and Pearson."""
        return binomial_interval(self.n, self.said)

    def to_dict(self) -> dict[str, Any]:
        """As JSON types."""
        return {"name": self.name, "misses": self.n, "said": self.said, "miss_rate": _number(self.share), "interval": list(self.interval)}


@dataclass(frozen=True)
class FalseAccepts:
    """How many false accepts in so many hours."""

    name: str
    n: int
    hours: float

    @property
    def per_hour(self) -> float:
        """NaN without time."""
        return self.n / self.hours if self.hours > 0 else float("nan")

    @property
    def interval(self) -> tuple[float, float]:
        """95 %, Garwood; anything is possible without time."""
        return poisson_interval(self.n, self.hours) if self.hours > 0 else (0.0, float("inf"))

    def to_dict(self) -> dict[str, Any]:
        """As JSON types."""
        return {
            "name": self.name,
            "false_accepts": self.n,
            "hours": self.hours,
            "per_hour": _number(self.per_hour),
            "interval": [_number(bound) for bound in self.interval],
        }


def bootstrap(counts: Sequence[float], exposures: Sequence[float]) -> list[float] | None:
    """The bootstrap interval over recordings as JSON types."""
    interval = bootstrap_interval(counts, exposures)
    return None if interval is None else list(interval)


def _number(value: float) -> float | None:
    """JSON has neither NaN nor infinity."""
    return value if abs(value) < float("inf") else None
