"""A network like Google's embedding with fewer channels, in closed form: what a student begins with.

Layer by layer the channels are kept that the next layer makes most of, and each kernel is fitted anew, by least squares on sound, so
that what is kept comes out as it does in the teacher, from what the narrow layers before give.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from kwstrain.models.kws.speech_embedding import largest
from kwstrain.models.outlines.speech_embedding import CONVOLUTIONS, FLOOR, LAST, SLOPE

Array = NDArray[np.float32]
_RIDGE = 1e-4  # of the mean square of the inputs
_AT_ONCE = 8  # tracks


def narrowed(arrays: dict[str, NDArray[Any]], width: int, turned: NDArray[np.floating], x: Array) -> dict[str, NDArray[Any]]:
    """The weights of a network of `width`.

    Parameters
    ----------
    arrays : dict of str to ndarray
        Of the teacher, a wider ``speech-embedding``.
    width : int
    turned : ndarray, shape (dim of the teacher, 4 width)
        From the teacher's vectors to those of the student.
    x : ndarray, float32, shape (n_tracks, n_frames, n_features)
        Features of sound on which it is fitted.
    """
    n = len(CONVOLUTIONS)
    wide, narrow = x[..., None], x[..., None]
    kept = np.arange(1)
    made: dict[str, NDArray[Any]] = {name: value for name, value in arrays.items() if name.startswith("input_norm/")}
    for i, (size, times, block) in enumerate(CONVOLUTIONS):
        kernel, bias = arrays[f"convolutions/{i}/kernel"], arrays[f"convolutions/{i}/bias"]
        before = _convolved(wide, kernel) + bias
        wide = _after(before, block)
        following = arrays[f"convolutions/{i + 1}/kernel" if i + 1 < n else "last/kernel"]
        use = np.square(following).sum(axis=(0, 1, 3)) * wide.reshape(-1, wide.shape[-1]).var(axis=0)
        chosen = np.sort(np.argsort(-use, kind="stable")[: times * width])
        start = np.concatenate([kernel[:, :, kept][..., chosen].reshape(-1, len(chosen)), bias[None, chosen]])
        fitted, offset = _fit(narrow, before[..., chosen], size, size[1] // 2, start)
        made |= {f"convolutions/{i}/kernel": fitted, f"convolutions/{i}/bias": offset}
        narrow, kept = _after(_convolved(narrow, fitted) + offset, block), chosen
    last = arrays["last/kernel"] @ turned.astype(np.float32)
    start = np.concatenate([last[:, :, kept].reshape(-1, last.shape[-1]), np.zeros((1, last.shape[-1]), np.float32)])
    made["last/kernel"] = _fit(narrow, _convolved(wide, last, 0), LAST, 0, start)[0]
    return {name: np.ascontiguousarray(value, np.float32) for name, value in made.items()}


def _fit(x: Array, wanted: Array, size: tuple[int, int], pad: int, start: NDArray[np.floating]) -> tuple[Array, Array]:
    """Kernel and bias that give `wanted` of `x`, drawn to `start` (n_inputs + 1, n_out) where the sound does not say."""
    n_in, n_out = x.shape[-1], wanted.shape[-1]
    width = size[0] * size[1] * n_in + 1
    square, product = np.zeros((width, width)), np.zeros((width, n_out))
    for one, target in zip(x, wanted, strict=True):
        padded = np.pad(one, ((0, 0), (pad, pad), (0, 0)))
        windows = np.lib.stride_tricks.sliding_window_view(padded, size, axis=(0, 1))
        rows = np.moveaxis(windows, 2, -1).reshape(-1, width - 1)
        rows = np.concatenate([rows, np.ones((len(rows), 1), np.float32)], axis=1)
        square += rows.T @ rows
        product += rows.T @ target.reshape(-1, n_out)
    ridge = _RIDGE * np.trace(square) / width * np.eye(width)
    found = np.linalg.solve(square + ridge, product + ridge @ start)
    return found[:-1].reshape(*size, n_in, n_out).astype(np.float32), found[-1].astype(np.float32)


def _convolved(x: Array, kernel: NDArray[Any], pad: int | None = None) -> Array:
    beside = kernel.shape[1] // 2 if pad is None else pad
    return np.concatenate([_convolve(x[i : i + _AT_ONCE], jnp.asarray(kernel), beside) for i in range(0, len(x), _AT_ONCE)])


def _convolve(x: Array, kernel: jax.Array, beside: int) -> Array:
    y = jax.lax.conv_general_dilated(jnp.asarray(x), kernel, (1, 1), ((0, 0), (beside, beside)), dimension_numbers=("NHWC", "HWIO", "NHWC"))
    return np.asarray(y, np.float32)


def _after(y: Array, block: tuple[int, int]) -> Array:
    return np.asarray(_activated(y, block), np.float32)


@partial(jax.jit, static_argnames="block")
def _activated(y: Array, block: tuple[int, int]) -> jax.Array:
    return largest(jnp.maximum(jnp.maximum(y, SLOPE * y), FLOOR), block)
