"""What a training says while it runs, and what it gives."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from kwstrain.inference.bundle import Bundle


@dataclass(frozen=True)
class Tick:
    """What a progress display shows: after every compiled call, and after each epoch with its `record` and the `best` so far."""

    epoch: int
    n_epochs: int
    step: int
    n_steps: int
    loss: float
    accuracy: float
    examples_per_s: float
    record: dict[str, Any] | None = None
    best: dict[str, Any] | None = None


@dataclass(frozen=True)
class FitResult:
    """`records`: one row of ``metrics.csv`` per epoch. `ended`: by ``epochs`` or by ``patience``."""

    bundle: Bundle
    records: list[dict[str, Any]]
    best_epoch: int
    ended: str

    @property
    def best(self) -> dict[str, Any]:
        """The record of the epoch whose weights were kept."""
        return self.records[self.best_epoch - 1]
