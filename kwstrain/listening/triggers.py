"""Three seconds of audio around each event, written as WAV: to listen to, and to use as negatives if the event was false."""

from __future__ import annotations

import re
from collections import deque
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from kwsfeat import Event, as_float32, write_waveform

BEFORE_S, AFTER_S = 2.0, 1.0


class Triggers:
    """Keeps the last seconds of a stream and writes a recording as soon as one second after an event has been heard.

    Parameters
    ----------
    folder : Path
        Made if it does not exist. Recordings are called ``WORD-SECONDS.wav``; none is ever replaced.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self._sr = 0
        self._pieces: deque[tuple[float, NDArray[np.float32]]] = deque()  # where each begins, s
        self._waiting: deque[Event] = deque()

    def feed(self, samples: ArrayLike, sr: int, heard_s: float, events: list[Event]) -> list[Path]:
        """Take the next piece of the stream and its events.

        Parameters
        ----------
        samples : array_like, shape (n,)
            Mono, float in [-1, 1] or int16.
        sr : int, Hz
            Their sampling rate.
        heard_s : float, s
            Time in the stream at the end of the piece.
        events : list of Event
            The events that the piece completed.

        Returns
        -------
        written : list of Path
            The recordings that were written now.

        Raises
        ------
        AudioError
            If `samples` have another type or scale.
        OSError
            If a recording cannot be written. It is given up; the stream goes on with the next piece.
        """
        y = as_float32(samples, "this piece", check_finite=False)
        self._sr = sr
        self._pieces.append((heard_s - len(y) / sr, y))
        self._waiting.extend(events)
        written = []
        while self._waiting and heard_s >= self._waiting[0].time_s + AFTER_S:
            written.append(self._write(self._waiting.popleft()))
        needed_s = (self._waiting[0].time_s if self._waiting else heard_s) - BEFORE_S - AFTER_S
        while len(self._pieces) > 1 and self._pieces[1][0] <= needed_s:
            self._pieces.popleft()
        return written

    def finish(self, events: list[Event]) -> list[Path]:
        """End the stream: write the recordings of all events that still wait and of `events`, the last ones; returns their paths."""
        self._waiting.extend(events)
        return [self._write(event) for event in (self._waiting.popleft() for _ in range(len(self._waiting)))]

    def _write(self, event: Event) -> Path:
        start_s, stop_s = event.time_s - BEFORE_S, event.time_s + AFTER_S
        parts = []
        for began_s, y in self._pieces:
            start, stop = (min(max(round((at - began_s) * self._sr), 0), len(y)) for at in (start_s, stop_s))
            parts.append(y[start:stop])
        name = re.sub(r"[^\w-]+", "_", event.word) or "word"
        path, n = self.folder / f"{name}-{event.time_s:.2f}.wav", 1
        while path.exists():
            path, n = self.folder / f"{name}-{event.time_s:.2f}-{n}.wav", n + 1
        try:
            write_waveform(path, np.concatenate(parts), self._sr)
        except OSError:
            path.unlink(missing_ok=True)  # nothing half written is left on a full disk
            raise
        return path
