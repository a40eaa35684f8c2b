"""The parts of BC-ResNet as kernels with gradients of their own: each layer's values are read as seldom as BatchNorm lets them be.

A BatchNorm needs a sum over the batch before the next value can be computed, so a block is a row of kernels with such sums between
them. What is cheap, the normalised values and the depthwise convolutions, is computed anew where it is needed, and not kept.
"""

from __future__ import annotations

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from kwstrain.kernels.broadcast import block as forward
from kwstrain.kernels.broadcast import block_gradient as backward
from kwstrain.kernels.broadcast import last, pointwise, statistics, stem
from kwstrain.kernels.call import kernel_call


class Affine(NamedTuple):
    """Scale and bias of a BatchNorm, (parts, n)."""

    scale: jax.Array
    bias: jax.Array


class BlockWeights(NamedTuple):
    """Of a block: `enter` (n_in, n) or None, `over_bands` and `over_time` (3, n), `mix` (n, n), and their BatchNorms."""

    enter: jax.Array | None
    enter_norm: Affine | None
    over_bands: jax.Array
    band_norm: Affine
    over_time: jax.Array
    time_norm: Affine
    mix: jax.Array


class Steps(NamedTuple):
    """Over bands `stride`, over frames `dilation`, from `left` frames before."""

    stride: int
    dilation: int
    left: int


class StemSteps(NamedTuple):
    """`left` zeros in time, `before` and after the features, of which every `stride`-th is a middle."""

    left: int
    before: int
    stride: int


def _of(*shape: int) -> jax.ShapeDtypeStruct:
    return jax.ShapeDtypeStruct(shape, jnp.float32)


class _Norm(NamedTuple):
    """A BatchNorm of a batch: slope, offset and 0, (3, parts, n), and mean and variance, (2, parts, n), of `n_values` a channel."""

    norm: jax.Array
    moments: jax.Array
    scale: jax.Array
    n_values: int

    @classmethod
    def of(cls, sums: jax.Array, n_values: int, affine: Affine) -> _Norm:
        """From sums and sums of squares, (clips, 2, n) or (clips, 2, parts, n)."""
        shape = affine.scale.shape
        sums = sums.reshape(len(sums), 2, *shape)
        norm, moments = kernel_call(statistics.statistics, (_of(3, *shape), _of(2, *shape)), sums, *affine, parts=1, count=n_values)
        return cls(norm, moments, affine.scale, n_values)

    @property
    def entry(self) -> jax.Array:
        """(3, n), of one part."""
        return self.norm[:, 0]

    def back(self, sums: jax.Array) -> tuple[jax.Array, Affine]:
        """Coefficients (3, parts, n) of the gradient by x, and the gradient of scale and bias."""
        shape = self.scale.shape
        sums = sums.reshape(len(sums), 2, *shape)
        results = (_of(3, *shape), _of(*shape), _of(*shape))
        back, scale, bias = kernel_call(statistics.gradient, results, sums, self.moments, self.scale, parts=1, count=self.n_values)
        return back, Affine(scale, bias)


def _over_clips(x: jax.Array) -> jax.Array:
    """The sum over the first axis."""
    flat = x.reshape(len(x), -1, x.shape[-1])
    total: jax.Array = kernel_call(statistics.over_clips, [_of(*flat.shape[1:])], flat, parts=1)
    return total.reshape(x.shape[1:])


def _unchanged(n: int) -> jax.Array:
    """The entry that changes nothing."""
    return jnp.stack([jnp.ones(n), jnp.zeros(n), jnp.full(n, -jnp.inf)])


@partial(jax.custom_vjp, nondiff_argnums=(0,))
def block(steps: Steps, x: jax.Array, weights: BlockWeights, keep: jax.Array) -> tuple[jax.Array, tuple[jax.Array, ...]]:
    """Values of a block, (clips, frames, bands, n), and mean and variance of its BatchNorms in the order of the weights.

    `keep` (clips, n) scales what frames add. There is no gradient by it, nor of the means and variances.
    """
    found: tuple[jax.Array, tuple[jax.Array, ...]] = _block_forward(steps, x, weights, keep)[0]
    return found


def _block_forward(steps: Steps, x: jax.Array, weights: BlockWeights, keep: jax.Array) -> Any:
    clips, frames, bands_in, _ = x.shape
    parts, n = weights.band_norm.scale.shape
    bands = (bands_in - 1) // steps.stride + 1
    stride, over_time = {"stride": steps.stride}, {"dilation": steps.dilation, "left": steps.left}
    y, entry, enter_norm = x, _unchanged(n), None
    if weights.enter is not None and weights.enter_norm is not None:
        y, sums = kernel_call(pointwise.pointwise_forward, (_of(clips, frames, bands_in, n), _of(clips, 2, n)), x, weights.enter)
        enter_norm = _Norm.of(sums, clips * frames * bands_in, weights.enter_norm)
        entry = enter_norm.entry
    source = (y, entry, weights.over_bands)
    sums = kernel_call(forward.band_moments, [_of(clips, 2, parts, n)], *source, **stride)
    band_norm = _Norm.of(sums, clips * frames * bands // parts, weights.band_norm)
    means, sums = kernel_call(
        forward.band_means, (_of(clips, frames, n), _of(clips, 2, n)), *source, band_norm.norm, weights.over_time, **stride, **over_time
    )
    time_norm = _Norm.of(sums, clips * frames, weights.time_norm)
    out = kernel_call(
        forward.block_sum, [_of(clips, frames, bands, n)], *source, band_norm.norm, means, weights.over_time, time_norm.entry,
        weights.mix, keep, residual=int(enter_norm is None), **stride, **over_time,
    )  # fmt: skip
    norms = (enter_norm, band_norm, time_norm)
    saved = (x, weights, keep, y, entry, means, out, [None if norm is None else norm[:2] for norm in norms])
    return (out, tuple(norm.moments for norm in norms if norm is not None)), saved


def _block_backward(steps: Steps, saved: Any, gradient: Any) -> Any:
    x, weights, keep, y, entry, means, out, (of_enter, of_bands, of_time) = saved
    dout = gradient[0]
    clips, frames, bands_in, n = y.shape
    bands, parts = out.shape[2], len(weights.band_norm.scale)
    band_norm = _Norm(of_bands[0], of_bands[1], weights.band_norm.scale, clips * frames * bands // parts)
    time_norm = _Norm(of_time[0], of_time[1], weights.time_norm.scale, clips * frames)
    stride, over_time = {"stride": steps.stride}, {"dilation": steps.dilation, "left": steps.left}
    source = (y, entry, weights.over_bands)
    du, time_sums, band_sums, dmix = kernel_call(
        backward.back_to_time, (_of(clips, frames, n), _of(clips, 2, n), _of(clips, 2, parts, n), _of(clips, n, n)),
        dout, out, *source, means, weights.over_time, time_norm.entry, weights.mix.T, keep, **stride, **over_time,
    )  # fmt: skip
    back, d_time_norm = time_norm.back(time_sums)
    dshare, dtime, band_sums = kernel_call(
        backward.back_to_means, (_of(clips, frames, n), _of(clips, 3, n), _of(clips, 2, parts, n)),
        du, means, weights.over_time, back[:, 0], *source, band_sums, **stride, **over_time,
    )  # fmt: skip
    back, d_band_norm = band_norm.back(band_sums)
    dx, dbands, sums = kernel_call(
        backward.back_to_input, (_of(*y.shape), _of(clips, 3, n), _of(clips, 2, n)),
        dout, out, dshare, *source, back, residual=int(weights.enter is None), **stride,
    )  # fmt: skip
    d_enter, d_enter_norm = None, None
    if weights.enter is not None and weights.enter_norm is not None:
        back, d_enter_norm = _Norm(of_enter[0], of_enter[1], weights.enter_norm.scale, clips * frames * bands_in).back(sums)
        dx, d_enter = kernel_call(
            pointwise.pointwise_backward, (_of(*x.shape), _of(clips, *weights.enter.shape)), dx, y, back[:, 0], x, weights.enter.T
        )
        d_enter = _over_clips(d_enter)
    d_weights = BlockWeights(d_enter, d_enter_norm, _over_clips(dbands), d_band_norm, _over_clips(dtime), d_time_norm, _over_clips(dmix))
    return dx, d_weights, jnp.zeros_like(keep)


block.defvjp(_block_forward, _block_backward)


@partial(jax.custom_vjp, nondiff_argnums=(0,))
def first(steps: StemSteps, x: jax.Array, weight: jax.Array, affine: Affine) -> tuple[jax.Array, jax.Array]:
    """The first convolution, its BatchNorm and ReLU, (clips, frames, bands, n), and mean and variance.

    x (clips, frames, features), to which there is no gradient; weight (rows, columns, n).
    """
    found: tuple[jax.Array, jax.Array] = _first_forward(steps, x, weight, affine)[0]
    return found


def _first_forward(steps: StemSteps, x: jax.Array, weight: jax.Array, affine: Affine) -> Any:
    clips, frames, features = x.shape
    _, columns, n = weight.shape
    bands = (features + 2 * steps.before - columns) // steps.stride + 1
    y, sums = kernel_call(stem.stem_forward, (_of(clips, frames, bands, n), _of(clips, 2, n)), x, weight, **steps._asdict())
    norm = _Norm.of(sums, clips * frames * bands, affine)
    out = kernel_call(pointwise.enter_forward, [_of(*y.shape)], y, norm.entry)
    return (out, norm.moments), (x, weight, affine, y, norm[:2])


def _first_backward(steps: StemSteps, saved: Any, gradient: Any) -> Any:
    x, weight, affine, y, of_batch = saved
    clips, frames, bands, n = y.shape
    norm = _Norm(of_batch[0], of_batch[1], affine.scale, clips * frames * bands)
    back, d_affine = norm.back(kernel_call(pointwise.enter_backward, [_of(clips, 2, n)], gradient[0], y, norm.entry))
    d_weight = kernel_call(
        stem.stem_backward, [_of(clips, *weight.shape)], gradient[0], y, norm.entry, back[:, 0], x, **steps._asdict()
    )  # fmt: skip
    return jnp.zeros_like(x), _over_clips(d_weight), d_affine


first.defvjp(_first_forward, _first_backward)


@partial(jax.custom_vjp, nondiff_argnums=(0,))
def over_all_bands(left: int, x: jax.Array, weight: jax.Array) -> jax.Array:
    """The last depthwise convolution: x (clips, frames, bands, n), weight (rows, bands, n) to (clips, frames, n)."""
    y: jax.Array = kernel_call(last.last_forward, [_of(*x.shape[:2], x.shape[3])], x, weight, left=left)
    return y


def _last_forward(left: int, x: jax.Array, weight: jax.Array) -> tuple[jax.Array, tuple[jax.Array, jax.Array]]:
    return over_all_bands(left, x, weight), (x, weight)


def _last_backward(left: int, saved: tuple[jax.Array, jax.Array], dy: jax.Array) -> tuple[jax.Array, jax.Array]:
    x, weight = saved
    dx, dweight = kernel_call(last.last_backward, (_of(*x.shape), _of(len(x), *weight.shape)), dy, x, weight, left=left)
    return dx, _over_clips(dweight)


over_all_bands.defvjp(_last_forward, _last_backward)
