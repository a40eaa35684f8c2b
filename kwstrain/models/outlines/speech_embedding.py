"""Google's speech embedding: options and sizes (J. Lin et al., arXiv:2002.01322).

Convolutions of three frames, or of three bands, by turns, without padding in time: 76 frames of 32 bands become one vector, and
the next vector is that of eight frames later.
"""

from __future__ import annotations

from dataclasses import dataclass

from kwstrain.models.options import Options, option

N_BANDS = 32
# Frames and bands of a kernel, channels in multiples of the width, and the block whose largest value is taken afterwards.
CONVOLUTIONS: tuple[tuple[tuple[int, int], int, tuple[int, int]], ...] = (
    ((3, 3), 1, (1, 1)), ((1, 3), 1, (1, 1)), ((3, 1), 1, (2, 2)),
    ((1, 3), 2, (1, 1)), ((3, 1), 2, (1, 1)), ((1, 3), 2, (1, 1)), ((3, 1), 2, (1, 2)),
    ((1, 3), 3, (1, 1)), ((3, 1), 3, (1, 1)), ((1, 3), 3, (1, 1)), ((3, 1), 3, (2, 2)),
    ((1, 3), 4, (1, 1)), ((3, 1), 4, (1, 1)), ((1, 3), 4, (1, 1)), ((3, 1), 4, (1, 2)),
    ((1, 3), 4, (1, 1)), ((3, 1), 4, (1, 1)), ((1, 3), 4, (1, 1)), ((3, 1), 4, (2, 2)),
)  # fmt: skip
LAST = (3, 1)  # linear, without bias
RECEPTIVE_FIELD = 76  # frames that one vector sees
STRIDE = 8  # frames from one vector to the next
LEAD = 4  # zeros before the first frame of a stream, so that its blocks are those of the clip
SMALLEST = 1e-6  # added to the mean square of a vector that is evened
SLOPE, FLOOR = 0.2, -0.4  # the activation is max(x, SLOPE x, FLOOR)


@dataclass(frozen=True, kw_only=True)
class SpeechEmbeddingOptions(Options):
    """Options of the speech embedding."""

    width: int = option(24, "channels of the first layers; the vector has four times as many", at_least=4)
    window: int = option(1, "vectors that the last layer sees at once", at_least=1, at_most=100)
    evened: float = option(0.0, "the power of a vector's root mean square that it is divided by", at_least=0, at_most=1)
    templates: int = option(1, "weights of each class in the last layer, of which the largest result counts", at_least=1, at_most=100)


OPTIONS = {"speech-embedding": SpeechEmbeddingOptions()}


def frames_of_window(window: int) -> int:
    """Frames that `window` vectors see."""
    return RECEPTIVE_FIELD + STRIDE * (window - 1)


def windows_of(n_frames: int, window: int) -> int:
    """How often the last layer fits into a clip of `n_frames`: the network's output is the mean of what it gives."""
    return (n_frames - frames_of_window(window)) // STRIDE + 1
