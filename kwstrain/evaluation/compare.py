"""Runs side by side: system B's tables of complexity and of accuracy, as text, CSV and one HTML page."""

from __future__ import annotations

import csv
import html
import io
import json
import os
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from kwsfeat import StoreError
from kwstrain.inference.bundle import Bundle
from kwstrain.report import figures as report

# Column of the CSV -> title in the tables.
_COMPLEXITY = {
    "network": "network",
    "features": "features",
    "input": "input",
    "total": "parameters",
    "trainable": "trainable",
    "non_trainable": "fixed",
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
_TABLES = {"Complexity": _COMPLEXITY, "Best epoch": _RESULTS, "After the first epoch": _FIRST_EPOCH}


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
        If `run` is no run folder, or its training did not come to the end of an epoch.
    """
    bundle = Bundle.load(run)
    folder = bundle.folder
    if not (folder / "summary.json").is_file():
        raise StoreError(f"{folder} is not finished: kwstrain fit --resume goes on with it")
    summary = json.loads((folder / "summary.json").read_text())
    with (folder / "metrics.csv").open() as file:
        records = [{name: float(value) if value else float("nan") for name, value in line.items()} for line in csv.DictReader(file)]
    best, first = records[summary["best_epoch"] - 1], records[0]
    test = folder / "test.json"
    values = {
        "run": folder.name,
        "network": bundle.config.arch + (", pretrained" if bundle.config.weights else ""),
        "features": bundle.feature_name,
        "input": " x ".join(map(str, bundle.feature_config.shape)),
        **bundle.parameters,
        **{name: _known(best[name]) for name in ("train_accuracy", "val_accuracy", "train_loss", "val_loss")},
        "test_accuracy": json.loads(test.read_text())["accuracy"] if test.is_file() else None,
        "epochs": len(records),
        "seconds": records[-1]["seconds"],
        **{f"first_{name}": _known(first[name]) for name in ("train_accuracy", "val_accuracy", "train_loss", "val_loss", "seconds")},
    }
    return Row(values, records, bundle.labels, summary)


def _known(value: float) -> float | None:
    return None if np.isnan(value) else value


def text(rows: list[Row]) -> str:
    """Three tables for a terminal: complexity; accuracy, loss and time at the best epoch; the same after the first."""
    return "\n\n".join(f"{title}\n{_aligned(rows, columns)}" for title, columns in _TABLES.items())


def _cells(rows: list[Row], columns: dict[str, str]) -> list[list[str]]:
    return [["run", *columns.values()], *([one.values["run"], *(_shown(name, one.values[name]) for name in columns)] for one in rows)]


def _aligned(rows: list[Row], columns: dict[str, str]) -> str:
    table = _cells(rows, columns)
    first, *widths = (max(map(len, column)) for column in zip(*table, strict=True))
    return "\n".join("  ".join([name.ljust(first), *map(str.rjust, cells, widths)]) for name, *cells in table)


def _html_table(rows: list[Row], columns: dict[str, str]) -> str:
    head, *body = ([html.escape(cell) for cell in line] for line in _cells(rows, columns))
    lines = "".join(f"<tr><td>{'</td><td>'.join(line)}</td></tr>" for line in body)
    return f"<table><tr><th>{'</th><th>'.join(head)}</th></tr>{lines}</table>"


def _shown(name: str, value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, int):
        return f"{value:,}"
    if name.endswith("seconds"):
        return f"{value:.0f}"
    return f"{value:.4f}" if isinstance(value, float) else str(value)


def as_csv(rows: list[Row]) -> str:
    """One line a run, every column, full precision."""
    out = io.StringIO()
    writer = csv.DictWriter(out, ["run", *_COMPLEXITY, *_RESULTS, *_FIRST_EPOCH], lineterminator="\n")
    writer.writeheader()
    writer.writerows(one.values for one in rows)
    return out.getvalue()


def as_html(rows: list[Row]) -> str:
    """A page that needs nothing else: the tables, the curves, accuracy against parameters and seconds, confusion matrices."""
    tables = "".join(f"<h2>{title}</h2>{_html_table(rows, columns)}" for title, columns in _TABLES.items())
    matrices = "".join(
        f"<h3>{html.escape(one.values['run'])}, {html.escape(one.summary['split'])} split</h3>"
        + report.image(report.confusion_figure(np.array(one.summary["confusion"]), one.labels))
        for one in rows
    )
    return report.page(
        "Comparison of runs",
        f"{tables}<h2>Accuracy against parameters and time</h2>"
        f"<p>On the validation clips; on the test clips for a run without any.</p>{report.image(_scatter(rows))}"
        f"<h2>Curves</h2>{report.image(_curves(rows))}<h2>Confusion matrices</h2>{matrices}",
    )


def _accuracy(one: Row) -> float:
    """On the validation clips; without any on the test clips, or as a last resort on the training clips."""
    known = [one.values[name] for name in ("val_accuracy", "test_accuracy", "train_accuracy") if one.values[name] is not None]
    return float(known[0])


def _scatter(rows: list[Row]) -> Figure:
    figure = Figure(figsize=(11, 4.2), layout="constrained")
    for axes, name in zip(figure.subplots(1, 2, sharey=True), ("total", "seconds"), strict=True):
        for one in rows:
            axes.scatter(one.values[name], _accuracy(one))
            axes.annotate(one.values["run"], (one.values[name], _accuracy(one)), xytext=(5, 4), textcoords="offset points", fontsize=9)
        span = [one.values[name] for one in rows]
        axes.set(
            xscale="log" if max(span) > 10 * min(span) else "linear",
            xlabel="parameters" if name == "total" else "training time (s)",
            ylabel="accuracy",
        )
        axes.margins(x=0.2)
        axes.grid(alpha=0.3)
    return figure


def _curves(rows: list[Row]) -> Figure:
    figure = Figure(figsize=(11, 4.2), layout="constrained")
    for axes, name in zip(figure.subplots(1, 2), ("loss", "accuracy"), strict=True):
        for one in rows:
            values = [record[f"val_{name}"] for record in one.records]
            title = one.values["run"]
            if np.isnan(values).all():
                values, title = [record[f"train_{name}"] for record in one.records], f"{title} (training)"
            axes.plot([record["epoch"] for record in one.records], values, label=title)
        axes.set(xlabel="epoch", ylabel=f"validation {name}")
        axes.grid(alpha=0.3)
        axes.legend(fontsize=8)
    return figure
