"""What a quantised network is: the one description that the reference, the TensorFlow Lite file and the C header are made of."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from kwstrain.export.integer.arithmetic import Ints, as_multiplier

LOWEST, HIGHEST = -128, 127


@dataclass(frozen=True)
class Grid:
    """A number q of 8 bits stands for ``scale * (q - zero)``; the scale is one of float32."""

    scale: float
    zero: int

    def of(self, x: NDArray[np.floating]) -> NDArray[np.int8]:
        """The nearest whole numbers."""
        q: NDArray[np.int8] = np.clip(np.rint(np.asarray(x, np.float64) / self.scale) + self.zero, LOWEST, HIGHEST).astype(np.int8)
        return q

    def real(self, q: NDArray[np.integer]) -> NDArray[np.float64]:
        """What whole numbers stand for."""
        return self.scale * (np.asarray(q, np.float64) - self.zero)


@dataclass(frozen=True, eq=False, kw_only=True)
class IntegerLayer:
    """A sum of products over the latest frames, brought back to 8 bits.

    Parameters
    ----------
    kernel : ndarray, int8, shape (taps, n_in, n_out) or, when depthwise, (taps, n)
    scale : ndarray, float64, shape (n_out,)
        Of the kernel, one for each channel; its zero is 0.
    bias : ndarray, int32, shape (n_out,)
        In ``given.scale * scale``.
    given, made : Grid
        Of what comes in and goes out.
    stride : int, >= 1
        Frames that come in at a time; one goes out.
    relu : bool
        Whether what is below zero becomes zero.
    """

    kernel: NDArray[np.int8]
    scale: NDArray[np.float64]
    bias: NDArray[np.int32]
    given: Grid
    made: Grid
    stride: int = 1
    relu: bool = False

    @property
    def depthwise(self) -> bool:
        """Whether every channel is by itself."""
        return self.kernel.ndim == 2

    @property
    def taps(self) -> int:
        """Frames that it looks at."""
        return len(self.kernel)

    @property
    def past(self) -> int:
        """Frames that it keeps from step to step."""
        return self.taps - self.stride

    @property
    def n_in(self) -> int:
        """Channels of a frame that comes in."""
        return int(self.kernel.shape[1])

    @property
    def n_out(self) -> int:
        """Channels of the frame that goes out."""
        return int(self.kernel.shape[-1])

    @property
    def low(self) -> int:
        """The lowest number that goes out."""
        return max(LOWEST, self.made.zero) if self.relu else LOWEST

    @cached_property
    def multiplier(self) -> tuple[Ints, Ints]:
        """Whole multipliers and shifts that bring sums to the grid that goes out, one for each channel."""
        pairs = [as_multiplier(self.given.scale * float(scale) / self.made.scale) for scale in self.scale]
        return np.array([m for m, _ in pairs], np.int64), np.array([shift for _, shift in pairs], np.int64)


@dataclass(frozen=True, eq=False, kw_only=True)
class IntegerNetwork:
    """Frames of features in, a score in 256ths out, once for every `stride` frames; the first `warm_up` scores are 0.

    Parameters
    ----------
    layers : tuple of IntegerLayer
        One after the other.
    answer : IntegerLayer
        Over the latest frames of the last of them: logits.
    logistic : ndarray, int8, shape (256,)
        What -128 to 127 become: ``256 / (1 + exp(-logit)) - 128``.
    rest : IntegerLayer, optional
        One minus the sum of what several logits became.
    """

    layers: tuple[IntegerLayer, ...]
    answer: IntegerLayer
    logistic: NDArray[np.int8]
    rest: IntegerLayer | None = None

    @property
    def stride(self) -> int:
        """Frames of features for a score."""
        return self.layers[0].stride

    @property
    def n_features(self) -> int:
        """Of a frame."""
        return self.layers[0].n_in

    @property
    def warm_up(self) -> int:
        """Scores from the beginning that have not seen as much as a clip in training: they are 0."""
        window = self.layers[0].taps + self.stride * sum(layer.taps - 1 for layer in (*self.layers[1:], self.answer))
        return -(-window // self.stride) - 1

    @property
    def with_state(self) -> tuple[IntegerLayer, ...]:
        """The layers that keep frames from step to step."""
        return tuple(layer for layer in (*self.layers, self.answer) if layer.past)
