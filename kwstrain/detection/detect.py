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

    Parameters
    ----------
    path : Path
        The recording.
    seconds : float, s
        Its length.
    events : tuple of Event
        In order of time.
    remarks : tuple of str
        What was lost or guessed while reading.
    error : str
        Why the recording could not be read; there are then no events. Empty otherwise.
    posteriors : PosteriorStore, optional
        Of the detected words, if they were requested.
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
    """The events of each recording, in the order given; only one block of a recording is in memory at a time.

    Parameters
    ----------
    recognizer : Recognizer
    point : OperatingPoint
        As :func:`~kwstrain.detection.point.listener` returns both.
    paths : sequence of Path
        The recordings.
    keep : bool
        Keep the posteriors, on disk.
    progress : callable
        Called with the seconds of each finished block of audio.

    Yields
    ------
    Detections
        One per path; a recording that cannot be read has an `error`.
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
