"""The front end of a stream as a JAX step: new samples and the states after those before them in, complete frames out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import jax
import jax.numpy as jnp

from kwsfeat import ConfigError, FeatureConfig, StreamFrontEnd, front_end_tables
from kwstrain.export.after import compressed, normalised
from kwstrain.export.front_end import check, convolved, lowpass_response, spectral
from kwstrain.export.stream.context import Deltas, smoothed

STEP_S = 0.08  # approximate length of a step
_MIRRORED = ("reflect", "symmetric")

State = Mapping[str, jax.Array]


@dataclass(frozen=True)
class FrontEndStep:
    """Computes `n_frames` frames from `n_frames` hops of samples; every state begins with zeros.

    The last `kept` samples, conditioned, are one of the states. `first` <= 0 is the number of the first frame that comes out; frames
    below 0 begin before the recording and are ignored.
    """

    config: FeatureConfig
    n_frames: int
    kept: int

    @property
    def n_samples(self) -> int:
        """Number of new samples per step."""
        return self.n_frames * self.config.hop_length

    @property
    def deltas(self) -> Deltas | None:
        """The slopes over frames, if the features have them."""
        return Deltas.of(self.config) if self.config.deltas else None

    @property
    def first_in(self) -> int:
        """The number of the first frame that the spectrum is computed of."""
        return (front_end_tables(self.config).pad_left - self.kept) // self.config.hop_length

    @property
    def first(self) -> int:
        """The number of the first frame that comes out: deltas wait for the frames after it."""
        return self.first_in - (self.deltas.ahead if self.deltas else 0)

    @property
    def latency_s(self) -> float:
        """The longest time in seconds from a sample to the end of the step that uses it."""
        c = self.config
        delay = self.kept - c.frame_length + c.hop_length * (1 + self.first_in - self.first)
        return (self.n_samples + delay) / c.sr

    def state_shapes(self) -> dict[str, tuple[int, ...]]:
        """Name -> shape of every state, float32."""
        c, shapes = self.config, dict[str, tuple[int, ...]]()
        n_base = c.n_features // (1 + c.deltas)
        if c.lowpass_hz is not None:
            shapes["unfiltered"] = (len(lowpass_response(c)) - 1,)
        if _sharpens(c):
            shapes["sample"] = (1,)
        shapes["samples"] = (self.kept,)
        if c.log == "pcen":
            shapes["smoother"] = (1, n_base)
        if self.deltas:
            shapes["deltas"] = (self.deltas.past, n_base)
        return shapes

    def __call__(self, y: jax.Array, state: State, done: jax.Array) -> tuple[jax.Array, dict[str, jax.Array]]:
        """Features (n_frames, n_features) of samples (n_samples,), and the states after them; all float32.

        `done`, an integer of shape (1,), is the number of frames that came out before.
        """
        c, tables, after = self.config, front_end_tables(self.config), {}
        if c.lowpass_hz is not None:
            response = jnp.asarray(lowpass_response(c)[None, ::-1], jnp.float32)
            known = jnp.concatenate([state["unfiltered"], y])
            y, after["unfiltered"] = convolved(known[None], response, 1)[0, :, 0], known[self.n_samples :]
        if _sharpens(c):
            y, after["sample"] = y - c.preemph * jnp.concatenate([state["sample"], y[:-1]]), y[-1:]
        before = state["samples"]
        if c.framing in _MIRRORED:
            before = jnp.where(done == 0, self._mirrored(y), before)
        known = jnp.concatenate([before, y])
        after["samples"] = known[self.n_samples :]
        x = spectral(known[None, : (self.n_frames - 1) * c.hop_length + c.frame_length], c, tables)[0]
        first = done + self.first_in
        if c.log == "pcen":
            smooth, after["smoother"] = smoothed(x, state["smoother"], first, tables.smoothing)
            x = compressed(x, smooth, c)
        if self.deltas:
            x, after["deltas"] = self.deltas(x, state["deltas"], first)
        return normalised(x[None], c)[0], after

    def _mirrored(self, y: jax.Array) -> jax.Array:
        """What stands before the first step, whose samples are `y`: `kept` samples, of which the last ones are needed."""
        begin = 1 if self.config.framing == "reflect" else 0
        mirror = y[begin : begin + self.kept][::-1]
        return jnp.concatenate([jnp.zeros(self.kept - len(mirror), mirror.dtype), mirror])


def front_end_step(config: FeatureConfig, *, lead: int, stride: int) -> FrontEndStep:
    """The step of about 80 ms whose first frame, `lead` frames later, is at a multiple of `stride`.

    Raises
    ------
    ConfigError
        If a field of `config` cannot be computed step by step in a graph; the message names it and the alternative.
    """
    check(config)
    StreamFrontEnd(config)
    if config.output == "waveform":
        raise ConfigError("output='waveform' cannot be exported to onnx-stream: no network streams on samples; export the run --to onnx")
    c, pad_left = config, front_end_tables(config).pad_left
    n_frames = stride * max(1, round(STEP_S * c.sr / c.hop_length / stride))
    while c.framing in _MIRRORED and n_frames * c.hop_length <= pad_left:
        n_frames += stride  # the first step mirrors its own samples
    kept = max(0, c.frame_length - c.hop_length)
    while (pad_left - kept) % c.hop_length:
        kept += 1
    step = FrontEndStep(c, n_frames, kept)
    while (lead + step.first) % stride or step.first > -lead:
        step = FrontEndStep(c, n_frames, step.kept + c.hop_length)
    return step


def _sharpens(c: FeatureConfig) -> bool:
    """Whether a sample depends on the one before it, in another frame too."""
    return bool(c.preemph) and c.preemph_mode == "clip"
