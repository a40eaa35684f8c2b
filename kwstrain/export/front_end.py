"""The front end as a JAX function: the same features as ``kwsfeat.FrontEnd``, from operations that every runtime has.

A frame's spectrum is a convolution of the waveform with windowed sines and cosines, which include the linear steps before it
(scale, mean, pre-emphasis within the frame).
"""

from __future__ import annotations

import math
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from kwsfeat import ConfigError, FeatureConfig, FrontEndTables, butter_sos, front_end_tables
from kwstrain.export.after import after
from kwstrain.export.waves import waves

Floats = NDArray[np.float64]
LONGEST_RESPONSE = 1 << 14  # samples of a low-pass filter's response
MOST_FRAMES = 1 << 12  # of a clip whose frames are combined by a matrix (deltas, PCEN)


def check(config: FeatureConfig) -> None:
    """Refuse features that a graph cannot compute.

    Raises
    ------
    ConfigError
        The message names the field, the reason and the alternative.
    """
    c = config
    if c.output == "micro":
        raise ConfigError(
            "output='micro' cannot go into a graph: it is the integer arithmetic of microcontrollers; export mixednet --to esphome or c, "
            "or train on output 'mel'"
        )
    if c.dither:
        raise ConfigError(f"dither={c.dither:g} cannot be exported: NumPy draws its noise; train on features with dither=0")
    field = "deltas" if c.deltas else "log" if c.log == "pcen" else ""
    if field and c.output != "waveform" and c.n_frames > MOST_FRAMES:
        raise ConfigError(
            f"{field}={getattr(c, field)!r} cannot be exported with {c.n_frames:,} frames, at most {MOST_FRAMES:,}: raise hop_length"
        )
    if c.lowpass_hz is not None:
        lowpass_response(c)


def front_end(config: FeatureConfig) -> Callable[[jax.Array, jax.Array], jax.Array]:
    """A function of waveforms.

    Parameters
    ----------
    config : FeatureConfig
        The features.

    Returns
    -------
    callable
        ``features(y, length)`` from y, float32 ``(batch, n_samples)`` in [-1, 1], and length, int32 ``(batch or 1,)``, the number of
        real samples; float32 ``(batch, n_frames, n_features)``.

    Raises
    ------
    ConfigError
        If a field cannot be computed in a graph.
    """
    check(config)
    c, tables = config, front_end_tables(config)

    def features(y: jax.Array, length: jax.Array) -> jax.Array:
        y = _conditioned(y, length, c)
        if c.output == "waveform":
            x = (y * c.input_scale)[..., None]
        else:
            x = spectral(_padded(y, c, tables), c, tables)
        return after(x, c, tables)

    return features


def _conditioned(y: jax.Array, length: jax.Array, c: FeatureConfig) -> jax.Array:
    """Low-pass, peak, pre-emphasis over the clip; the scale is in the basis."""
    if c.lowpass_hz is not None:
        response = lowpass_response(c)
        y = convolved(jnp.pad(y, ((0, 0), (len(response) - 1, 0))), jnp.asarray(response[None, ::-1], jnp.float32), 1)[..., 0]
        position = np.arange(c.n_samples, dtype=np.int32)
        y = jnp.where(position < real_samples(c, length)[1][:, None], y, 0)  # padding stays silent after the filter
    if c.peak_normalize:
        peak = y.max(axis=1, keepdims=True)
        y = y * jnp.where(peak > 0, 1 / jnp.where(peak > 0, peak, 1), 1)
    if c.preemph and c.preemph_mode == "clip":
        y = y - c.preemph * jnp.pad(y[:, :-1], ((0, 0), (1, 0)))
    return y


def real_samples(c: FeatureConfig, length: jax.Array) -> tuple[jax.Array, jax.Array]:
    """First real sample of each clip with `length` real samples, and the one after the last."""
    spare = c.n_samples - length
    first = {"end": jnp.zeros_like(spare), "front": spare, "center": jax.lax.div(spare, jnp.int32(2))}[c.pad]
    return first, first + length


def real_frames(c: FeatureConfig, length: jax.Array) -> jax.Array:
    """Which frames begin within the real samples, bool ``(batch, n_frames)``, as :func:`kwstrain.data.clips.frame_range` defines it."""
    hop = jnp.int32(1 if c.output == "waveform" else c.hop_length)
    first, end = real_samples(c, length)
    first = jnp.minimum(jax.lax.div(first, hop), c.n_frames - 1)
    last = jnp.clip(jax.lax.div(end + hop - 1, hop), first + 1, c.n_frames)
    frame = np.arange(c.n_frames, dtype=np.int32)
    return jnp.logical_and(frame >= first[:, None], frame < last[:, None])


def _padded(y: jax.Array, c: FeatureConfig, tables: FrontEndTables) -> jax.Array:
    """The waveform, padded or cropped to what `n_frames` frames, `hop_length` apart, cover."""
    n = (c.n_frames - 1) * c.hop_length + c.frame_length
    left, right = tables.pad_left, n - tables.pad_left - c.n_samples
    y = y[:, max(0, -left) : c.n_samples + min(0, right)]
    pads = ((0, 0), (max(0, left), max(0, right)))
    if c.framing in ("reflect", "symmetric"):
        return jnp.pad(y, pads, mode=c.framing)
    return jnp.pad(y, pads)


def spectral(y: jax.Array, c: FeatureConfig, tables: FrontEndTables) -> jax.Array:
    """Bands, cepstrum and energy of each frame, ``(batch, n_frames, n_base)``."""
    first, n_bins = _bins(c, tables)
    energy = _frame_energy(y, c, tables)
    kernels, begin = basis(c, tables, first, n_bins)
    end = begin + kernels.shape[1] - c.frame_length
    parts = convolved(y[:, begin : y.shape[1] + end], kernels, c.hop_length)
    re, im = parts[..., :n_bins], parts[..., n_bins:]
    x = re * re + im * im
    if c.spectrum_norm == "density":  # one-sided: the first and, for an even n_fft, the last bin count half
        bins = np.arange(first, first + n_bins)
        x = x * np.where((bins == 0) | (2 * bins == c.n_fft), np.float32(0.5), np.float32(1))
    if c.spectrum == "magnitude":
        x = jnp.sqrt(x)
    if c.output != "spectrum":
        x = x @ jnp.asarray(tables.mel[:, first : first + n_bins].T)
    if c.log in ("ln", "log10", "db"):
        x = jnp.log(jnp.maximum(x, c.log_floor) + c.log_offset) * tables.log_factor + tables.log_shift
        if c.log_ref == "max" or tables.top:
            peak = x.max(axis=(1, 2), keepdims=True)
            x = x - peak if c.log_ref == "max" else x
            x = jnp.maximum(x, (0 if c.log_ref == "max" else peak) - tables.top) if tables.top else x
    if c.output == "mfcc":
        x = x @ jnp.asarray(tables.dct.T, jnp.float32)
    if energy is None:
        return x
    x = x[..., 1:] if c.output == "mfcc" else x
    return jnp.concatenate([x, energy] if c.energy_last else [energy, x], axis=-1)


def _frame_energy(y: jax.Array, c: FeatureConfig, tables: FrontEndTables) -> jax.Array | None:
    """Logarithm of each frame's energy, ``(batch, n_frames, 1)``."""
    if c.energy == "none":
        return None
    matrix = np.eye(c.frame_length) * c.input_scale
    if c.remove_dc:
        matrix -= c.input_scale / c.frame_length
    if c.energy == "windowed":
        if c.preemph and c.preemph_mode == "frame":
            matrix = matrix - c.preemph * np.concatenate([matrix[:1], matrix[:-1]])
        matrix *= (tables.window[: c.frame_length] * math.sqrt(tables.energy_gain))[:, None]
    frames = convolved(y, jnp.asarray(matrix, jnp.float32), c.hop_length)
    return jnp.log(jnp.maximum((frames * frames).sum(axis=-1, keepdims=True), tables.energy_floor))


def basis(c: FeatureConfig, tables: FrontEndTables, first: int, n_bins: int) -> tuple[jax.Array, int]:
    """Windowed cosines, then sines, float32 ``(2 n_bins, n)``, and the sample of the frame at which their n samples begin."""
    window, preemph = tables.window[: c.frame_length], c.preemph if c.preemph_mode == "frame" else 0.0
    used = np.flatnonzero(window)
    begin, end = int(used[0]), int(used[-1]) + 1
    if preemph:
        begin = max(0, begin - 1)
    if c.remove_dc:
        begin, end = 0, c.frame_length
    kernels = waves(first, n_bins, n_fft=c.n_fft, length=end - begin)
    kernels = kernels * jnp.asarray(window[begin:end] * c.input_scale, jnp.float32)
    if preemph:
        later = jnp.pad(kernels[:, 1:], ((0, 0), (0, 1)))
        if begin == 0:  # the first sample is its own predecessor
            later = jnp.concatenate([later[:, :1] + kernels[:, :1], later[:, 1:]], axis=1)
        kernels = kernels - preemph * later
    if c.remove_dc:
        kernels = kernels - kernels.mean(axis=1, keepdims=True)
    return kernels, begin


def _bins(c: FeatureConfig, tables: FrontEndTables) -> tuple[int, int]:
    """The first bin of the spectrum that is used, and the number of bins."""
    if c.output == "spectrum":
        return 0, c.n_fft // 2 + 1
    used = np.flatnonzero(tables.mel.any(axis=0))
    return int(used[0]), int(used[-1] - used[0]) + 1


def convolved(y: jax.Array, kernels: jax.Array, step: int) -> jax.Array:
    """Correlation of ``(batch, n_samples)`` with kernels ``(n, width)`` at every `step`-th sample: ``(batch, n_parts, n)``."""
    weights = kernels.T[:, None]
    return jax.lax.conv_general_dilated(y[..., None], weights, (step,), "VALID", dimension_numbers=("NWC", "WIO", "NWC"))


def lowpass_response(c: FeatureConfig) -> Floats:
    """The impulse response of the low-pass filter, cut where the rest is below the resolution of float32."""
    from scipy.signal import sosfilt

    assert c.lowpass_hz is not None
    impulse = np.zeros(LONGEST_RESPONSE + 1)
    impulse[0] = 1
    response = np.asarray(sosfilt(butter_sos(c.lowpass_order, c.lowpass_hz, sr=c.sr), impulse))
    rest = np.abs(response)[::-1].cumsum()[::-1]
    n = int((rest > 1e-8 * rest[0]).sum())
    if n > LONGEST_RESPONSE:
        raise ConfigError(
            f"lowpass_hz={c.lowpass_hz:g} cannot be exported: the filter rings for more than {LONGEST_RESPONSE:,} samples; "
            "raise it, or lower lowpass_order"
        )
    return response[:n]
