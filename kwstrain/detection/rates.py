"""Counts, what they are relative to, and the confidence intervals that follow."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from kwsfeat import binomial_interval, bootstrap_interval, poisson_interval


@dataclass(frozen=True)
class Misses:
    """The number of missed words `n` among the words `said`."""

    name: str
    n: int
    said: int

    @property
    def rate(self) -> float:
        """The miss rate, 0 to 1; NaN if nothing was said."""
        return self.n / self.said if self.said else float("nan")

    @property
    def interval(self) -> tuple[float, float]:
        """The exact 95 % interval of the miss rate (Clopper and Pearson 1934)."""
        return binomial_interval(self.n, self.said)

    def to_dict(self) -> dict[str, Any]:
        """As JSON types."""
        return {"name": self.name, "misses": self.n, "said": self.said, "miss_rate": _number(self.rate), "interval": list(self.interval)}


@dataclass(frozen=True)
class FalseAccepts:
    """The number of false accepts `n` in `hours` of audio."""

    name: str
    n: int
    hours: float

    @property
    def per_hour(self) -> float:
        """False accepts per hour; NaN without audio."""
        return self.n / self.hours if self.hours > 0 else float("nan")

    @property
    def interval(self) -> tuple[float, float]:
        """The exact 95 % interval of the rate per hour (Garwood 1936); zero to infinity without audio."""
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
    """The bootstrap interval over recordings, as JSON types; None with fewer than two recordings."""
    interval = bootstrap_interval(counts, exposures)
    return None if interval is None else list(interval)


def _number(value: float) -> float | None:
    """JSON has neither NaN nor infinity."""
    return value if abs(value) < float("inf") else None
