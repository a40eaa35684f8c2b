"""Cross-validation: as many runs as folds, each tested on its own part of the clips, or on one speaker that it never heard."""

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
from kwstrain.data.clips import select
from kwstrain.inference.bundle import Bundle
from kwstrain.inference.classifier import Classifier
from kwstrain.io import write_atomic
from kwstrain.training.fit import FitResult, Tick, fit

SPEAKERS = "speakers"
_MOST_SPEAKERS = 100  # a run for each


@dataclass(frozen=True)
class FoldsResult:
    """One FitResult per fold, and the accuracy on the clips that it left out.

    With numbered folds these decided which epoch was kept. With `speakers` they did not: they are all clips of one speaker each.
    """

    results: list[FitResult]
    accuracy: NDArray[np.float64]
    speakers: tuple[str, ...] = ()

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
        named = {"speakers": list(self.speakers)} if self.speakers else {}
        return {"accuracy": self.accuracy.tolist(), "mean": self.mean, "spread": self.spread, **named}


def cross_validate(
    path: str | Path,
    config: TrainConfig,
    out: str | Path,
    *,
    folds: int | str,
    overwrite: bool = False,
    resume: bool = False,
    progress: Callable[[Tick], None] | None = None,
    **options: Any,
) -> FoldsResult:
    """Train once per fold into ``out/fold-1`` and so on; ``out/folds.json`` gets the result.

    `folds` is a number of parts of the clips outside the test split, each left out once and used for validation; or ``speakers``:
    each run is tested on all clips of one speaker, and trained and validated on what the file's splits hold of the others.
    `overwrite` and `options` are those of :func:`~kwstrain.training.fit`. With `resume` the folds that were begun go on after their
    last complete epoch, and the others begin. The mean and deviation that features are standardised with are those of
    the file's training split in every fold.

    Raises
    ------
    ConfigError
        If there are more folds than recordings, or the file holds augmented copies; for ``speakers`` if it knows fewer than two, or
        more than a hundred.
    """
    out = Path(out)
    with Reader(path) as reader:
        if reader.variant.any():
            raise ConfigError(f"{reader.path} holds augmented copies, which must not validate: build it without, and use fit --augment")
        speakers = _speakers(reader) if folds == SPEAKERS else ()
        parts = [_without(reader, speaker) for speaker in speakers] if speakers else _numbered(reader, int(folds), config.seed)
    results = []
    for number, rows in enumerate(parts, start=1):
        fold = out / f"fold-{number}"
        begun = resume and (number == 1 or (fold / "weights.npz").is_file())  # without the first one there is nothing to resume
        results.append(fit(path, config, fold, rows=rows, overwrite=overwrite or resume, resume=begun, progress=progress, **options))
    if speakers:
        accuracy = [_accuracy_on(speaker, result.bundle, path) for speaker, result in zip(speakers, results, strict=True)]
    else:
        accuracy = [result.best["val_accuracy"] for result in results]
    across = FoldsResult(results, np.array(accuracy), speakers)
    write_atomic(out / "folds.json", json.dumps(across.to_dict(), indent=1).encode())
    return across


def _numbered(reader: Reader, folds: int, seed: int) -> list[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Training and validation rows of each of `folds` parts of what is not for testing."""
    number = folds_of_rows(reader, folds, seed=seed)
    rows = np.flatnonzero((reader.split != "test") & (reader.label >= 0))
    return [(rows[number[rows] != fold], rows[number[rows] == fold]) for fold in range(folds)]


def _speakers(reader: Reader) -> tuple[str, ...]:
    known = tuple(sorted(set(reader.speaker[reader.label >= 0].tolist()) - {""}))
    if not 2 <= len(known) <= _MOST_SPEAKERS:
        raise ConfigError(f"{reader.path} knows {len(known)} speakers, one fold each takes 2 to {_MOST_SPEAKERS}: give --folds a number")
    return known


def _without(reader: Reader, speaker: str) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Training and validation rows of the others."""
    others = reader.speaker != speaker
    train, val = (np.flatnonzero(others & (reader.split == split)) for split in ("train", "validation"))
    return train, val


def _accuracy_on(speaker: str, bundle: Bundle, path: str | Path) -> float:
    """Of the best weights on all clips of one speaker."""
    with Reader(path) as reader:
        clips = select(reader, bundle.feature_name, np.flatnonzero(reader.speaker == speaker))
        return float((Classifier(bundle).logits_of(clips).argmax(axis=1) == clips.label).mean())
