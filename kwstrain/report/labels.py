"""Names beside points of a diagram, where they hide neither a point nor each other."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import RendererAgg
from matplotlib.text import Text
from matplotlib.transforms import Bbox

# Right and left, a little above and below, then above, below, and steeply to the sides
_SIDES = ((1, 0.5), (-1, 0.5), (1, -0.5), (-1, -0.5), (0, 1), (0, -1), (1, 1.5), (1, -1.5), (-1, 1.5), (-1, -1.5))
_DISTANCES = (7, 14, 22, 32, 44, 58, 74)  # points; from the second on a line leads to the name
_MARKER = 4  # pixels from the middle of a point to its edge


def label(axes: Axes, names: Sequence[str], points: Sequence[tuple[float, float]], renderer: RendererAgg) -> None:
    """Write each name near its point, nearer ones being tried first; the limits and the place of `axes` must not change afterwards.

    Where nothing is free, a name stands at the last place that was tried.
    """
    middles = axes.transData.transform(points)
    taken = [Bbox([middle - _MARKER, middle + _MARKER]) for middle in middles]
    for i in sorted(range(len(names)), key=lambda i: (-points[i][1], points[i][0])):
        for distance, side in ((distance, side) for distance in _DISTANCES for side in _SIDES):
            text = axes.annotate(
                names[i], points[i], xytext=(distance * side[0], distance * side[1]), textcoords="offset points", fontsize=8,
                ha={1: "left", 0: "center", -1: "right"}[side[0]], va="center" if side[0] else "bottom" if side[1] > 0 else "top",
                arrowprops={"arrowstyle": "-", "linewidth": 0.5, "color": "gray"} if distance > _DISTANCES[0] else None,
                parse_math=False, in_layout=False,
            )  # fmt: skip
            text.update_positions(renderer)
            box = Text.get_window_extent(text, renderer)  # without the line
            is_inside = axes.bbox.contains(*box.min) and axes.bbox.contains(*box.max)
            if is_inside and not any(box.overlaps(other) for other in taken):
                break
            if (distance, side) != (_DISTANCES[-1], _SIDES[-1]):
                text.remove()
        taken.append(box)
