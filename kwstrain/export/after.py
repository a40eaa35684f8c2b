"""The steps of a front end after the spectrum: PCEN and deltas of a whole clip, normalisation. Sums over time are matrix products."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from kwsfeat import FeatureConfig, FrontEndTables


def after(x: jax.Array, c: FeatureConfig, tables: FrontEndTables) -> jax.Array:
    """Features, float32 ``(batch, n_frames, n_features)``, from bands, float32 ``(batch, n_frames, n_base)``."""
    if c.output != "waveform":
        x = _pcen(x, c, tables) if c.log == "pcen" else x
        x = _with_deltas(x, c, tables) if c.deltas else x
    return normalised(x, c)


def normalised(x: jax.Array, c: FeatureConfig) -> jax.Array:
    """Features, float32 ``(batch, n_frames, n_features)``, in the scale that the configuration asks for."""
    if c.normalize == "row-l1":
        total = jnp.abs(x).sum(axis=1, keepdims=True)
        x = x / jnp.where(total > 0, total, 1)
    elif c.normalize in ("mean", "mean-variance"):
        x = x - x.mean(axis=1, keepdims=True)
        if c.normalize == "mean-variance":
            x = x / jnp.maximum(jnp.sqrt((x * x).mean(axis=1, keepdims=True)), 1e-5)
    elif c.normalize == "global":
        x = (x - jnp.asarray(c.global_mean, jnp.float32)) / jnp.asarray(c.global_std, jnp.float32)
    if c.post_add or c.post_divide != 1:
        x = (x + c.post_add) / c.post_divide
    return x if c.post_clip is None else jnp.clip(x, *c.post_clip)


def _pcen(x: jax.Array, c: FeatureConfig, tables: FrontEndTables) -> jax.Array:
    """The smoother's recursion from 1, written out: row t holds the weight of each frame up to t."""
    s, t = tables.smoothing, np.arange(c.n_frames)
    age = t[:, None] - t
    weights = np.where(age >= 0, s * (1 - s) ** np.maximum(age, 0), 0.0)
    smooth = _over_time(weights, x) + jnp.asarray((1 - s) ** (t[:, None] + 1.0), jnp.float32)
    return compressed(x, smooth, c)


def compressed(x: jax.Array, smooth: jax.Array, c: FeatureConfig) -> jax.Array:
    """PCEN of bands, given what its smoother made of them."""
    x = x * jnp.exp(-c.pcen_gain * jnp.log(c.pcen_eps + smooth))
    if c.pcen_bias == 0:
        return _power(x, c.pcen_power)
    return _power(x + c.pcen_bias, c.pcen_power) - float(c.pcen_bias**c.pcen_power)


def _power(x: jax.Array, power: float) -> jax.Array:
    """`x` >= 0 to the power; a square root is computed as such, which is exact."""
    return jnp.sqrt(x) if power == 0.5 else jnp.power(x, power)


def _with_deltas(x: jax.Array, c: FeatureConfig, tables: FrontEndTables) -> jax.Array:
    parts = [x]
    for order in range(c.deltas):
        of = parts[-1] if c.delta_kind == "htk" else x
        parts.append(_over_time(_slopes(c, tables.delta[order], tables.delta_ends[order]), of))
    return jnp.concatenate(parts, axis=-1)


def _slopes(c: FeatureConfig, weights: NDArray[np.float64], ends: NDArray[np.float64]) -> NDArray[np.float64]:
    """The matrix ``(n_frames, n_frames)`` of slopes: from the frames around each frame, and from `ends` for the first and last frames."""
    n, width, half = c.n_frames, len(weights), len(weights) // 2
    matrix = np.zeros((n, n))
    for t in range(n):
        first, w = t - half, weights
        if ends.shape[1] and t < half:
            first, w = 0, ends[:, t]
        elif ends.shape[1] and t >= n - half:
            first, w = n - width, ends[:, t - (n - half) + half]
        np.add.at(matrix[t], np.clip(np.arange(first, first + width), 0, n - 1), w)
    return matrix


def _over_time(matrix: NDArray[np.float64], x: jax.Array) -> jax.Array:
    """``(n_frames, n_frames)`` times ``(batch, n_frames, n)``."""
    return jnp.einsum("st,btf->bsf", jnp.asarray(matrix, jnp.float32), x)
