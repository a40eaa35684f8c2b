"""Runs side by side as one HTML page."""

from __future__ import annotations

import html

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from kwstrain.evaluation.compare import TABLES, Row, cells, differences
from kwstrain.report import figures as report
from kwstrain.report.labels import label

# Column of a run -> what it is on an axis.
_AGAINST = {"total": "parameters", "multiply_adds_per_s": "multiply-adds for a second of audio", "seconds": "training time (s)"}


def as_html(rows: list[Row]) -> str:
    """A page that needs nothing else: the tables, accuracy against size, cost and time, the curves, the confusion matrices."""
    tables = "".join(f"<h2>{title}</h2>{_html_table(rows, columns)}" for title, columns in TABLES.items())
    matrices = "".join(
        f"<h3>{html.escape(one.values['run'])}, {html.escape(one.summary['split'])} split</h3>"
        + report.image(report.confusion_figure(np.array(one.summary["confusion"]), one.labels))
        for one in rows
    )
    warnings = "".join(f"<p><strong>{html.escape(text)}</strong></p>" for text in differences(rows))
    return report.page(
        "Comparison of runs",
        f"{warnings}{tables}<h2>Accuracy against parameters, multiply-adds and time</h2>"
        f"<p>On the test clips; on the validation clips for a run that was not evaluated on any.</p>{report.image(accuracy_figure(rows))}"
        f"<h2>Curves</h2>{report.image(_curves(rows))}<h2>Confusion matrices</h2>{matrices}",
    )


def _accuracy(one: Row) -> float:
    """On the test clips where the run was evaluated on them, else on the validation clips, or as a last resort on the training clips."""
    known = [one.values[name] for name in ("test_accuracy", "val_accuracy", "train_accuracy") if one.values[name] is not None]
    return float(known[0])


def accuracy_figure(rows: list[Row]) -> Figure:
    """Accuracy of each run against its parameters, the multiply-adds of a second of audio, and the time of its training."""
    figure = Figure(figsize=(13, 4.4), layout="constrained")
    canvas = FigureCanvasAgg(figure)
    of_axes = []
    for axes, (name, title) in zip(figure.subplots(1, len(_AGAINST), sharey=True), _AGAINST.items(), strict=True):
        points = [(one.values[name], 100 * _accuracy(one)) for one in rows]
        for point in points:
            axes.scatter(*point)
        span = [x for x, _ in points]
        axes.set(xscale="log" if min(span) > 0 and max(span) > 10 * min(span) else "linear", xlabel=title)
        axes.margins(x=0.2, y=0.1)
        axes.grid(alpha=0.3)
        of_axes.append((axes, points))
    figure.axes[0].set_ylabel("accuracy (%)")
    canvas.draw()  # gives everything its place
    for axes, points in of_axes:
        axes.autoscale(False)
        label(axes, [report.shown(one.values["run"]) for one in rows], points, canvas.get_renderer())
    return figure


def _curves(rows: list[Row]) -> Figure:
    figure = Figure(figsize=(11, 4.2), layout="constrained")
    for axes, name in zip(figure.subplots(1, 2), ("loss", "accuracy"), strict=True):
        for one in rows:
            values = [record[f"val_{name}"] for record in one.records]
            title = report.shown(one.values["run"])
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
