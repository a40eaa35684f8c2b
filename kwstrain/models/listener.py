"""Networks that can run on a stream: something of each frame, of which the mean over the latest ones decides."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np

from kwstrain.models.network import Network


class Listener(Network):
    """Base of the networks that listen. A subclass defines :meth:`frames` and :meth:`head`.

    Attributes
    ----------
    n_mean : int
        Frames of a clip: over so many is the mean, or over all where there are fewer.
    """

    n_mean: int

    def frames(self, x: jax.Array) -> jax.Array:
        """``(batch, n_frames, channels)``: what each frame contributes to the mean; no later frame than its own."""
        raise NotImplementedError

    def head(self, mean: jax.Array) -> jax.Array:
        """Logits ``(..., n_classes)`` of means ``(..., channels)``."""
        raise NotImplementedError

    def forward(self, x: jax.Array, mask: jax.Array | None) -> jax.Array:
        return self.head(self.frames(x)[:, -self.n_mean :].mean(axis=1)).astype(jnp.float32)

    def rows(self, x: jax.Array) -> jax.Array:
        """What a stream returns: logits after each frame, from the first that has heard a clip's length on.

        Parameters
        ----------
        x
            Standardised features, float32 ``(batch, n_frames, n_features)``, as many frames as in a clip or more.

        Returns
        -------
        jax.Array
            float32 ``(batch, n_rows, n_classes)``; the last row is that of :meth:`forward`.
        """
        frames = self.frames(x)
        at = np.arange(frames.shape[1])
        n = min(self.n_mean, len(at))
        last = at[n - 1 :, None]
        share = ((at > last - n) & (at <= last)) / np.float32(n)
        return self.head(jnp.einsum("rt,btc->brc", share.astype(frames.dtype), frames)).astype(jnp.float32)
