"""A trained run against a split of a feature file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kwsfeat import Reader, StoreError
from kwstrain.data.clips import Clips, digest_of_splits, select
from kwstrain.data.remarks import remarks
from kwstrain.evaluation.groups import Group, groups
from kwstrain.evaluation.metrics import Scores, score
from kwstrain.evaluation.saved import free_name
from kwstrain.inference.bundle import Bundle
from kwstrain.inference.classifier import Classifier
from kwstrain.inference.probabilities import probabilities
from kwstrain.processes import is_first


@dataclass(frozen=True)
class Mistake:
    """A clip that was taken for another class: its row, both class numbers, the probability given to the wrong one."""

    row: int
    label: int
    predicted: int
    probability: float
    features: NDArray[np.float32]


@dataclass(frozen=True)
class Evaluation:
    """Scores of `bundle` on `split` of the file at `path`, and the most confident mistakes, worst first.

    `groups` are parts of the split by ``speaker`` (the worst five), ``length`` and ``level``; `remarks` what its classes cannot tell,
    and that the file is another one since the run was trained on it.
    """

    bundle: Bundle
    path: Path
    split: str
    scores: Scores
    mistakes: list[Mistake]
    groups: dict[str, list[Group]]
    remarks: list[str]

    @property
    def name(self) -> str:
        """What its files in the run folder are called: the split, after the name of the file where that is not the run's own.

        A number tells files of one name apart.
        """
        return self.split if _is_own(self.bundle, self.path) else free_name(self.bundle.folder, self.path, self.split)

    def to_dict(self) -> dict[str, Any]:
        """JSON types."""
        scores, labels = self.scores, self.bundle.labels
        columns = zip(labels, scores.confusion.sum(axis=1), scores.precision, scores.recall, scores.f1, strict=True)
        return {
            "run": str(self.bundle.folder),
            "file": str(self.path),
            "split": self.split,
            **scores.to_dict(),
            "classes": {
                label: {"n_clips": int(n), "precision": float(precision), "recall": float(recall), "f1": float(f1)}
                for label, n, precision, recall, f1 in columns
            },
            "groups": {kind: [group.to_dict() for group in parts] for kind, parts in self.groups.items()},
            "remarks": self.remarks,
        }


def evaluate(run: str | Path, path: str | Path | None = None, *, split: str = "test", n_mistakes: int = 24) -> Evaluation:
    """Classify every labelled clip of a split.

    Several processes that are :func:`kwstrain.together` divide the clips; the first one has the groups and the mistakes.

    Parameters
    ----------
    run : path
        A run folder.
    path : path, optional
        A feature file; without it the one that the run was trained on.
    split : {"train", "validation", "test"}
        Which of its clips.
    n_mistakes : int, >= 0
        How many of the most confident mistakes to keep.

    Returns
    -------
    Evaluation
        Scores with the confusion matrix, and the most confident mistakes.

    Raises
    ------
    StoreError
        If the run, the file or the split's clips are missing.
    ConfigError
        If the file holds other features than the run was trained on, naming the fields that differ.

    Examples
    --------
    >>> evaluation = evaluate("runs/words", "words.h5", split="train")
    >>> evaluation.scores.n_clips, evaluation.scores.confusion.shape
    (12, (3, 3))
    """
    bundle = Bundle.load(run)
    with Reader(path or bundle.data) as reader:
        clips = select(reader, bundle.check(reader), reader.rows(split))
        if len(clips) == 0:
            raise StoreError(f"{reader.path} has no labelled clips in split {split!r}: choose another --split")
        logits = Classifier(bundle).logits_of(clips)
        clips.check(clips.rows[~np.isfinite(logits).all(axis=1)])
        scores = score(logits, clips.label, bundle.config.loss)
        if not is_first():
            return Evaluation(bundle, reader.path, split, scores, [], {}, [])
        parts = groups(reader, clips.rows, logits.argmax(axis=1) == clips.label)
        said = [*remarks(reader, [split]), *_changed(bundle, reader, clips.name)]
        return Evaluation(bundle, reader.path, split, scores, mistakes(clips, logits, bundle, n_mistakes), parts, said)


def _is_own(bundle: Bundle, path: Path) -> bool:
    """Whether the file is the one that the run was trained on."""
    return path.resolve() == Path(bundle.data).resolve()


def _changed(bundle: Bundle, reader: Reader, name: str) -> list[str]:
    """A sentence where the run's own file has other training or validation clips than it had; earlier runs do not know."""
    if not bundle.splits or not _is_own(bundle, reader.path) or bundle.splits == digest_of_splits(reader, name):
        return []
    return [
        f"{reader.path} was built anew since {bundle.folder} was trained on it, with other training or validation clips: "
        "the network may know these clips; train again, or evaluate on the file of before"
    ]


def mistakes(clips: Clips, logits: NDArray[np.float32], bundle: Bundle, n: int = 24) -> list[Mistake]:
    """The `n` wrong answers with the highest probability."""
    label, predicted = clips.label, logits.argmax(axis=1)
    given = probabilities(logits, bundle.config.loss)[np.arange(len(label)), predicted]
    wrong = np.flatnonzero(predicted != label)
    worst = wrong[np.argsort(-given[wrong], kind="stable")][:n]
    features = clips.reader.features(clips.name)
    return [
        Mistake(int(clips.rows[i]), int(label[i]), int(predicted[i]), float(given[i]), np.array(features[clips.rows[i]], np.float32))
        for i in worst
    ]
