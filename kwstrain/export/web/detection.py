"""How a page listens and when it says that it heard a word: chosen at the export, stored in the model as ``detection``."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from kwsfeat import ConfigError
from kwstrain.detection.point import OperatingPoint
from kwstrain.export.target import Job
from kwstrain.export.targets.onnx import clip_model
from kwstrain.export.targets.onnx_stream import stream_model
from kwstrain.export.web.cost import multiply_adds

if TYPE_CHECKING:
    import onnx

MOST_A_SECOND = 400e6  # multiplications and additions: a fifth to a half of what a browser does on one core
HOPS_S = (0.08, 0.16, 0.24, 0.32)  # from window to window, the first one that is fast enough


@dataclass(frozen=True)
class Listener:
    """A graph, the operating point at which it listens, and a sentence where that is not the calibrated one.

    `why_windowed` says why it listens in windows.
    """

    model: onnx.ModelProto
    point: OperatingPoint
    remark: str
    why_windowed: str = ""

    def detection(self, labels: tuple[str, ...]) -> dict[str, Any]:
        """What the page's detector is made of."""
        point = self.point
        return {
            "thresholds": point.detector(labels).thresholds, "smoothing_frames": point.smoothing_frames, "hysteresis": point.hysteresis,
            "refractory_s": point.refractory_s, "hop_s": point.hop_s, "remark": self.remark,
        }  # fmt: skip


def listener(job: Job) -> Listener:
    """How the run listens in a page: as a stream where that is possible and was calibrated, else in windows.

    Raises
    ------
    ConfigError
        If the network is too large to be computed anew every window, or its features cannot go into a graph.
    """
    point = OperatingPoint.load(job.bundle.folder)
    why = "it was calibrated in windows"
    if point is None or point.mode == "stream":
        try:
            model, _ = stream_model(job)
        except ConfigError as error:
            why = str(error)
        else:
            row_s = float(next(one.value for one in model.metadata_props if one.key == "row_s"))
            return _at(model, point, "stream", row_s)
    model = clip_model(job)
    cost = multiply_adds(model)
    hop_s = next((hop for hop in HOPS_S if cost <= MOST_A_SECOND * hop and (point is None or hop >= point.hop_s)), None)
    if point is not None and point.mode == "windowed" and cost <= MOST_A_SECOND * point.hop_s:
        hop_s = point.hop_s
    if hop_s is None:
        raise ConfigError(
            f"{job.bundle.config.arch} cannot go to web: it listens in windows ({why}), and {cost / 1e6:,.0f} million multiplications "
            f"each are too many for a page (at most {MOST_A_SECOND * HOPS_S[-1] / 1e6:,.0f} million): export it --to onnx"
        )
    return replace(_at(model, point, "windowed", hop_s), why_windowed=why)


def _at(model: onnx.ModelProto, point: OperatingPoint | None, mode: Any, hop_s: float) -> Listener:
    """The operating point where a row comes every `hop_s`, smoothed over the same time."""
    if point is None:
        return Listener(
            model, OperatingPoint.default(mode, hop_s), "It is not calibrated: every threshold is 0.5, which is only a starting point."
        )
    if point.mode == mode and abs(point.hop_s - hop_s) < 1e-6:
        return Listener(model, point, "")
    frames = max(1, round(point.smoothing_frames * point.hop_s / hop_s))
    remark = f"It was calibrated with a row every {1000 * point.hop_s:.0f} ms, and has one every {1000 * hop_s:.0f} ms here."
    return Listener(model, replace(point, mode=mode, hop_s=hop_s, smoothing_frames=frames), remark)
