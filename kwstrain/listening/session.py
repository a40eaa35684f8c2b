"""One stream: recogniser, detector, and their time when audio is lost."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from kwsfeat import AudioError, Event, as_float32
from kwstrain.detection.point import OperatingPoint
from kwstrain.inference.recognizer import Recognizer

SILENCE_DB = -120.0  # the level of digital silence


@dataclass(frozen=True)
class Heard:
    """The result of a piece of the stream.

    Parameters
    ----------
    events : list of Event
        With times in seconds of audio since the stream began, gaps included.
    level_db : float, dB re full scale
        Root mean square of the piece; -120 for silence and for an empty piece.
    """

    events: list[Event]
    level_db: float


class Session:
    """Feeds a stream to a recogniser and a detector, piece by piece. All times are those of the audio; no clock is used.

    Parameters
    ----------
    recognizer : Recognizer
    point : OperatingPoint
        As :func:`~kwstrain.detection.point.listener` returns both. The session resets the recogniser and must be its only user.
    sr : int, Hz
        Sampling rate of the audio that is fed.
    """

    def __init__(self, recognizer: Recognizer, point: OperatingPoint, *, sr: int) -> None:
        self.recognizer, self.sr = recognizer, sr
        self.detector = point.detector(recognizer.labels)
        self.posteriors = np.zeros(len(recognizer.labels), np.float32)  # the newest
        self._began_s = 0.0  # time in the stream at which the recogniser was last reset
        self._samples = 0  # fed since then
        recognizer.reset()

    @property
    def heard_s(self) -> float:
        """Seconds of audio since the stream began, gaps included."""
        return self._began_s + self._samples / self.sr

    def feed(self, samples: ArrayLike) -> Heard:
        """Listen to the next samples.

        Parameters
        ----------
        samples : array_like, shape (n,)
            Mono, float in [-1, 1] or int16; n may be 0.

        Returns
        -------
        Heard

        Raises
        ------
        AudioError
            If `samples` have another shape, type or scale, or hold NaN or infinity, with the time. The session is then unchanged.
        """
        try:
            y = as_float32(samples, "this piece", check_finite=False)
            rows = self.recognizer.feed(y, self.sr)
        except AudioError as error:
            raise AudioError(f"at {self.heard_s:.2f} s of the stream: {error}") from None
        self._samples += len(y)
        return Heard(self._events(rows), _level_db(y))

    def finish(self) -> list[Event]:
        """End the stream and return the events of its last frames."""
        return self._events(self.recognizer.finish())

    def gap(self, seconds: float) -> None:
        """Note that `seconds` of audio were lost: recogniser and detector begin again, that much later in the stream's time."""
        self._began_s, self._samples = self.heard_s + max(0.0, seconds), 0
        self.recognizer.reset()
        self.detector.reset()

    def _events(self, rows: NDArray[np.float32]) -> list[Event]:
        if len(rows):
            self.posteriors = rows[-1]
        events = self.detector.feed(rows, self.recognizer.frame_times)
        began_s = self._began_s
        return [replace(event, start_s=event.start_s + began_s, time_s=event.time_s + began_s) for event in events]


def _level_db(y: NDArray[np.float32]) -> float:
    power = float(np.mean(np.square(y, dtype=np.float64))) if len(y) else 0.0
    return max(SILENCE_DB, 10 * np.log10(power)) if power > 0 else SILENCE_DB
