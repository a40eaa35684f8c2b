"""Listening with an exported file, by onnxruntime."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from kwsfeat import ConfigError, StoreError, StreamResampler
from kwstrain.inference.engines.windowed import Windowed, of_file
from kwstrain.inference.exported import STATE, ExportedClassifier, ExportedFile

# What a file of a stream says besides.
_NUMBERS = {"warm_up_rows": int, "stride": int, "first_frame": int, "row_s": float, "first_row_s": float, "warm_up_s": float}


class ExportedStream:
    """Samples through the graph of a stream, a step at a time, with its states carried: the rows of the run's own stream.

    The end of a recording is silence to it: frames that reach over the end, and deltas of those before, differ from those of the run
    where these mirror it (`framing` reflect and symmetric), sharpen over the clip (``preemph_mode`` clip), or repeat the last frame.

    Parameters
    ----------
    file : ExportedFile
        Of a stream.
    sr : int
        Rate of the stream in Hz.

    Raises
    ------
    StoreError
        If the file does not say when its rows are.
    """

    mode: Literal["stream"] = "stream"

    def __init__(self, file: ExportedFile, *, sr: int) -> None:
        try:
            numbers = {name: kind(file.properties[name]) for name, kind in _NUMBERS.items()}
        except (KeyError, ValueError) as error:
            raise StoreError(f"{file.path} does not say when its rows are ({error}): export it again") from None
        config = file.description.features
        self._config, self._session, self._numbers = config, file.session, numbers
        self._resampler = StreamResampler(sr, config.sr) if sr != config.sr else None
        self._lag_s = self._resampler.lag_s if self._resampler else 0.0
        self._waveform, *self._states = file.session.get_inputs()
        self._n_classes = len(file.description.labels)
        self.latency = file.description.latency_s + self._lag_s
        """Longest time from a sample to the first row that has seen it."""
        self.reset()

    @property
    def hop_s(self) -> float:
        """From row to row."""
        return float(self._numbers["row_s"])

    @property
    def warm_up_s(self) -> float:
        """From the beginning to the first row that has seen as much as a clip."""
        return float(self._numbers["warm_up_s"]) + self._lag_s

    @property
    def cost(self) -> str:
        """What a row takes, in words."""
        return f"stream: {1000 * self._waveform.shape[0] / self._config.sr:.0f} ms of audio at a time, by onnxruntime"

    def reset(self) -> None:
        """Begin anew, at time 0."""
        if self._resampler is not None:
            self._resampler.reset()
        types = {"tensor(float)": np.float32, "tensor(int32)": np.int32}
        self._state = {one.name: np.zeros(one.shape, types[one.type]) for one in self._states}
        self._waiting = np.zeros(0, np.float32)
        self._heard, self._done = 0, -int(self._numbers["warm_up_rows"])  # samples; rows that count

    def push(self, y: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
        """Probabilities (n, n_classes) of the rows that `y` (n_samples,) completes, and the times in s of the newest sample in each."""
        return self._rows(y if self._resampler is None else self._resampler.push(y))

    def finish(self) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
        """The rows of the last frames, fewer than are computed together."""
        rest = np.zeros(0, np.float32) if self._resampler is None else self._resampler.push(np.zeros(0, np.float32), last=True)
        first, (size,) = max(0, self._done), self._waveform.shape
        parts = [self._rows(rest)]
        n_frames = self._config.frames_of(self._heard) - int(self._numbers["first_frame"])
        n_rows = max(0, -(-n_frames // int(self._numbers["stride"])))
        while self._done < n_rows:
            parts.append(self._rows(np.zeros(size - len(self._waiting), np.float32)))
        given, times = (np.concatenate(one)[: max(0, n_rows - first)] for one in zip(*parts, strict=True))
        return given, times

    def _rows(self, y: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
        known = np.concatenate([self._waiting, y])
        (size,) = self._waveform.shape
        first, given = self._done, [np.zeros((0, self._n_classes), np.float32)]
        for start in range(0, len(known) - size + 1, size):
            rows, *after = self._session.run(None, {self._waveform.name: known[start : start + size], **self._state})
            self._state = dict(zip(self._state, after, strict=True))
            given.append(rows)
            self._done += len(rows)
        self._waiting = known[len(known) // size * size :].copy()
        self._heard += len(y)
        skipped = min(max(0, -first), self._done - first)
        times = self._numbers["first_row_s"] + self._lag_s + self.hop_s * np.arange(first + skipped, self._done)
        return np.concatenate(given)[skipped:], np.asarray(times, np.float64)

    def state(self) -> dict[str, Any]:
        """All that the next rows depend on."""
        resampler = None if self._resampler is None else self._resampler.state()
        states = {name: one.copy() for name, one in self._state.items()}
        return {"done": self._done, "heard": self._heard, "waiting": self._waiting.copy(), "resampler": resampler, **states}

    def restore(self, state: dict[str, Any]) -> None:
        """Go on where :meth:`state` was taken."""
        given = {name: np.array(state.get(name, ()), one.dtype) for name, one in self._state.items()}
        if wrong := [name for name, one in given.items() if one.shape != self._state[name].shape]:
            raise ConfigError(f"the state has no {wrong[0].removeprefix(STATE)} as this recogniser keeps it: it is of another run")
        waiting, done, heard = np.array(state["waiting"], np.float32), int(state["done"]), int(state["heard"])
        if waiting.ndim != 1 or len(waiting) >= self._waveform.shape[0]:
            raise ConfigError(f"the state holds {waiting.shape} waiting samples, fewer than {self._waveform.shape[0]} can wait")
        if self._resampler is not None:
            self._resampler.restore(state["resampler"])
        self._state, self._waiting, self._done, self._heard = given, waiting, done, heard


def engine_of_file(file: ExportedFile, mode: str, *, sr: int, hop_ms: float) -> ExportedStream | Windowed:
    """How an exported file listens, in the one mode that it can.

    Raises
    ------
    ConfigError
        If `mode` asks for the other one.
    """
    kind, other = ("stream", "windowed") if file.description.kind == "stream" else ("windowed", "stream")
    if mode not in ("auto", kind):
        wanted = "onnx-stream" if other == "stream" else "onnx"
        raise ConfigError(f"{file.path} listens in mode {kind}, not {other}: export the run --to {wanted}, which does")
    if file.description.kind == "stream":
        return ExportedStream(file, sr=sr)
    classify = of_file(ExportedClassifier(file))
    return Windowed(file.description.features, len(file.description.labels), classify, sr=sr, hop_ms=hop_ms)
