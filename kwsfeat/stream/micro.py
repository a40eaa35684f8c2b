"""Frames of the integer micro front end, of samples that come in pieces."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kwsfeat.config.features import FeatureConfig
from kwsfeat.features.micro import Micro, sixteen_bits

_AT_ONCE = 64  # frames


class MicroFrames:
    """As :class:`kwsfeat.stream.frames.Frames`: samples in 16 bits, and the noise of each band so far.

    Parameters
    ----------
    config : FeatureConfig
        With output ``micro``.
    """

    def __init__(self, config: FeatureConfig) -> None:
        self._config, self._micro = config, Micro(config)
        self.hop, self.first_after, self.at_once = config.hop_length, config.win_length, _AT_ONCE * config.hop_length
        self._tail = np.empty(self.at_once + config.win_length + config.hop_length, np.int16)
        self._work = np.empty((1, _AT_ONCE + 1, config.n_mels), np.float32)
        self.none = self._work[0, :0]
        self.reset()

    def reset(self) -> None:
        """Before the first sample."""
        self.n_samples = self.n_frames = self._n_kept = 0
        self._noise = self._micro.rest(1)

    def ready(self, n_samples: int) -> int:
        """Frames that are complete after `n_samples`."""
        return self._config.frames_of(n_samples)

    def in_all(self, n_samples: int) -> int:
        """Frames of a recording that ends after `n_samples`."""
        return self._config.frames_of(n_samples)

    def push(self, y: NDArray[np.float32]) -> Iterator[NDArray[np.float32]]:
        """The frames that `y`, at most `at_once` samples, completes."""
        self._tail[self._n_kept : self._n_kept + y.size] = sixteen_bits(y)
        self._n_kept += y.size
        self.n_samples += y.size
        if n := self.ready(self.n_samples) - self.n_frames:
            start = self.n_frames * self.hop - (self.n_samples - self._n_kept)
            self._micro.extract(self._tail[None, start : self._n_kept], self._work[:, :n], self._noise)
            self.n_frames += n
            yield self._work[0, :n]
        n = self._n_needed()
        self._tail[:n] = self._tail[self._n_kept - n : self._n_kept]
        self._n_kept = n

    def finish(self) -> Iterator[NDArray[np.float32]]:
        """Nothing: there is no frame but whole ones."""
        return iter(())

    def _n_needed(self) -> int:
        return max(0, self.n_samples - self.n_frames * self.hop)

    def state(self) -> dict[str, Any]:
        """What :meth:`restore` takes."""
        return {
            "n_samples": self.n_samples,
            "n_frames": self.n_frames,
            "samples": self._tail[: self._n_kept].copy(),
            "noise": self._noise[0, : self._config.n_mels].copy(),
        }

    def restore(self, state: dict[str, Any], *, finished: bool) -> None:
        """Go on from what :meth:`state` gave; ValueError where it did not."""
        self.n_samples, self.n_frames, kept = int(state["n_samples"]), int(state["n_frames"]), np.asarray(state["samples"], np.int16)
        if self.n_samples < 0 or self.n_frames != self.ready(self.n_samples) or kept.shape != (self._n_needed(),):
            raise ValueError(f"{self.n_samples} samples, of which {kept.shape} are kept, do not give {self.n_frames} frames")
        self._noise[0, : self._config.n_mels] = state["noise"]
        self._tail[: kept.size] = kept
        self._n_kept = kept.size
