"""2-D convolution that is fast on a CPU, and so is its gradient.

XLA's CPU backend multiplies the patches of an image by the kernel as one matrix product, which is slow in two cases that
small networks consist of. With few output channels the product is narrower than a vector register: here as many neighbouring
columns as fill two of them are computed together, by a kernel repeated once for each column. And the gradient by the weights,
a convolution by a kernel as large as the image, is not done as a matrix product at all, least of all inside a loop, where
training steps run: here it is one.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import jax
import jax.numpy as jnp

from kwstrain.models.layers.operations import Padding, Pads, xla_conv

_LANES = 16  # float32 values of the widest vector register
_CHUNK = 2  # examples per matrix product of the weight gradient: its patches then stay in the cache


def conv2d(x: jax.Array, kernel: jax.Array, *, stride: int = 1, padding: Padding = "valid") -> jax.Array:
    """The plain ``conv2d``; with stride 1 the gradient is computed as described above, else it is XLA's own."""
    return _convolve(x, kernel, stride, padding, _with_gradient)


def conv2d_forward(x: jax.Array, kernel: jax.Array, *, stride: int = 1, padding: Padding = "valid") -> jax.Array:
    """The same without a gradient of its own: plain operations only."""
    return _convolve(x, kernel, stride, padding, _blocked)


def _convolve(x: jax.Array, kernel: jax.Array, stride: int, padding: Padding, at_stride_1: Callable[..., jax.Array]) -> jax.Array:
    if kernel.shape[:2] == (1, 1):
        x, stride = x[:, ::stride, ::stride], 1
    if stride > 1:
        return xla_conv(x, kernel, (stride, stride), padding.upper())
    rows, columns = (size - 1 if padding == "same" else 0 for size in kernel.shape[:2])
    return at_stride_1(x, kernel, ((rows // 2, rows - rows // 2), (columns // 2, columns - columns // 2)))


def _blocked(x: jax.Array, kernel: jax.Array, pads: Pads) -> jax.Array:
    """`x` convolved by `kernel`, `block` columns at a time."""
    n_out = kernel.shape[3]
    block = _block(n_out, 2 * _LANES) if n_out < _LANES else 1
    columns = x.shape[2] + sum(pads[1]) - kernel.shape[1] + 1
    extra = -columns % block
    y = xla_conv(x, _widen(kernel, block), (1, block), (pads[0], (pads[1][0], pads[1][1] + extra)))
    return y.reshape(*y.shape[:2], columns + extra, n_out)[:, :, :columns]


_with_gradient = jax.custom_vjp(_blocked, nondiff_argnums=(2,))


def _forward(x: jax.Array, kernel: jax.Array, pads: Pads) -> tuple[jax.Array, tuple[jax.Array, jax.Array]]:
    return _blocked(x, kernel, pads), (x, kernel)


def _backward(pads: Pads, saved: tuple[jax.Array, jax.Array], dy: jax.Array) -> tuple[jax.Array, jax.Array]:
    x, kernel = saved
    if kernel.shape[2] == 1:
        _, pullback = jax.vjp(lambda x: _patches(x, kernel.shape[:2], pads) @ kernel.reshape(-1, kernel.shape[3]), x)
        return pullback(dy)[0], _weight_gradient(x, dy, kernel, pads)
    above, beside = ((size - 1 - low, size - 1 - high) for size, (low, high) in zip(kernel.shape[:2], pads, strict=True))
    dx = _blocked(dy, kernel[::-1, ::-1].swapaxes(2, 3), (above, beside))
    return dx, _weight_gradient(x, dy, kernel, pads)


_with_gradient.defvjp(_forward, _backward)


def _patches(x: jax.Array, size: tuple[int, ...], pads: Pads) -> jax.Array:
    x = jnp.pad(x, ((0, 0), *pads, (0, 0)))
    rows, columns = x.shape[1] - size[0] + 1, x.shape[2] - size[1] + 1
    return jnp.concatenate([x[:, i : i + rows, j : j + columns] for i in range(size[0]) for j in range(size[1])], axis=-1)


def _block(n_out: int, width: int) -> int:
    """Columns whose output channels together fill `width`."""
    return max(1, width // n_out)


def _widen(kernel: jax.Array, block: int) -> jax.Array:
    """`kernel` at each of `block` offsets along the columns: ``(rows, columns + block - 1, n_in, block * n_out)``."""
    shifted = [jnp.pad(kernel, ((0, 0), (t, block - 1 - t), (0, 0), (0, 0))) for t in range(block)]
    rows, columns, n_in, n_out = kernel.shape
    return jnp.stack(shifted, axis=3).reshape(rows, columns + block - 1, n_in, block * n_out)


def _weight_gradient(x: jax.Array, dy: jax.Array, kernel: jax.Array, pads: Pads) -> jax.Array:
    """Sum over examples and positions of patch (outer product) output gradient, by matrix products over `_CHUNK` examples.

    The products give the gradient of the widened kernel; that of `kernel` follows by the chain rule.
    """
    n_rows, n_columns, n_out = dy.shape[1:]
    size, n_in = kernel.shape[0], kernel.shape[2]
    block = _block(n_out, _LANES)
    width = (kernel.shape[1] + block - 1) * n_in
    n_blocks = -(-n_columns // block)
    n_parts = -(-width // (block * n_in))  # blocks of x that one block of dy needs
    end = (n_blocks + n_parts - 1) * block - x.shape[2] - pads[1][0]
    chunk = math.gcd(len(x), _CHUNK)

    def add(n: jax.Array, total: jax.Array) -> jax.Array:
        image, gradient = (jax.lax.dynamic_slice_in_dim(a, n * chunk, chunk) for a in (x, dy))
        image = jax.lax.pad(image, jnp.zeros((), x.dtype), ((0, 0, 0), (*pads[0], 0), (pads[1][0], end, 0), (0, 0, 0)))
        image = image.reshape(*image.shape[:2], -1, block * n_in)
        parts = jnp.concatenate([image[:, :, i : i + n_blocks] for i in range(n_parts)], axis=-1)[..., :width]
        gradient = jnp.pad(gradient, ((0, 0), (0, 0), (0, n_blocks * block - n_columns), (0, 0))).reshape(-1, block * n_out)
        rows = [parts[:, i : i + n_rows].reshape(-1, width) for i in range(size)]
        return total + jnp.stack([jnp.dot(row.T, gradient, preferred_element_type=jnp.float32) for row in rows])

    widened = jax.lax.fori_loop(0, len(x) // chunk, add, jnp.zeros((size, width, block * n_out), jnp.float32))
    _, narrow = jax.vjp(lambda k: _widen(k, block), kernel)
    gradient: jax.Array = narrow(widened.reshape(size, -1, n_in, block * n_out).astype(kernel.dtype))[0]
    return gradient
