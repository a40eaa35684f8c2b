"""The last step of the front end, for frames that come in pieces."""

from kwsfeat.kernels._jit import jit
from kwsfeat.kernels.spectrum import postprocess as post


@jit
def affine(x, mean, gain, add, factor, low, high):
    """x (n_frames, n_features) = clip(((x - mean) * gain + add) * factor, low, high), in place."""
    post.affine(x, mean, gain, add, factor, low, high)
