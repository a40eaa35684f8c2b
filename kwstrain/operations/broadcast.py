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
from kwstrain.kernels.broadcast import last, pointwise, stem
from kwstrain.kernels.call import kernel_call
from kwstrain.operations.batch_norm import Affine, Norm, array, over_clips, unchanged


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
    """`n_out` frames and bands, from `left` zeros before the first frame and `before` the first feature, in steps of `stride_t` and _f."""

    n_out: tuple[int, int]
    left: int
    before: int
    stride_t: int
    stride_f: int

    @property
    def numbers(self) -> dict[str, int]:
        return {"left": self.left, "before": self.before, "stride_t": self.stride_t, "stride_f": self.stride_f}


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
    y, entry, enter_norm = x, unchanged(n), None
    if weights.enter is not None and weights.enter_norm is not None:
        results = (array(clips, frames, bands_in, n), array(clips, 2, n))
        y, sums = kernel_call(pointwise.pointwise_forward, results, x, unchanged(x.shape[3]), weights.enter)
        enter_norm = Norm.of(sums, clips * frames * bands_in, weights.enter_norm)
        entry = enter_norm.entry
    source = (y, entry, weights.over_bands)
    sums = kernel_call(forward.band_moments, [array(clips, 2, parts, n)], *source, **stride)
    band_norm = Norm.of(sums, clips * frames * bands // parts, weights.band_norm)
    means, sums = kernel_call(
        forward.band_means, (array(clips, frames, n), array(clips, 2, n)), *source, band_norm.norm, weights.over_time, **stride, **over_time
    )
    time_norm = Norm.of(sums, clips * frames, weights.time_norm)
    out = kernel_call(
        forward.block_sum, [array(clips, frames, bands, n)], *source, band_norm.norm, means, weights.over_time, time_norm.entry,
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
    band_norm = Norm(of_bands[0], of_bands[1], weights.band_norm.scale, clips * frames * bands // parts)
    time_norm = Norm(of_time[0], of_time[1], weights.time_norm.scale, clips * frames)
    stride, over_time = {"stride": steps.stride}, {"dilation": steps.dilation, "left": steps.left}
    source = (y, entry, weights.over_bands)
    du, time_sums, band_sums, dmix = kernel_call(
        backward.back_to_time, (array(clips, frames, n), array(clips, 2, n), array(clips, 2, parts, n), array(clips, n, n)),
        dout, out, *source, means, weights.over_time, time_norm.entry, weights.mix.T, keep, **stride, **over_time,
    )  # fmt: skip
    back, d_time_norm = time_norm.back(time_sums)
    dshare, dtime, band_sums = kernel_call(
        backward.back_to_means, (array(clips, frames, n), array(clips, 3, n), array(clips, 2, parts, n)),
        du, means, weights.over_time, back[:, 0], *source, band_sums, **stride, **over_time,
    )  # fmt: skip
    back, d_band_norm = band_norm.back(band_sums)
    dx, dbands, sums = kernel_call(
        backward.back_to_input, (array(*y.shape), array(clips, 3, n), array(clips, 2, n)),
        dout, out, dshare, *source, back, residual=int(weights.enter is None), **stride,
    )  # fmt: skip
    d_enter, d_enter_norm = None, None
    if weights.enter is not None and weights.enter_norm is not None:
        back, d_enter_norm = Norm(of_enter[0], of_enter[1], weights.enter_norm.scale, clips * frames * bands_in).back(sums)
        n_in = x.shape[3]
        dx, d_enter, _ = kernel_call(
            pointwise.pointwise_backward, (array(*x.shape), array(clips, *weights.enter.shape), array(clips, 2, n_in)),
            dx, y, back[:, 0], x, unchanged(n_in), weights.enter.T,
        )  # fmt: skip
        d_enter = over_clips(d_enter)
    d_weights = BlockWeights(d_enter, d_enter_norm, over_clips(dbands), d_band_norm, over_clips(dtime), d_time_norm, over_clips(dmix))
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
    y, norm = convolved(steps, x, weight, affine)
    out = kernel_call(pointwise.enter_forward, [array(*y.shape)], y, norm.entry)
    return (out, norm.moments), (x, weight, affine, y, norm[:2])


def _first_backward(steps: StemSteps, saved: Any, gradient: Any) -> Any:
    x, weight, affine, y, of_batch = saved
    norm = Norm(of_batch[0], of_batch[1], affine.scale, y[..., 0].size)
    back, d_affine = norm.back(kernel_call(pointwise.enter_backward, [array(len(x), 2, y.shape[3])], gradient[0], y, norm.entry))
    return jnp.zeros_like(x), convolved_back(steps, gradient[0], y, norm, back, x, weight), d_affine


def convolved(steps: StemSteps, x: jax.Array, weight: jax.Array, affine: Affine) -> tuple[jax.Array, Norm]:
    """The first convolution alone, (clips, frames, bands, n), and the BatchNorm that follows."""
    clips, n = len(x), weight.shape[2]
    y, sums = kernel_call(stem.stem_forward, (array(clips, *steps.n_out, n), array(clips, 2, n)), x, weight, **steps.numbers)
    return y, Norm.of(sums, y[..., 0].size, affine)


def convolved_back(steps: StemSteps, dr: jax.Array, y: jax.Array, norm: Norm, back: jax.Array, x: jax.Array, weight: jax.Array) -> Any:
    """The gradient of its weights from `dr`, that behind the ReLU."""
    found = kernel_call(stem.stem_backward, [array(len(x), *weight.shape)], dr, y, norm.entry, back[:, 0], x, **steps.numbers)
    return over_clips(found)


first.defvjp(_first_forward, _first_backward)


@partial(jax.custom_vjp, nondiff_argnums=(0,))
def over_all_bands(left: int, x: jax.Array, weight: jax.Array) -> jax.Array:
    """The last depthwise convolution: x (clips, frames, bands, n), weight (rows, bands, n) to (clips, frames, n)."""
    y: jax.Array = kernel_call(last.last_forward, [array(*x.shape[:2], x.shape[3])], x, weight, left=left)
    return y


def _last_forward(left: int, x: jax.Array, weight: jax.Array) -> tuple[jax.Array, tuple[jax.Array, jax.Array]]:
    return over_all_bands(left, x, weight), (x, weight)


def _last_backward(left: int, saved: tuple[jax.Array, jax.Array], dy: jax.Array) -> tuple[jax.Array, jax.Array]:
    x, weight = saved
    dx, dweight = kernel_call(last.last_backward, (array(*x.shape), array(len(x), *weight.shape)), dy, x, weight, left=left)
    return dx, over_clips(dweight)


over_all_bands.defvjp(_last_forward, _last_backward)
