"""Pictures of a run and what an HTML page needs. Figures are made without pyplot: no display, no global state."""

from __future__ import annotations

import base64
import html
import io
import warnings
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from kwsfeat import FeatureConfig
from kwstrain.evaluation.evaluate import Mistake


def curves_figure(records: list[dict[str, Any]]) -> Figure:
    """Loss and accuracy of both sets against epochs."""
    figure = Figure(figsize=(10, 4), layout="constrained")
    epochs = [record["epoch"] for record in records]
    for axes, name in zip(figure.subplots(1, 2), ("loss", "accuracy"), strict=True):
        for split, title in (("train", "training"), ("val", "validation")):
            values = [record[f"{split}_{name}"] for record in records]
            if not np.isnan(values).all():
                axes.plot(epochs, values, marker="." if len(epochs) < 60 else None, label=title)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.set(xlabel="epoch", ylabel=name + (" (nats)" if name == "loss" else ""))
        axes.grid(alpha=0.3)
        axes.legend()
    return figure


def confusion_figure(confusion: NDArray[np.int64], labels: tuple[str, ...]) -> Figure:
    """Counts in cells, shaded by the share of the true class."""
    n = len(labels)
    names = [shown(label) for label in labels]
    size = max(4.0, 0.45 * n + max(2.0, 0.17 * max(map(len, names))))
    figure = Figure(figsize=(size, size), layout="constrained")
    axes = figure.subplots()
    share = confusion / np.maximum(1, confusion.sum(axis=1, keepdims=True))
    axes.imshow(share, cmap="Blues", vmin=0, vmax=1)
    for i, j in np.argwhere(confusion > 0):
        axes.text(j, i, str(confusion[i, j]), ha="center", va="center", fontsize=8, color="white" if share[i, j] > 0.5 else "black")
    axes.set_xticks(range(n), names, rotation=90, parse_math=False)
    axes.set_yticks(range(n), names, parse_math=False)
    axes.set(xlabel="predicted", ylabel="true")
    return figure


def mistakes_figure(mistakes: list[Mistake], labels: tuple[str, ...], config: FeatureConfig) -> Figure:
    """The features, made with `config`, of up to 12 mistakes."""
    drawn = mistakes[:12]
    n_rows = -(-len(drawn) // 4)
    figure = Figure(figsize=(12, 2.6 * n_rows), layout="constrained")
    for axes, mistake in zip(figure.subplots(n_rows, 4, squeeze=False).flat, drawn, strict=False):
        draw_features(axes, mistake.features, config)
        title = f"{shown(labels[mistake.label])} taken for {shown(labels[mistake.predicted])} ({mistake.probability:.2f})"
        axes.set_title(title, fontsize=9, parse_math=False)
    return figure


def shown(text: str) -> str:
    """A label or name as it can be drawn: control characters written out, at most 40 characters. Draw it with `parse_math` False."""
    plain = "".join(c if c.isprintable() else c.encode("unicode_escape", "surrogatepass").decode() for c in text)
    return plain if len(plain) <= 40 else plain[:39] + "…"


def save_curves(records: list[dict[str, Any]], path: Path) -> None:
    """Write :func:`curves_figure` as PNG."""
    path.write_bytes(png(curves_figure(records)))


def save_confusion(confusion: NDArray[np.int64], labels: tuple[str, ...], path: Path) -> None:
    """Write :func:`confusion_figure` as PNG."""
    path.write_bytes(png(confusion_figure(confusion, labels)))


def page(title: str, body: str) -> str:
    """A self-contained HTML page."""
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{html.escape(title)}</title><style>'
        "body{font:15px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:70rem;padding:0 1rem}"
        "td,h1,h3{overflow-wrap:anywhere}td.number,th{white-space:nowrap}td img{min-width:20rem}"
        "table{border-collapse:collapse}td,th{border-bottom:1px solid #ccc;padding:.3rem .7rem;text-align:left;vertical-align:middle}"
        f"td.number{{text-align:right}}img{{max-width:100%}}</style></head><body><h1>{html.escape(title)}</h1>{body}</body></html>\n"
    )


def image(figure: Figure) -> str:
    """`figure` as an ``img`` element that holds its own data."""
    return f'<img alt="" src="data:image/png;base64,{base64.b64encode(png(figure)).decode()}">'


def png(figure: Figure) -> bytes:
    """`figure` as PNG."""
    out = io.BytesIO()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing", UserWarning)  # a label in a script that the font lacks: boxes are drawn
        figure.savefig(out, format="png", dpi=110)
    return out.getvalue()


def pixels(figure: Figure) -> NDArray[np.uint8]:
    """`figure` as uint8, shape (height, width, 3)."""
    canvas = FigureCanvasAgg(figure)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing", UserWarning)
        canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3].copy()


def draw_features(axes: Any, features: NDArray[np.float32], config: FeatureConfig) -> None:
    """Features (n_frames, n_features) against seconds; a waveform as a line, anything else as an image with low features at the bottom.

    The colours of MFCC leave coefficient 0 out: it is the level, far larger than the others, and would hide them.
    """
    n_frames, n_features = features.shape
    if n_features == 1:
        axes.plot(np.arange(n_frames) / config.sr, features[:, 0], linewidth=0.5)
        axes.set(ylabel="amplitude")
    else:
        limits: dict[str, Any] = {"cmap": "magma"}
        if config.output == "mfcc":
            widest = float(np.abs(features[:, 1:]).max(initial=1e-6))
            limits = {"cmap": "coolwarm", "vmin": -widest, "vmax": widest}
        extent = (0.0, n_frames * config.hop_length / config.sr, -0.5, n_features - 0.5)
        axes.imshow(features.T, origin="lower", aspect="auto", interpolation="nearest", extent=extent, **limits)
        axes.set(ylabel={"mfcc": "coefficient", "mel": "mel band", "micro": "mel band"}.get(config.output, "bin"))
    axes.set(xlabel="s", xlim=(0, config.n_samples / config.sr))
