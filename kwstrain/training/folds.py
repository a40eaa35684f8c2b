"""Cross-validation: as many runs as folds, each validated on its own part of the clips outside the test split."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kwsfeat import ConfigError, Reader, folds_of_rows
from kwstrain.config import TrainConfig
from kwstrain.io import write_atomic
from kwstrain.training.fit import FitResult, Tick, fit


@dataclass(frozen=True)
class FoldsResult:
    """One FitResult per fold; `mean` and `spread` (standard deviation between folds) of the best validation accuracy."""

    results: list[FitResult]

    @property
    def accuracy(self) -> NDArray[np.float64]:
        """Best validation accuracy of each fold."""
        return np.array([result.best["val_accuracy"] for result in self.results])

    @property
    def mean(self) -> float:
        """Of the folds."""
        return float(self.accuracy.mean())

    @property
    def spread(self) -> float:
        """Standard deviation of the folds (n - 1)."""
        return float(self.accuracy.std(ddof=1))

    def to_dict(self) -> dict[str, Any]:
        """JSON types."""
        return {"accuracy": self.accuracy.tolist(), "mean": self.mean, "spread": self.spread}


def cross_validate(
    path: str | Path, config: TrainConfig, out: str | Path, *, folds: int, progress: Callable[[Tick], None] | None = None, **options: Any
) -> FoldsResult:
    """Train once per fold into ``out/fold-1`` and so on; ``out/folds.json`` gets the result.

    `options` are those of :func:`~kwstrain.training.fit`. The mean and deviation that features are standardised with are those of
    the file's training split in every fold.

    Raises
    ------
    ConfigError
        If there are more folds than recordings, or the file holds augmented copies.
    """
    out = Path(out)
    with Reader(path) as reader:
        if reader.variant.any():
            raise ConfigError(f"{reader.path} holds augmented copies, which must not validate: build it without, and use fit --augment")
        number = folds_of_rows(reader, folds, seed=config.seed)
        rows = np.flatnonzero((reader.split != "test") & (reader.label >= 0))
    results = []
    for fold in range(folds):
        held = number[rows] == fold
        results.append(fit(path, config, out / f"fold-{fold + 1}", rows=(rows[~held], rows[held]), progress=progress, **options))
    result = FoldsResult(results)
    write_atomic(out / "folds.json", json.dumps(result.to_dict(), indent=1).encode())
    return result
