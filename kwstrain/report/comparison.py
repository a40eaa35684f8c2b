"""Runs side by side as one HTML page."""

from __future__ import annotations

import html

import numpy as np
from matplotlib.figure import Figure

from kwstrain.evaluation.compare import TABLES, Row, cells, differences
from kwstrain.report import figures as report


def as_html(rows: list[Row]) -> str:
    """A page that needs nothing else: the tables, the curves, accuracy against parameters and seconds, confusion matrices."""
    tables = "".join(f"<h2>{title}</h2>{_html_table(rows, columns)}" for title, columns in TABLES.items())
    matrices = "".join(
        f"<h3>{html.escape(one.values['run'])}, {html.escape(one.summary['split'])} split</h3>"
        + report.image(report.confusion_figure(np.array(one.summary["confusion"]), one.labels))
        for one in rows
    )
    warnings = "".join(f"<p><strong>{html.escape(text)}</strong></p>" for text in differences(rows))
    return report.page(
        "Comparison of runs",
        f"{warnings}{tables}<h2>Accuracy against parameters and time</h2>"
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
            point = (one.values[name], _accuracy(one))
            title = report.shown(one.values["run"])
            axes.annotate(title, point, xytext=(5, 4), textcoords="offset points", fontsize=9, parse_math=False)
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
            axes.plot([record["epoch"] for record in one.records], values, label=f" {title}" if title.startswith("_") else title)
        axes.set(xlabel="epoch", ylabel=f"validation {name}")
        axes.grid(alpha=0.3)
        for text in axes.legend(fontsize=8).get_texts():
            text.set_parse_math(False)
    return figure


def _html_table(rows: list[Row], columns: dict[str, str]) -> str:
    head, *body = ([html.escape(cell) for cell in line] for line in cells(rows, columns))
    lines = "".join(f"<tr><td>{'</td><td>'.join(line)}</td></tr>" for line in body)
    return f"<table><tr><th>{'</th><th>'.join(head)}</th></tr>{lines}</table>"
