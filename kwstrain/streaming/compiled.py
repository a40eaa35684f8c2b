"""A program laid out for the kernel, and its step: without JAX, some microseconds for a layer."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from kwstrain.streaming.program import BandMean, Convolution, Evened, MaxPool, Program, Shape, Sum


class CompiledStep:
    """Runs a program over `n_frames` frames at a time.

    Parameters
    ----------
    program : Program
    n_frames : int
        A whole multiple of ``program.stride``.
    """

    def __init__(self, program: Program, n_frames: int) -> None:
        from kwstrain.kernels import stream as kernel

        self.program, self.n_frames = program, n_frames
        self.n_out = n_frames // program.stride
        self._kernel = kernel
        layout = _Layout(kernel.WIDTH_STEP)
        shapes = program.shapes(n_frames)
        self._n_in = int(np.prod(shapes[0]))
        places = [layout.value(shape, padded=i > 0) for i, shape in enumerate(shapes)]
        leads = _leads(program)
        rows = [layout.layer(layer, shapes, places, shapes[i + 1], places[i + 1], leads) for i, layer in enumerate(program.layers)]
        self._table = np.array(rows, np.int64)
        self._last = places[-1]
        self._width, self._width_out = layout.filled(shapes[-1][2]), layout.filled(program.n_classes)
        self._answer = layout.weight(program.kernel, self._width), layout.weight(program.bias)
        self._weights = np.concatenate(layout.weights)
        self._values = np.zeros(layout.n_values, np.float32)
        self._n_held, self._n_ring = layout.n_held, (program.n_mean + self.n_out) * self._width
        self._out = np.empty((self.n_out, self._width_out), np.float32)

    def start(self) -> NDArray[np.float32]:
        """The state before the first frame: zeros."""
        return np.zeros(self._n_held + self._n_ring, np.float32)

    def __call__(self, x: NDArray[np.float32], state: Any, done: int) -> tuple[NDArray[np.float32], Any]:
        """Logits, float32 (n_frames // stride, n_classes), of frames `x` (n_frames, n_features) and the state after them.

        `done` are the outputs before. The first call begins with ``program.lead`` zeros. `state` is overwritten.
        """
        program = self.program
        np.multiply(x - program.mean, np.float32(1) / program.std, out=self._values[: self._n_in].reshape(x.shape))
        held, ring = state[: self._n_held], state[self._n_held :]
        self._kernel.run(self._table, self._weights, self._values, held, int(done == 0))
        counts = program.counts(done, self.n_out)
        self._kernel.answer(
            self._values, self._last, self._width, ring, counts, self._weights, *self._answer, self._width_out, self._out.reshape(-1)
        )
        return self._out[:, : program.n_classes].copy(), state


def _leads(program: Program) -> list[int]:
    """Of every value: how many of its frames, in the first step, come before the recording."""
    leads = [program.lead]
    for layer in program.layers:
        leads.append(leads[layer.source] // (layer.stride[0] if isinstance(layer, Convolution | MaxPool) else 1))
    return leads


class _Layout:
    """Gives values, states and weights their places."""

    def __init__(self, lanes: int) -> None:
        self.lanes = lanes
        self.n_values = self.n_held = 0
        self.weights: list[NDArray[np.float32]] = []
        self._n_weights = 0

    def filled(self, n: int) -> int:
        """The next multiple of a vector's lanes."""
        return -(-n // self.lanes) * self.lanes

    def width(self, shape: Shape, index: int) -> int:
        """Channels of value `index` as they lie in memory: those of the input are not filled up."""
        return self.filled(shape[2]) if index else shape[2]

    def value(self, shape: Shape, *, padded: bool) -> int:
        """A place for a value."""
        start, width = self.n_values, self.filled(shape[2]) if padded else shape[2]
        self.n_values += self.filled(shape[0] * shape[1] * width)
        return start

    def weight(self, array: NDArray[np.float32], rows: int = 0) -> int:
        """A place for weights whose last axis is filled up, and the one before to `rows`."""
        more = [(0, 0)] * (array.ndim - 1) + [(0, self.filled(array.shape[-1]) - array.shape[-1])]
        if rows:
            more[-2] = (0, rows - array.shape[-2])
        start = self._n_weights
        self.weights.append(np.pad(array, more).astype(np.float32).ravel())
        self._n_weights += self.weights[-1].size
        return start

    def layer(
        self, layer: Any, shapes: list[Shape], places: list[int], made: Shape, place: int, leads: list[int]
    ) -> list[int]:  # fmt: skip
        """A row of the table."""
        from kwstrain.kernels import stream as k

        n_frames, n_bands, n_in = shapes[layer.source]
        width = self.width(shapes[layer.source], layer.source)
        row = dict.fromkeys(range(k.N_COLUMNS), 0) | {
            k.SOURCE: places[layer.source], k.N_FRAMES: n_frames, k.N_BANDS: n_bands, k.WIDTH: width, k.RESULT: place,
            k.N_FRAMES_OUT: made[0], k.N_BANDS_OUT: made[1], k.WIDTH_OUT: self.filled(made[2]), k.N_IN: n_in,
            k.HELD: -1, k.GAIN: -1, k.THIRD: -1,
        }  # fmt: skip
        if isinstance(layer, BandMean):
            row[k.KIND] = k.BAND_MEAN
        elif isinstance(layer, MaxPool):
            row |= {k.KIND: k.MAX_POOL, k.STRIDE: layer.stride[0], k.BAND_STRIDE: layer.stride[1]}
        elif isinstance(layer, Evened):
            row |= {k.KIND: k.EVENED, k.GAIN: self.weight(np.array([layer.power, layer.smallest], np.float32))}
        elif isinstance(layer, Sum):
            second, *third = layer.sources[1:]
            row |= {k.KIND: k.SUM, k.SECOND: places[second], k.SECOND_BANDS: shapes[second][1], k.THIRD: places[third[0]] if third else -1}
        else:
            row |= self._convolution(layer, n_frames, n_bands, width) | {k.LEAD: leads[layer.source]}
        return [row[column] for column in range(k.N_COLUMNS)]

    def _convolution(self, layer: Convolution, n_frames: int, n_bands: int, width: int) -> dict[int, int]:
        from kwstrain.kernels import stream as k

        taps, band_taps = layer.kernel.shape[:2]
        n_padded = n_bands + sum(layer.pad)
        row = {
            k.KIND: k.DEPTHWISE if layer.depthwise else k.DENSE, k.TAPS: taps, k.BAND_TAPS: band_taps, k.DILATION: layer.dilation,
            k.STRIDE: layer.stride[0], k.BAND_STRIDE: layer.stride[1], k.PAD: layer.pad[0], k.N_PADDED: n_padded, k.PAST: layer.past,
            k.KERNEL: self.weight(layer.kernel), k.BIAS: self.weight(layer.bias),
            k.BIAS_STEP: self.filled(layer.bias.shape[-1]) if layer.bias.ndim == 2 else 0,
            k.GAIN: -1 if layer.gain is None else self.weight(layer.gain),
            k.ACTIVATION: {"none": k.PLAIN, "relu": k.RELU, "silu": k.SILU, "leaky": k.LEAKY}[layer.activation],
        }  # fmt: skip
        if layer.past or n_padded > n_bands:
            row[k.HELD] = self.n_held
            self.n_held += self.filled((layer.past + n_frames) * n_padded * width)
        return row
