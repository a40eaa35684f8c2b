"""The front end of a stream as a JAX step: new samples and the last ones before them in, complete frames out."""

from __future__ import annotations

from dataclasses import dataclass

import jax
import jax.numpy as jnp

from kwsfeat import ConfigError, FeatureConfig, StreamFrontEnd, front_end_tables
from kwstrain.export.after import after
from kwstrain.export.front_end import check, spectral


@dataclass(frozen=True)
class SampleStep:
    """Computes `n_frames` frames from `n_frames` hops of samples.

    The state is the last `kept` samples. `first` <= 0 is the number of the first frame that is computed; frames below 0 begin
    before the recording and are ignored.
    """

    config: FeatureConfig
    n_frames: int
    kept: int
    first: int

    @property
    def n_samples(self) -> int:
        """Number of new samples per step."""
        return self.n_frames * self.config.hop_length

    @property
    def latency_s(self) -> float:
        """The longest time in seconds from a sample to the end of the step that uses it."""
        delay = self.kept - self.config.frame_length + self.config.hop_length
        return (self.n_samples + delay) / self.config.sr

    def __call__(self, y: jax.Array, kept: jax.Array) -> tuple[jax.Array, jax.Array]:
        """Features (n_frames, n_features) of samples (n_samples,) after the state (kept,), and the next state; all float32."""
        c, tables = self.config, front_end_tables(self.config)
        known = jnp.concatenate([kept, y])
        sharp = known
        if c.preemph and c.preemph_mode == "clip":
            sharp = known[1:] - c.preemph * known[:-1]
        span = (self.n_frames - 1) * c.hop_length + c.frame_length
        x = after(spectral(sharp[None, :span], c, tables), c, tables)[0]
        return x, known[self.n_samples :]


def sample_step(config: FeatureConfig, n_frames: int, *, lead: int, stride: int) -> SampleStep:
    """The step whose first frame, `lead` frames later, is at a multiple of `stride`.

    Raises
    ------
    ConfigError
        If a field of `config` cannot be computed step by step in a graph; the message names it and the alternative.
    """
    check(config)
    StreamFrontEnd(config)
    for refused, field in (
        (config.output == "waveform", "output='waveform'"),
        (config.framing in ("reflect", "symmetric"), f"framing={config.framing!r}"),
        (config.lowpass_hz is not None, f"lowpass_hz={config.lowpass_hz}"),
        (config.deltas > 0, f"deltas={config.deltas}"),
        (config.log == "pcen", "log='pcen'"),
    ):
        if refused:
            raise ConfigError(
                f"{field} cannot be exported to onnx-stream, where a frame depends only on its own samples: train "
                "without it, or export --to onnx"
            )
    c, pad_left = config, front_end_tables(config).pad_left
    before = c.frame_length - c.hop_length
    kept = max(0, before)
    while (pad_left - kept) % c.hop_length or (lead + (pad_left - kept) // c.hop_length) % stride or kept < pad_left + lead * c.hop_length:
        kept += 1
    one_more = 1 if c.preemph and c.preemph_mode == "clip" else 0
    return SampleStep(c, n_frames, kept + one_more, (pad_left - kept) // c.hop_length)
