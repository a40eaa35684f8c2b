"""What a network does to a stream of frames: a list of layers whose values are numbered, with their weights. NumPy alone.

Value 0 is the standardised input; layer i makes value i + 1, ``(frames, bands, channels)``. In time, every layer sees the past only:
a convolution keeps the frames that its kernel still needs, zeros in the beginning, and nothing else has a state but the mean at
the end.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Weights = NDArray[np.float32]
Activation = Literal["none", "relu", "silu", "leaky"]  # leaky: max(x, 0.2 x, -0.4)
Shape = tuple[int, int, int]  # frames, bands, channels


@dataclass(frozen=True, eq=False, kw_only=True)
class Convolution:
    """``activation(gain * sum + bias)``, BatchNorm folded into it.

    `kernel` is ``(frames, bands, n_in, n_out)``, or ``(frames, bands, 1, n)`` when `depthwise`; `bias` ``(n_out,)`` or, like
    `gain`, ``(bands out, n_out)``. `pad` are the zeros before and after the bands.
    """

    source: int
    kernel: Weights
    bias: Weights
    gain: Weights | None = None
    depthwise: bool = False
    stride: tuple[int, int] = (1, 1)
    dilation: int = 1
    pad: tuple[int, int] = (0, 0)
    activation: Activation = "none"

    @property
    def past(self) -> int:
        """Frames that it keeps: with a stride it is fed whole strides, and needs as many less."""
        return self.dilation * (len(self.kernel) - 1) + 1 - self.stride[0]

    def shape(self, given: Shape) -> Shape:
        """Of its result."""
        n_bands = (given[1] + sum(self.pad) - self.kernel.shape[1]) // self.stride[1] + 1
        return given[0] // self.stride[0], n_bands, self.kernel.shape[3]


@dataclass(frozen=True, kw_only=True)
class MaxPool:
    """The largest value of each block of frames and bands, `stride` in size; the bands are a whole number of blocks."""

    source: int
    stride: tuple[int, int]

    def shape(self, given: Shape) -> Shape:
        """Of its result."""
        return given[0] // self.stride[0], given[1] // self.stride[1], given[2]


@dataclass(frozen=True, kw_only=True)
class BandMean:
    """The mean over the bands, one band wide."""

    source: int

    def shape(self, given: Shape) -> Shape:
        """Of its result."""
        return given[0], 1, given[2]


@dataclass(frozen=True, kw_only=True)
class Sum:
    """The sum of values, ReLU; the first has all bands, another one may be one band wide: it is broadcast."""

    sources: tuple[int, ...]

    @property
    def source(self) -> int:
        """The one whose shape the result has."""
        return self.sources[0]

    def shape(self, given: Shape) -> Shape:
        """Of its result."""
        return given


@dataclass(frozen=True, kw_only=True)
class Evened:
    """A frame divided by a `power` of its root mean square, 1 leaves its direction alone; `smallest` is added to the mean square."""

    source: int
    power: float
    smallest: float

    def shape(self, given: Shape) -> Shape:
        """Of its result."""
        return given


Layer = Convolution | MaxPool | BandMean | Sum | Evened


@dataclass(frozen=True, eq=False, kw_only=True)
class Program:
    """A network as a stream runs it.

    Parameters
    ----------
    mean, std : ndarray, float32, shape (n_features,)
        What the input is standardised with.
    features_are_channels : bool
        Value 0 is ``(frames, 1, n_features)``; otherwise ``(frames, n_features, 1)``.
    layers : tuple of Layer
        The last one's value has one band.
    kernel, bias : ndarray, float32, shape (n_channels, n_classes), (n_classes,)
        From the mean over time to logits.
    stride : int, >= 1
        Frames in for a frame out.
    receptive_field : int, >= 1
        Frames in before the first frame out that counts: 1 where zeros stand before the first frame, as in training.
    lead : int, 0 to stride - 1
        Zeros before the first frame, so that outputs fall on the frames on which they fell in training.
    n_mean : int, >= 1
        Frames out in the mean, as in training.
    """

    mean: Weights
    std: Weights
    features_are_channels: bool
    layers: tuple[Layer, ...]
    kernel: Weights
    bias: Weights
    stride: int
    receptive_field: int
    lead: int
    n_mean: int

    @property
    def n_classes(self) -> int:
        """Logits of an output."""
        return len(self.bias)

    @property
    def first(self) -> int:
        """The first output that counts."""
        return max(0, -(-(self.receptive_field - self.stride + self.lead) // self.stride))

    def shapes(self, n_frames: int) -> list[Shape]:
        """Of every value, when `n_frames` come at a time."""
        n_features = len(self.mean)
        shapes: list[Shape] = [(n_frames, 1, n_features) if self.features_are_channels else (n_frames, n_features, 1)]
        for layer in self.layers:
            shapes.append(layer.shape(shapes[layer.source]))
        return shapes

    def counts(self, first: int, n: int) -> NDArray[np.int32]:
        """How many frames are in the mean of outputs `first` to `first` + `n` - 1; 0 for one that does not count."""
        return np.clip(np.arange(first, first + n) - self.first + 1, 0, self.n_mean).astype(np.int32)

    def newest(self, first: int, n: int) -> NDArray[np.int64]:
        """The last frame in that outputs `first` to `first` + `n` - 1 have seen."""
        return self.stride * np.arange(first, first + n, dtype=np.int64) + self.stride - 1 - self.lead
