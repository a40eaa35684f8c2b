"""Events in recordings of any length."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from kwsfeat import AudioError, Detector, Event
from kwstrain.detection.point import OperatingPoint
from kwstrain.detection.posteriors import PosteriorStore, listen, no_progress
from kwstrain.inference.recognizer import Recognizer


@dataclass(frozen=True)
class Detections:
    """What was detected in a recording.

    `error` says why it could not be read, and there are then no events. `posteriors` are those of the detected words, where they
    were asked for.
    """

    path: Path
    seconds: float = 0.0
    events: tuple[Event, ...] = ()
    remarks: tuple[str, ...] = ()
    error: str = ""
    posteriors: PosteriorStore | None = None


def detect(
    recognizer: Recognizer,
    point: OperatingPoint,
    paths: Sequence[Path],
    *,
    keep: bool = False,
    progress: Callable[[float], None] = no_progress,
) -> Iterator[Detections]:
    """The events of each recording, in the order given; a block of a recording is in memory at a time.

    Parameters
    ----------
    recognizer : Recognizer
    point : OperatingPoint
        As :func:`~kwstrain.detection.point.listener` gives both.
    paths : sequence of Path
    keep : bool
        Keep the posteriors, on disk.
    progress : callable
        Called with the seconds of each block of audio that is done.

    Yields
    ------
    Detections
        One for each path.
    """
    detector = point.detector(recognizer.labels)
    columns = [recognizer.labels.index(word) for word in detector.words]
    for path in paths:
        yield _detect(recognizer, detector, path, PosteriorStore(columns) if keep else None, progress)


def _detect(
    recognizer: Recognizer, detector: Detector, path: Path, store: PosteriorStore | None, progress: Callable[[float], None]
) -> Detections:
    events: list[Event] = []
    remarks: dict[str, None] = {}

    def take(posteriors: NDArray[np.float32], times: NDArray[np.float64]) -> None:
        events.extend(detector.feed(posteriors, times))
        if store is not None:
            store.append(posteriors, times)

    detector.reset()
    try:
        seconds = listen(recognizer, path, take, remark=remarks.setdefault, progress=progress)
    except AudioError as error:
        return Detections(path, error=str(error))
    return Detections(path, seconds, tuple(events), tuple(remarks), posteriors=store)
