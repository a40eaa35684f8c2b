"""The quantised network in NumPy, equal to TensorFlow Lite's reference kernels to the last bit."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from kwstrain.export.integer.arithmetic import requantised
from kwstrain.export.integer.network import HIGHEST, LOWEST, IntegerLayer, IntegerNetwork


class IntegerStream:
    """Scores of streams that begin in silence.

    Parameters
    ----------
    network : IntegerNetwork
    n_streams : int, >= 1
        Streams at the same time, each with a state of its own.
    """

    def __init__(self, network: IntegerNetwork, n_streams: int = 1) -> None:
        self.network, self.n_streams = network, n_streams
        self._layers = [(layer, layer.kernel.astype(np.float64)) for layer in (*network.layers, network.answer)]
        self.reset()

    def reset(self) -> None:
        """Begin anew: what was before is zero in every layer."""
        self._done = 0
        self._past = [np.full((self.n_streams, layer.past, layer.n_in), layer.given.zero, np.int8) for layer, _ in self._layers]

    def step(self, frames: NDArray[np.int8]) -> NDArray[np.uint8]:
        """Scores in 256ths, uint8 (n_streams,), of the next frames, int8 (n_streams, stride, n_features)."""
        network, x = self.network, frames
        for i, (layer, kernel) in enumerate(self._layers):
            known = np.concatenate([self._past[i], x], axis=1)
            self._past[i] = known[:, known.shape[1] - layer.past :]
            x = _frame(layer, kernel, known)[:, None]
        likely = network.logistic[x[:, 0].astype(np.int64) - LOWEST]
        if network.rest is not None:
            likely = _made(network.rest, (likely.astype(np.int64) - LOWEST) @ network.rest.kernel[0].astype(np.int64))
        self._done += 1
        score = (likely[:, 0].astype(np.int64) - LOWEST).astype(np.uint8)
        return score if self._done > network.warm_up else np.zeros_like(score)

    def run(self, frames: NDArray[np.int8]) -> NDArray[np.uint8]:
        """Scores (n_streams, n) of frames (n_streams, n * stride or some more, n_features); the rest is left out."""
        stride = self.network.stride
        steps = [self.step(frames[:, t : t + stride]) for t in range(0, frames.shape[1] - stride + 1, stride)]
        return np.stack(steps, axis=1) if steps else np.zeros((self.n_streams, 0), np.uint8)


def _frame(layer: IntegerLayer, kernel: NDArray[np.float64], known: NDArray[np.int8]) -> NDArray[np.int8]:
    """The frame (n_streams, n_out) of frames (n_streams, taps, n_in). Sums are below 2**53: exact as floats, and fast."""
    x = known.astype(np.float64) - layer.given.zero
    total = (x * kernel).sum(axis=1) if layer.depthwise else x.reshape(len(x), -1) @ kernel.reshape(-1, layer.n_out)
    return _made(layer, total.astype(np.int64))


def _made(layer: IntegerLayer, total: NDArray[np.int64]) -> NDArray[np.int8]:
    """Sums of products, with the bias, brought back to 8 bits."""
    q = requantised(total + layer.bias, *layer.multiplier) + layer.made.zero
    return np.clip(q, layer.low, HIGHEST).astype(np.int8)
