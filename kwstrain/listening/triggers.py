"""Three seconds of audio around each event, kept as WAV: to be heard, and to become negatives where they were false."""

from __future__ import annotations

import re
from collections import deque
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import ArrayLike, NDArray

from kwsfeat import Event, as_float32

BEFORE_S, AFTER_S = 2.0, 1.0


class Triggers:
    """Keeps the last seconds of a stream, and writes a recording once enough was heard after an event.

    Parameters
    ----------
    folder : Path
        Made where it is not there. Recordings are called ``WORD-SECONDS.wav``; none is ever replaced.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self._sr = 0
        self._pieces: deque[tuple[float, NDArray[np.float32]]] = deque()  # where each begins, s
        self._waiting: deque[Event] = deque()

    def feed(self, samples: ArrayLike, sr: int, heard_s: float, events: list[Event]) -> list[Path]:
        """Take a piece that ends `heard_s` seconds into the stream and the events that it brought; what was written."""
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
        """Write what still waits for its second after, and `events`, the last ones: the stream has ended."""
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
        soundfile.write(path, np.concatenate(parts), self._sr, subtype="PCM_16")
        return path
