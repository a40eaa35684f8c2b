"""A streaming program in whole numbers: ranges are measured once, on frames that the device may hear."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from kwstrain.export.integer.arithmetic import short
from kwstrain.export.integer.network import HIGHEST, LOWEST, Grid, IntegerLayer, IntegerNetwork
from kwstrain.export.integer.score import Floats, Score, logistic
from kwstrain.streaming.program import Convolution, Program

INPUT = Grid(float(np.float32(26 / 255)), LOWEST)  # of every model on these devices
OUTPUT = Grid(1 / 256, LOWEST)  # of the logistic function, in TensorFlow Lite
_FARTHEST = 6.5  # of a logit from 0: its logistic function is then within half of a 256th of 0 or 1
_MOST_BIAS = 1 << 30
_MOST_VALUES = 30_000  # on which a range is chosen
_UNCERTAIN = 0.002  # of a 256th: so near to a half, two ways to compute the logistic function may round apart


def quantised(program: Program, score: Score, frames: Sequence[NDArray[np.float32]]) -> IntegerNetwork:
    """The network of `program`, which answers with `score`, in whole numbers.

    Parameters
    ----------
    program : Program
        Convolutions over time alone, one after the other.
    score : Score
        Its last layer.
    frames : sequence of ndarray, float32, shape (n, n_frames, n_features)
        Features on which the ranges of all values are measured.

    Returns
    -------
    IntegerNetwork
    """
    values = [np.asarray(x, np.float64) for x in frames]
    layers, given, unit = [], INPUT, np.ones(len(program.mean))
    for kernel, bias, stride, relu in _float_layers(program):
        values = [_convolved(x, kernel, bias, stride, relu=relu) for x in values]
        largest = _largest(np.concatenate([x.reshape(-1, x.shape[2]) for x in values]))
        made = _grid(np.concatenate([(x / largest).ravel() for x in values]))
        layers.append(_layer(_in_units(kernel, unit) / largest, bias / largest, given, made, stride=stride, relu=relu))
        given, unit = made, largest
    made, table = _logits()
    spread = np.repeat(_in_units(score.kernel[None], unit) / program.n_mean, program.n_mean, axis=0)
    answer = _layer(spread, score.bias, given, made)
    return IntegerNetwork(layers=tuple(layers), answer=answer, logistic=table, rest=_rest(len(score.bias)) if score.is_rest else None)


def float_means(program: Program, frames: NDArray[np.float32]) -> Floats:
    """What the last layer gets in the network itself: means over `n_mean` frames, (n, n_outputs, n_channels), of (n, n_frames, ...)."""
    x = np.asarray(frames, np.float64)
    for kernel, bias, stride, relu in _float_layers(program):
        x = _convolved(x, kernel, bias, stride, relu=relu)
    means: Floats = np.lib.stride_tricks.sliding_window_view(x, program.n_mean, axis=1).mean(axis=-1)
    return means


def _float_layers(program: Program) -> Iterator[tuple[Floats, Floats, int, bool]]:
    """Kernel (taps, n_in, n_out) or (taps, n), bias, stride and whether there is a ReLU; the first takes features as they are."""
    for i, layer in enumerate(program.layers):
        if not isinstance(layer, Convolution) or not _is_over_time(layer, i):
            raise ValueError(f"layer {i} is more than a convolution over time")
        kernel = layer.kernel[:, 0].astype(np.float64)
        kernel, bias = kernel[:, 0] if layer.depthwise else kernel, layer.bias.astype(np.float64)
        if i == 0:
            kernel = kernel / program.std.astype(np.float64)[:, None]
            bias = bias - np.einsum("kio,i->o", kernel, program.mean.astype(np.float64))
        yield kernel, bias, layer.stride[0], layer.activation == "relu"


def _is_over_time(layer: Convolution, i: int) -> bool:
    """Whether layer `i` of a program takes what the layer before it gives, over time alone."""
    return (
        layer.source == i
        and layer.kernel.shape[1] == layer.stride[1] == layer.dilation == 1
        and layer.pad == (0, 0)
        and layer.gain is None
        and layer.bias.ndim == 1
        and layer.activation in ("none", "relu")
    )


def _convolved(x: Floats, kernel: Floats, bias: Floats, stride: int, *, relu: bool) -> Floats:
    """``(n, n_frames, n_in)`` without padding."""
    n_out = (x.shape[1] - len(kernel)) // stride + 1
    parts = (x[:, k : k + stride * (n_out - 1) + 1 : stride] for k in range(len(kernel)))
    y = sum((part * w if w.ndim == 1 else part @ w for part, w in zip(parts, kernel, strict=True)), bias)
    return np.maximum(y, 0) if relu else y


def _largest(values: Floats) -> Floats:
    """Of each channel (n, n_channels) the value that is farthest from zero, sign and all, or 1.

    Values are divided by it, so that every channel has all of the 8 bits; the kernels before and after, which have a scale for each
    channel, take it in.
    """
    low, high = values.min(axis=0), values.max(axis=0)
    largest = np.where(-low > high, low, high)
    return np.where(largest == 0, 1.0, largest)


def _in_units(kernel: Floats, unit: Floats) -> Floats:
    """A kernel whose input channels are counted in `unit`."""
    return kernel * (unit if kernel.ndim == 2 else unit[:, None])


def _layer(kernel: Floats, bias: Floats, given: Grid, made: Grid, *, stride: int = 1, relu: bool = False) -> IntegerLayer:
    """In whole numbers, each channel of the kernel with a scale of its own."""
    largest = np.abs(kernel).max(axis=tuple(range(kernel.ndim - 1)))
    needed = np.maximum(largest / HIGHEST, np.abs(bias) / (given.scale * _MOST_BIAS))
    needed = np.maximum(needed, 1e-6 * max(float(needed.max()), 1e-6))
    scale = np.array([short(one) for one in needed])
    return IntegerLayer(
        kernel=np.clip(np.rint(kernel / scale), -HIGHEST, HIGHEST).astype(np.int8), scale=scale,
        bias=np.rint(bias / (given.scale * scale)).astype(np.int32), given=given, made=made, stride=stride, relu=relu,
    )  # fmt: skip


def _grid(values: Floats) -> Grid:
    """The grid on which values lose least: rare large ones may be cut off, so that the others are finer."""
    x = values[:: max(1, len(values) // _MOST_VALUES)]
    low, high = min(0.0, float(values.min())), max(0.0, float(values.max()))
    if low == high:
        return Grid(1.0, LOWEST)
    grids = [_between(share * low, share * high) for share in np.linspace(0.3, 1, 29)]
    return min(grids, key=lambda grid: float(((grid.real(grid.of(x)) - x) ** 2).sum()))


def _between(low: float, high: float) -> Grid:
    scale = short((high - low) / (HIGHEST - LOWEST))
    return Grid(scale, int(np.clip(np.rint(LOWEST - low / scale), LOWEST, HIGHEST)))


def _logits() -> tuple[Grid, NDArray[np.int8]]:
    """A grid of logits, and the logistic function of each in 256ths, none of which is so near to a half that kernels differ."""
    scale = short(2 * _FARTHEST / (HIGHEST - LOWEST))
    while True:
        grid = Grid(scale, 0)
        share = 256 * logistic(grid.real(np.arange(LOWEST, HIGHEST + 1)))
        if np.abs(share % 1 - 0.5).min() > _UNCERTAIN:
            return grid, np.minimum(np.rint(share) + LOWEST, HIGHEST).astype(np.int8)
        scale = short(scale * (1 + 2.0**-11))


def _rest(n: int) -> IntegerLayer:
    """One minus the sum of n numbers: exact, but for what lies below 0."""
    kernel = np.full((1, n, 1), -1, np.int8)
    return IntegerLayer(kernel=kernel, scale=np.ones(1), bias=np.array([256], np.int32), given=OUTPUT, made=OUTPUT)
