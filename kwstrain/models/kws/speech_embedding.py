"""Google's speech embedding under a linear layer (J. Lin et al., "Training Keyword Spotters with Limited and Synthesized Speech
Data", arXiv:2002.01322): what ``kwstrain teach`` teaches a word to.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
from flax import nnx

from kwsfeat import ConfigError
from kwstrain.models.layers.frames import FrameConv, evened
from kwstrain.models.listener import Listener
from kwstrain.models.outlines.speech_embedding import (
    CONVOLUTIONS,
    FLOOR,
    LAST,
    N_BANDS,
    OPTIONS,
    SLOPE,
    SMALLEST,
    SpeechEmbeddingOptions,
    frames_of_window,
    windows_of,
)
from kwstrain.models.registry import ModelSpec, Published


class SpeechEmbedding(Listener):
    """Vectors of 4 `width` numbers, eight frames apart; linear layers on `window` of them, the largest; the mean over time."""

    def __init__(self, input_shape: tuple[int, int], n_classes: int, options: SpeechEmbeddingOptions, *, rngs: nnx.Rngs) -> None:
        n_frames, n_features = input_shape
        if n_features != N_BANDS:
            raise ConfigError(f"{n_features} bands do not fit: this network takes {N_BANDS}; build with --preset speech-embedding")
        if n_frames < (needed := frames_of_window(options.window)):
            raise ConfigError(f"{n_frames} frames are too few: it pads nothing and needs {needed}: lengthen the clip")
        dtype, width = options.dtype, options.width
        channels = [1, *(times * width for _, times, _ in CONVOLUTIONS)]
        self.convolutions = nnx.List(
            FrameConv(n_in, n, size, time="valid", pad_features=size[1] // 2, use_bias=True, dtype=dtype, rngs=rngs)
            for n_in, n, (size, _, _) in zip(channels, channels[1:], CONVOLUTIONS, strict=False)
        )
        even = options.evened > 0  # of vectors from the mean one, which the bias takes off
        self.last = FrameConv(channels[-1], channels[-1], LAST, time="valid", pad_features=0, use_bias=even, dtype=dtype, rngs=rngs)
        self.evened = options.evened
        # Beside zeros, a kernel as wide as there are templates gives each of them a band of its own.
        size, zeros = (options.window, options.templates), options.templates - 1
        self.out = FrameConv(channels[-1], n_classes, size, time="valid", pad_features=zeros, use_bias=True, dtype=dtype, rngs=rngs)
        self.templates = options.templates
        self.n_mean = windows_of(n_frames, options.window)

    def vectors(self, x: jax.Array) -> jax.Array:
        """The embedding, ``(batch, n, 1, 4 width)``: of standardised features, each vector of 76 frames."""
        x = x[..., None]
        for convolve, (_, _, block) in zip(self.convolutions, CONVOLUTIONS, strict=True):
            y = convolve(x)
            x = largest(jnp.maximum(jnp.maximum(y, SLOPE * y), FLOOR), block)
        return evened(self.last(x), self.evened, SMALLEST) if self.evened else self.last(x)

    def frames(self, x: jax.Array) -> jax.Array:
        """``(batch, n, n_classes)``: what each window contributes to the logits."""
        return largest(self.out(self.vectors(x)), (1, self.templates)).squeeze(2)

    def head(self, mean: jax.Array) -> jax.Array:
        return mean


def largest(x: jax.Array, block: tuple[int, int]) -> jax.Array:
    """The largest value of each block of frames and bands; an odd last frame is left out."""
    if block == (1, 1):
        return x
    batch, n_frames, n_bands, n = x.shape
    whole = x[:, : n_frames // block[0] * block[0]]
    return whole.reshape(batch, n_frames // block[0], block[0], n_bands // block[1], block[1], n).max(axis=(2, 4))


SPEC = ModelSpec(
    name="speech-embedding",
    network=SpeechEmbedding,
    options=OPTIONS["speech-embedding"],
    published=(Published(input_shape=(132, 32), n_classes=2, source="arXiv:2002.01322", options={"window": 8}),),
    # Of an embedding that goes on learning, `fit --from RUN`: docs/live.md and docs/accuracy.md have what was measured.
    training={"lr": 5e-4, "schedule": "cosine", "warmup": 0.05, "batch": 100, "epochs": 8, "augment": "strong", "ema": 0.999},
)
