"""What looks beyond a frame, in a stream: PCEN remembers, deltas wait for the frames after. Sums over time are matrix products."""

from __future__ import annotations

from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from kwsfeat import FeatureConfig, front_end_tables


def smoothed(x: jax.Array, before: jax.Array, first: jax.Array, s: float) -> tuple[jax.Array, jax.Array]:
    """PCEN's smoother, which begins with 1, after each of the frames `x` (n, n_bands), and the state after them, (1, n_bands).

    The state is a smoother that began with 0: the 1 fades by itself, as the number of the frame says. `first`, an integer of shape
    (1,), is the number of the first of the frames; those below 0 are not heard.
    """
    row = np.arange(len(x))
    age = row[:, None] - row
    weights = np.where(age >= 0, s * (1 - s) ** np.maximum(age, 0), 0.0)
    fading = ((1 - s) ** (row + 1.0))[:, None]
    heard = jnp.where((first + row >= 0)[:, None], x, 0)
    from_zero = jnp.asarray(weights, jnp.float32) @ heard + before * jnp.asarray(fading, jnp.float32)
    n_heard = jnp.maximum(first + (row + 1), 0).astype(jnp.float32)
    return from_zero + jnp.exp(n_heard * np.float32(np.log1p(-s)))[:, None], from_zero[-1:]


@dataclass(frozen=True, eq=False)
class Deltas:
    """Slopes over time of frames that come in order: a frame comes out `ahead` frames after it has come in.

    Parameters
    ----------
    weights : ndarray, float64, shape (orders, width)
        Of the frames around each frame.
    ends : ndarray, float64, shape (orders, width, n)
        Of the first and the last `width` frames for the first and the last ``width // 2`` slopes; with n = 0 the first frame is
        repeated before the recording.
    chained : bool
        Whether a slope of order 2 is that of the slopes of order 1, and not a curvature of the frames.
    """

    weights: NDArray[np.float64]
    ends: NDArray[np.float64]
    chained: bool

    @classmethod
    def of(cls, config: FeatureConfig) -> Deltas:
        """Those of a configuration."""
        tables, n = front_end_tables(config), config.deltas
        return cls(tables.delta[:n], tables.delta_ends[:n], config.delta_kind == "htk")

    @property
    def reach(self) -> int:
        """Frames before and after one that its slopes depend on."""
        half = int(self.weights.shape[1]) // 2
        return half * len(self.weights) if self.chained else half

    @property
    def ahead(self) -> int:
        """Frames that one waits for: the first slopes may need more of them than the others."""
        return int(self.weights.shape[1]) - 1 if self.ends.shape[2] else self.reach

    @property
    def past(self) -> int:
        """Frames that are kept."""
        return self.ahead + self.reach

    def __call__(self, x: jax.Array, before: jax.Array, first: jax.Array) -> tuple[jax.Array, jax.Array]:
        """Frames with slopes, (n, (1 + orders) n_base), and the next state (past, n_base), of frames `x` (n, n_base).

        `first`, an integer of shape (1,), is the number of the first frame of `x`; the first frame that comes out is `ahead` earlier.
        """
        n, known = len(x), jnp.concatenate([before, x])
        out = slice(self.reach, self.reach + n)  # of the known frames
        parts, source, begin = [known[out]], known, 0  # begin: the known frame at which `source` begins
        for weights, ends in zip(self.weights, self.ends, strict=True):
            if not self.chained:
                source, begin = known, 0
            number = first - self.past + np.arange(begin, begin + len(source))
            if not ends.shape[1]:
                source = jnp.where((number < 0)[:, None], _chosen(number, 1) @ source, source)
            slopes = jnp.asarray(_around(weights, len(source)), jnp.float32) @ source
            half = len(weights) // 2
            if ends.shape[1]:
                early = jnp.asarray(ends[:, :half].T, jnp.float32) @ (_chosen(number, len(weights)) @ source)
                number = number[half : half + len(slopes)]
                slopes = jnp.where((number < half)[:, None], _chosen(number, half).T @ early, slopes)
            source, begin = slopes, begin + half
            parts.append(slopes[out.start - begin : out.stop - begin])
        return jnp.concatenate(parts, axis=1), known[n:]


def _around(weights: NDArray[np.float64], n: int) -> NDArray[np.float64]:
    """The matrix (n - width + 1, n) of sums over `width` neighbours."""
    rows = n - len(weights) + 1
    return np.asarray(sum(w * np.eye(rows, n, k) for k, w in enumerate(weights)))


def _chosen(number: jax.Array, n: int) -> jax.Array:
    """The matrix (n, len(number)) that picks frames 0 to n - 1 by their numbers; a row of zeros where one is not there."""
    return (number[None] == np.arange(n, dtype=np.int32)[:, None]).astype(jnp.float32)
