"""The operating point of a run: ``detector.json`` in its folder, and the detector and the recogniser made from it."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Literal

from kwsfeat import ConfigError, Detector, StoreError
from kwstrain.inference.exported import is_exported, open_exported
from kwstrain.inference.recognizer import Recognizer
from kwstrain.io import read_json, write_atomic

FILE = "detector.json"
FORMAT = "kwstrain-detector"
FORMAT_VERSION = 1
SMOOTHING_S = 0.25  # without a calibration


@dataclass(frozen=True, kw_only=True)
class OperatingPoint:
    """When a run says that it heard a word.

    Parameters
    ----------
    thresholds : dict of str to float
        Threshold of each word that is detected; other classes are not detected. Empty: 0.5 for every word.
    smoothing_frames, hysteresis, refractory_s
        As for :class:`kwsfeat.Detector`.
    mode : {"stream", "windowed"}
        How the recogniser listens; a frame has another meaning in the other mode.
    hop_s : float, s
        Time from one frame to the next.
    tolerance_s : float, s
        How long after the end of a word a decision still counts as a hit.
    calibration : dict
        The recordings that it was chosen on and the results there; empty without a calibration.
    """

    thresholds: dict[str, float] = field(default_factory=dict)
    smoothing_frames: int
    hysteresis: float = 0.05
    refractory_s: float = 1.0
    mode: Literal["stream", "windowed"]
    hop_s: float
    tolerance_s: float = 1.0
    calibration: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def default(cls, mode: Literal["stream", "windowed"], hop_s: float) -> OperatingPoint:
        """A starting point without any guarantee: 0.5 for every word, smoothed over a quarter of a second."""
        return cls(smoothing_frames=max(1, round(SMOOTHING_S / hop_s)), mode=mode, hop_s=hop_s)

    @classmethod
    def load(cls, run: str | os.PathLike[str]) -> OperatingPoint | None:
        """The operating point in the run folder or the exported file; None if the run has not been calibrated.

        Raises
        ------
        StoreError
            If ``detector.json`` is damaged or of a newer version, or the exported file cannot be read.
        """
        if is_exported(run):
            values = dict(open_exported(run).description.operating_point)
            return cls._read(values, Path(run)) if values else None
        path = Path(run) / FILE
        try:
            return cls._read(read_json(path), path)
        except (FileNotFoundError, NotADirectoryError):
            return None

    @classmethod
    def _read(cls, values: dict[str, Any], path: Path) -> OperatingPoint:
        if values.pop("format", None) != FORMAT or values.pop("format_version", None) != FORMAT_VERSION:
            raise StoreError(f"{path} is not {FORMAT} {FORMAT_VERSION}: install a newer kwsfeat, or calibrate again")
        kinds = {"thresholds": dict, "calibration": dict, "smoothing_frames": int, "mode": str}
        for one in fields(cls):
            if not isinstance(values.get(one.name), kinds.get(one.name, float | int)):
                raise StoreError(f"{path} is damaged: {one.name} is {values.get(one.name)!r}: calibrate again")
        if values["mode"] not in ("stream", "windowed") or unknown(values):
            raise StoreError(f"{path} is damaged: {unknown(values) or values['mode']!r} is not known: calibrate again")
        return cls(**values)

    def save(self, run: str | os.PathLike[str]) -> Path:
        """Write ``detector.json`` into the run folder."""
        path = Path(run) / FILE
        values = {"format": FORMAT, "format_version": FORMAT_VERSION, **asdict(self)}
        write_atomic(path, json.dumps(values, indent=1, ensure_ascii=False).encode())
        return path

    def detector(self, labels: tuple[str, ...]) -> Detector:
        """A new detector for posteriors of the classes `labels`, in the order of the columns."""
        return Detector(
            labels,
            thresholds=self.thresholds or 0.5,
            smoothing_frames=self.smoothing_frames,
            hysteresis=self.hysteresis,
            refractory_s=self.refractory_s,
        )

    def with_thresholds(self, thresholds: float | Mapping[str, float], labels: tuple[str, ...]) -> OperatingPoint:
        """The same with another threshold for every word (float) or for some (mapping), and without the calibration.

        Raises
        ------
        ConfigError
            If a threshold is out of bounds or its word is not one of `labels`.
        """
        words = self.detector(labels).thresholds
        chosen = {**words, **thresholds} if isinstance(thresholds, Mapping) else dict.fromkeys(words, thresholds)
        point = replace(self, thresholds=chosen, calibration={})
        point.detector(labels)
        return point


def unknown(values: Mapping[str, Any]) -> str:
    """The first name in `values` that is not a field; empty if all are."""
    names = {one.name for one in fields(OperatingPoint)}
    return next((name for name in values if name not in names), "")


def listener(run: str | os.PathLike[str], *, sr: int | None = None, stored: bool = True) -> tuple[Recognizer, OperatingPoint]:
    """A recogniser of a run and its operating point: the calibrated one, or :meth:`OperatingPoint.default`.

    Parameters
    ----------
    run : path
        A run folder, or an ONNX file that ``kwstrain export`` wrote.
    sr : int, Hz, optional
        Sampling rate of the audio that will be fed; the run's rate by default.
    stored : bool
        Use the stored operating point; False for a new calibration.

    Returns
    -------
    recognizer, point : tuple of Recognizer and OperatingPoint

    Raises
    ------
    StoreError, ConfigError
        If the run or its operating point cannot be used, or the run was calibrated with another mode, hop or set of labels.
    """
    if is_exported(run) and not stored:
        raise ConfigError(f"{run} is an exported file: calibrate the run, then export it again")
    point = OperatingPoint.load(run) if stored else None
    if point is None:
        recognizer = Recognizer(run, sr=sr)
        return recognizer, OperatingPoint.default(recognizer.mode, recognizer.hop_s)
    # In stream mode the hop is the network's: the number of frames computed at once does not change any row.
    hop = {"hop_ms": 1000 * point.hop_s} if point.mode == "windowed" else {}
    recognizer = Recognizer(run, sr=sr, mode=point.mode, **hop)
    if abs(recognizer.hop_s - point.hop_s) > 0.05 * point.hop_s:
        raise ConfigError(
            f"{run} was calibrated with a frame every {1000 * point.hop_s:.1f} ms and now has one every "
            f"{1000 * recognizer.hop_s:.1f} ms: calibrate again"
        )
    for word in point.thresholds:
        if word not in recognizer.labels:
            raise StoreError(f"{Path(run) / FILE} is of another run: {word!r} is not a label of this run: calibrate again")
    return recognizer, point
