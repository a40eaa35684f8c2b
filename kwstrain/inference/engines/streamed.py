"""Listening with a network that streams: each sample goes through each layer once. No JAX."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from kwsfeat import ConfigError, StreamFrontEnd, check_algorithm
from kwstrain.inference.bundle import Bundle
from kwstrain.inference.probabilities import probabilities
from kwstrain.streaming.compiled import CompiledStep
from kwstrain.streaming.find import streaming_program


class Streamed:
    """The features of a stream through the network, some frames at a time, with the state of every layer carried.

    Parameters
    ----------
    bundle : Bundle
        The run.
    sr : int
        Rate of the stream in Hz.
    hop_ms : float
        About how much is computed together: a whole number of the network's steps. It changes no row.

    Raises
    ------
    ConfigError
        If the features or the network do not stream, with the reason.
    """

    mode: Literal["stream"] = "stream"

    def __init__(self, bundle: Bundle, *, sr: int, hop_ms: float) -> None:
        config = bundle.feature_config
        check_algorithm(config, bundle.algorithm, where=str(bundle.folder))
        self._front_end = StreamFrontEnd(config, sr=sr)
        self._program = streaming_program(
            bundle.config.arch, bundle.config.options, bundle.weights, config.shape, where=str(bundle.folder / "weights.npz")
        )
        stride = self._program.stride
        self._n = stride * max(1, round(hop_ms / 1000 / self._front_end.hop_s / stride))
        self._step = CompiledStep(self._program, self._n)
        self._loss = bundle.config.loss
        self.reset()

    @property
    def hop_s(self) -> float:
        """From row to row."""
        return self._program.stride * self._front_end.hop_s

    @property
    def latency(self) -> float:
        """Longest time from a sample to the first row that has seen it: its frame, and those that are computed with it."""
        return self._front_end.latency + self._n * self._front_end.hop_s

    @property
    def warm_up_s(self) -> float:
        """From the beginning to the first row that has seen as much as a clip."""
        last = self._program.newest(self._program.first + self._program.n_mean - 1, 1)
        return float(self._front_end.latency + last[0] * self._front_end.hop_s)

    @property
    def cost(self) -> str:
        """What a row takes, in words."""
        return f"stream: {1000 * self._n * self._front_end.hop_s:.0f} ms of audio at a time, each frame once"

    def reset(self) -> None:
        """Begin anew, at time 0."""
        self._front_end.reset()
        self._state = self._step.start()
        self._done = 0  # outputs
        self._waiting = self._lead()

    def push(self, y: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
        """Probabilities (n, n_classes) of the rows that `y` (n_samples,) completes, and the times in s of the newest sample in each."""
        return self._rows(self._front_end.push(y))

    def finish(self) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
        """The rows of the last frames, fewer than are computed together."""
        given, times = self._rows(self._front_end.finish())
        n_whole = len(self._waiting) // self._program.stride
        last, last_times = self._rows(np.zeros((self._n - len(self._waiting), self._waiting.shape[1]), np.float32))
        n_whole = max(0, n_whole - (self._step.n_out - len(last)))  # those that do not count are the first ones
        return np.concatenate([given, last[:n_whole]]), np.concatenate([times, last_times[:n_whole]])

    def _rows(self, frames: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
        """Of the frames that wait and these ones, as many as fill whole steps."""
        known = np.concatenate([self._waiting, frames])
        n_steps = len(known) // self._n
        first, logits = self._done, [np.zeros((0, self._program.n_classes), np.float32)]
        for i in range(n_steps):
            given, self._state = self._step(known[i * self._n : (i + 1) * self._n], self._state, self._done)
            logits.append(given)
            self._done += len(given)
        self._waiting = known[n_steps * self._n :].copy()
        skipped = min(max(0, self._program.first - first), self._done - first)
        rows = probabilities(np.concatenate(logits)[skipped:], self._loss).astype(np.float32)
        return rows, self._times(first + skipped, len(rows))

    def _times(self, first: int, n: int) -> NDArray[np.float64]:
        """When the newest samples of rows are heard."""
        return np.asarray(self._front_end.latency + self._program.newest(first, n) * self._front_end.hop_s, np.float64)

    def _lead(self) -> NDArray[np.float32]:
        """What stands before the first frame."""
        return np.zeros((self._program.lead, len(self._program.mean)), np.float32)

    def state(self) -> dict[str, Any]:
        """All that the next rows depend on."""
        return {
            "done": self._done,
            "front_end": self._front_end.state(),
            "layers": self._state.copy(),
            "waiting": self._waiting.copy(),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Go on where :meth:`state` was taken."""
        layers, waiting, done = np.array(state["layers"], np.float32), np.array(state["waiting"], np.float32), int(state["done"])
        if layers.shape != self._state.shape or waiting.shape[1:] != self._waiting.shape[1:] or len(waiting) >= self._n:
            raise ConfigError(f"the state holds {layers.size} values of layers, this recogniser {self._state.size}: it is of another run")
        self._front_end.restore(state["front_end"])
        self._state, self._waiting, self._done = layers, waiting, done
