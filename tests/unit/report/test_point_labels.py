"""Names beside points of a diagram hide neither a point nor each other."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

pytest.importorskip("matplotlib")

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Annotation, Text

from kwstrain.report.labels import label


@pytest.mark.parametrize("scale", ["linear", "log"])
def test_names_of_a_crowd(scale: str) -> None:
    figure = Figure(figsize=(5, 4))
    canvas, axes = FigureCanvasAgg(figure), figure.subplots()
    rng = np.random.default_rng(0)
    points = [(1e4 * 10 ** rng.uniform(0, 0.6), rng.uniform(90, 92)) for _ in range(9)] + [(1e6, 84.0), (1e4, 95.0)]
    points[1] = points[0][0] * 1.02, points[0][1]  # nearly one point
    axes.scatter(*np.transpose(points))
    axes.set_xscale(scale)
    canvas.draw()
    names = [f"network-{i}" for i in range(len(points))]
    label(axes, names, points, canvas.get_renderer())
    texts = [child for child in axes.texts if isinstance(child, Annotation)]
    assert sorted(text.get_text() for text in texts) == sorted(names)
    boxes = [Text.get_window_extent(text, canvas.get_renderer()) for text in texts]
    assert not any(a.overlaps(b) for a, b in combinations(boxes, 2))
    middles = axes.transData.transform(points)
    assert not any(box.contains(*middle) for box in boxes for middle in middles)
    assert all(axes.bbox.contains(*box.min) and axes.bbox.contains(*box.max) for box in boxes)


def test_a_name_that_fits_nowhere_is_still_written() -> None:
    figure = Figure(figsize=(1, 1))
    canvas, axes = FigureCanvasAgg(figure), figure.subplots()
    axes.scatter([0], [0])
    canvas.draw()
    label(axes, ["a name that is much longer than its diagram is wide"], [(0.0, 0.0)], canvas.get_renderer())
    assert [text.get_text() for text in axes.texts] == ["a name that is much longer than its diagram is wide"]
