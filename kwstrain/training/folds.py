"""Cross-validation: as many runs as folds, each validated on its own part of the clips outside the test split."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kwsfeat import ConfigError, Reader
from kwstrain.config import TrainConfig
from kwstrain.inference.bundle import write_atomic
from kwstrain.training.fit import FitResult, Tick, fit


@dataclass(frozen=True)
class FoldsResult:
    """One FitResult a fold; `mean` and `spread` (standard deviation between folds) of the best validation accuracy."""

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
    """Train once a fold into ``out/fold-1`` and so on; ``out/folds.json`` gets the result.

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
        number = fold_numbers(reader, folds, config.seed)
        rows = np.flatnonzero((reader.split != "test") & (reader.label >= 0))
    results = []
    for fold in range(folds):
        held = number[rows] == fold
        results.append(fit(path, config, out / f"fold-{fold + 1}", rows=(rows[~held], rows[held]), progress=progress, **options))
    result = FoldsResult(results)
    write_atomic(out / "folds.json", json.dumps(result.to_dict(), indent=1).encode())
    return result


def fold_numbers(reader: Reader, folds: int, seed: int) -> NDArray[np.int64]:
    """The fold of each row: whole speakers where there are enough of them, else the recordings of each class in turn.

    Clips without a speaker (silence, for one) are divided by recording either way.
    """
    speakers = set(reader.speaker.tolist()) - {""}
    by_speaker = len(speakers) >= folds
    recordings = [f"{source}@{start}" for source, start in zip(reader.source.tolist(), reader.start.tolist(), strict=True)]
    known = [bool(by_speaker and speaker) for speaker in reader.speaker.tolist()]
    groups = [speaker if whole else recording for speaker, recording, whole in zip(reader.speaker.tolist(), recordings, known, strict=True)]
    if len(set(groups)) < folds:
        raise ConfigError(f"folds={folds} must be at most the number of recordings, {len(set(groups))}")
    # Groups in a random order, speakers apart from the recordings of each class, dealt out in turn.
    kind = {group: "" if whole else int(label) for group, whole, label in zip(groups, known, reader.label.tolist(), strict=True)}
    dealt: dict[Any, int] = {}
    fold_of: dict[str, int] = {}
    for group in np.random.default_rng((seed, folds)).permutation(sorted(kind)).tolist():
        fold_of[group] = dealt.get(kind[group], 0) % folds
        dealt[kind[group]] = dealt.get(kind[group], 0) + 1
    return np.array([fold_of[group] for group in groups])
