"""Runs side by side: tables of data, of complexity, of the best epoch and of the first, as text and CSV."""

from __future__ import annotations

import csv
import io
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from kwsfeat import SPLITS, StoreError
from kwstrain.inference.bundle import Bundle
from kwstrain.io import read_json
from kwstrain.models import create_shapes
from kwstrain.models.cost import cost

# Column of the CSV -> title in the tables.
_DATA = {
    "file": "file",
    "classes": "classes",
    "val_clips": "val clips",
    "test_clips": "test clips",
}
_COMPLEXITY = {
    "network": "network",
    "features": "features",
    "input": "input",
    "total": "parameters",
    "trainable": "trainable",
    "non_trainable": "fixed",
    "multiply_adds_per_s": "MAC/s",
}
_RESULTS = {
    "train_accuracy": "train acc",
    "val_accuracy": "val acc",
    "test_accuracy": "test acc",
    "train_loss": "train loss",
    "val_loss": "val loss",
    "epochs": "epochs",
    "seconds": "seconds",
}
_FIRST_EPOCH = {
    "first_train_accuracy": "train acc",
    "first_val_accuracy": "val acc",
    "first_train_loss": "train loss",
    "first_val_loss": "val loss",
    "first_seconds": "seconds",
}
TABLES = {"Data": _DATA, "Complexity": _COMPLEXITY, "Best epoch": _RESULTS, "After the first epoch": _FIRST_EPOCH}


@dataclass(frozen=True)
class Row:
    """One run: `values` by column (None where there is none), the rows of its ``metrics.csv``, its best scores."""

    values: dict[str, Any]
    records: list[dict[str, Any]]
    labels: tuple[str, ...]
    summary: dict[str, Any]


def row(run: str | os.PathLike[str]) -> Row:
    """Read a finished run.

    Raises
    ------
    StoreError
        If `run` is not a run folder, or its training did not come to the end of an epoch.
    """
    bundle = Bundle.load(run)
    folder = bundle.folder
    try:
        summary = read_json(folder / "summary.json")
    except FileNotFoundError:
        raise StoreError(f"{folder} is not finished: kwstrain fit --resume goes on with it") from None
    try:
        with (folder / "metrics.csv").open(encoding="utf-8", newline="") as file:
            records = [{name: float(value) if value else float("nan") for name, value in line.items()} for line in csv.DictReader(file)]
        return _row(bundle, summary, records)
    except (KeyError, ValueError, TypeError, IndexError, AttributeError, FileNotFoundError, csv.Error) as error:
        raise StoreError(
            f"{folder}: metrics.csv, summary.json or another file of the run is damaged ({type(error).__name__}: {error})"
        ) from None


def _row(bundle: Bundle, summary: dict[str, Any], records: list[dict[str, Any]]) -> Row:
    best, first = records[summary["best_epoch"] - 1], records[0]
    folder = bundle.folder
    test = read_json(folder / "test.json") if (folder / "test.json").is_file() else {}
    values = {
        "run": folder.name,
        "file": bundle.data,
        "classes": len(bundle.labels),
        "val_clips": summary["n_clips"] if summary["split"] == "validation" else None,
        "test_clips": test.get("n_clips"),
        "network": bundle.config.arch + (", pretrained" if bundle.config.weights else ""),
        "features": bundle.feature_name,
        "input": " x ".join(map(str, bundle.feature_config.shape)),
        **bundle.parameters,
        "multiply_adds_per_s": _multiply_adds_per_s(bundle),
        **{name: _known(best[name]) for name in ("train_accuracy", "val_accuracy", "train_loss", "val_loss")},
        "test_accuracy": test.get("accuracy"),
        "epochs": len(records),
        "seconds": records[-1]["seconds"],
        **{f"first_{name}": _known(first[name]) for name in ("train_accuracy", "val_accuracy", "train_loss", "val_loss", "seconds")},
    }
    _check(values, records, summary, len(bundle.labels))
    return Row(values, records, bundle.labels, summary)


def _check(values: dict[str, Any], records: list[dict[str, Any]], summary: dict[str, Any], n_classes: int) -> None:
    """Raise ValueError or KeyError where a table or a picture could not be made of these."""
    texts = ("run", "file", "network", "features", "input")
    for name in (*_DATA, *_COMPLEXITY, *_RESULTS, *_FIRST_EPOCH):
        if not isinstance(values[name], str if name in texts else int | float | None):
            raise ValueError(f"{name} is {values[name]!r}")
    if summary["split"] not in SPLITS:
        raise ValueError(f"split is {summary['split']!r}")
    if np.shape(summary["confusion"]) != (n_classes, n_classes) or np.asarray(summary["confusion"]).dtype.kind != "i":
        raise ValueError(f"confusion is not of {n_classes} classes")
    for record in records:
        _ = [record[name] for name in ("epoch", "train_loss", "train_accuracy", "val_loss", "val_accuracy")]


def _multiply_adds_per_s(bundle: Bundle) -> int:
    """Of a second of audio."""
    features, config = bundle.feature_config, bundle.config
    shape, options = features.shape, {"dtype": config.dtype, **config.options}
    model = create_shapes(config.arch, input_shape=shape, n_classes=len(bundle.labels), **options)
    return round(cost(model, shape).multiply_adds * features.sr / features.n_samples)


def _known(value: float) -> float | None:
    return None if np.isnan(value) else value


def differences(rows: list[Row]) -> list[str]:
    """A sentence for each thing that must be the same if the accuracies of the runs are to be compared, and is not."""
    said = []
    for name, what in (
        ("file", "the runs were trained on different files"),
        ("val_clips", "the validation accuracies are of different numbers of clips"),
        ("test_clips", "the test accuracies are of different numbers of clips"),
    ):
        found: dict[Any, str] = {}  # value -> the first run that has it
        for one in rows:
            if one.values[name] is not None:
                found.setdefault(one.values[name], one.values["run"])
        if len(found) > 1:
            said.append(f"{what}: {', '.join(f'{run} {value}' for value, run in found.items())}")
    other = next((one for one in rows if set(one.labels) != set(rows[0].labels)), None)
    if other is not None:
        only = [
            f"{one.values['run']} alone has {', '.join(sorted(more))}"
            for one, base in ((rows[0], other), (other, rows[0]))
            if (more := set(one.labels) - set(base.labels))
        ]
        said.append(f"the runs know different classes: {'; '.join(only)}")
    return said


def text(rows: list[Row]) -> str:
    """Four tables for a terminal: data; complexity; accuracy, loss and time at the best epoch; the same after the first."""
    return "\n\n".join(f"{title}\n{_aligned(rows, columns)}" for title, columns in TABLES.items())


def cells(rows: list[Row], columns: dict[str, str]) -> list[list[str]]:
    """A table of :data:`TABLES`, its head first."""
    return [["run", *columns.values()], *([one.values["run"], *(_shown(name, one.values[name]) for name in columns)] for one in rows)]


def _aligned(rows: list[Row], columns: dict[str, str]) -> str:
    table = cells(rows, columns)
    first, *widths = (max(map(len, column)) for column in zip(*table, strict=True))
    return "\n".join("  ".join([name.ljust(first), *map(str.rjust, cells, widths)]) for name, *cells in table)


def _shown(name: str, value: Any) -> str:
    if value is None:
        return "-"
    if name == "file":
        return Path(value).name
    if isinstance(value, int):
        return f"{value:,}"
    if name.endswith("seconds"):
        return f"{value:.0f}"
    return f"{value:.4f}" if isinstance(value, float) else str(value)


def as_csv(rows: list[Row]) -> str:
    """One line per run, every column, full precision."""
    out = io.StringIO()
    writer = csv.DictWriter(out, ["run", *_DATA, *_COMPLEXITY, *_RESULTS, *_FIRST_EPOCH], lineterminator="\n")
    writer.writeheader()
    writer.writerows(one.values for one in rows)
    return out.getvalue()
