"""The last steps of the front end, for frames that come in pieces: denormals are flushed as `extract` flushes them, for the same bits."""

from kwsfeat.kernels._jit import jit
from kwsfeat.kernels.simd import flush_denormals, restore_denormals
from kwsfeat.kernels.spectrum import postprocess as post


@jit
def pcen(x, n_features, state, smoothing, gain, bias, power, eps):
    """Per-channel energy normalisation of the next frames, in place, as `postprocess.pcen` has them."""
    before = flush_denormals()
    post.pcen(x, n_features, state, smoothing, gain, bias, power, eps)
    restore_denormals(before)


@jit
def deltas(x, source, column, n, weights, edge_weights):
    """Differences over time of a window of frames, in place, as `postprocess.deltas` has them."""
    before = flush_denormals()
    post.deltas(x, source, column, n, weights, edge_weights)
    restore_denormals(before)


@jit
def affine(x, mean, gain, add, factor, low, high):
    """x (n_frames, n_features) = clip(((x - mean) * gain + add) * factor, low, high), in place."""
    before = flush_denormals()
    post.affine(x, mean, gain, add, factor, low, high)
    restore_denormals(before)
