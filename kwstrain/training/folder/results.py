"""What is known of the best weights when a run ends: summary, pictures, the threshold of ``predict``; and the table of its epochs."""

from __future__ import annotations

import csv
import io
import json
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kwstrain.data.clips import Clips
from kwstrain.data.negatives import Negatives
from kwstrain.evaluation.evaluate import mistakes
from kwstrain.evaluation.metrics import score
from kwstrain.inference.bundle import Bundle
from kwstrain.inference.classifier import Classifier
from kwstrain.inference.probabilities import probabilities
from kwstrain.inference.rejection import rejection_threshold
from kwstrain.io import write_atomic
from kwstrain.processes import wait
from kwstrain.training.folder.checkpoint import Progress
from kwstrain.training.folder.events import Events


def write_results(
    bundle: Bundle, progress: Progress, train: Clips, val: Clips, logits: NDArray[np.float32] | None, ended: str, events: Events | None,
    negatives: Negatives | None = None,
) -> None:  # fmt: skip
    """What the best weights give on the validation clips (the training clips without them): ``summary.json`` and pictures.

    `logits` float32 (n, n_classes) are theirs on `val`, where they are known. Of several processes those without `events` help to
    compute, and write nothing.
    """
    clips, split = (val, "validation") if len(val) else (train, "train")
    if logits is None:  # no validation clips, or the best epoch was before this process
        wait("weights")
        classifier = Classifier(bundle)
        logits = classifier.run(classifier.source(clips, negatives), len(clips))
    if events is None:
        return
    from kwstrain.report import figures as report  # which loads Matplotlib

    scores = score(logits, clips.label, bundle.config.loss)
    summary = {
        "ended": ended,
        "best_epoch": progress.best_epoch,
        "seconds": progress.seconds,
        "split": split,
        "threshold": _threshold(logits, val.label, bundle.config.loss) if len(val) else None,
        **scores.to_dict(),
    }
    write_atomic(bundle.folder / "summary.json", json.dumps(summary, indent=1).encode())
    report.save_curves(progress.records, bundle.folder / "curves.png")
    report.save_confusion(scores.confusion, bundle.labels, bundle.folder / "confusion.png")
    events.pictures(progress.best_epoch, scores, mistakes(clips, logits, bundle), bundle)


def _threshold(logits: NDArray[np.float32], label: NDArray[np.int32], objective: str) -> float | None:
    """What ``predict`` asks of an answer, from the validation clips that are recognised."""
    right = np.flatnonzero(logits.argmax(axis=1) == label)
    return rejection_threshold(probabilities(logits, objective)[right, label[right]])


def write_table(bundle: Bundle, records: list[dict[str, Any]]) -> None:
    """``metrics.csv``: a row for each epoch, empty where there is no value."""
    text = io.StringIO()
    writer = csv.DictWriter(text, records[0], lineterminator="\n")
    writer.writeheader()
    for record in records:
        writer.writerow({name: "" if value != value else value for name, value in record.items()})
    write_atomic(bundle.folder / "metrics.csv", text.getvalue().encode())
