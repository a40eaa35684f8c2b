"""What needs the whole clip, on (n_frames, n_features) values in frame order: normalisation, deltas, PCEN, affine map.

Sums over time are held in float64: thousands of frames of one sign would cost float32 its last digits.
"""

import numpy as np

from kwsfeat.kernels._jit import jit, stage

f32 = np.float32


@stage
def row_l1(x, n_features, total):
    """Each feature divided by the sum of its absolute values over time; all-zero features stay zero."""
    total[:n_features] = 0
    for t in range(x.shape[0]):
        for f in range(n_features):
            total[f] += abs(x[t, f])
    for f in range(n_features):
        total[f] = 1.0 / total[f] if total[f] > 0 else 1.0
    for t in range(x.shape[0]):
        for f in range(n_features):
            x[t, f] = f32(x[t, f] * total[f])


@stage
def standardize(x, n_features, divide, mean, variance):
    """Each feature's mean over time becomes 0 and, with `divide`, its standard deviation 1 (a constant feature becomes 0)."""
    n = x.shape[0]
    mean[:n_features] = 0
    variance[:n_features] = 0
    for t in range(n):
        for f in range(n_features):
            mean[f] += x[t, f]
    for f in range(n_features):
        mean[f] /= n
    for t in range(n):
        for f in range(n_features):
            x[t, f] = f32(x[t, f] - mean[f])
            variance[f] += x[t, f] * x[t, f]
    if divide:
        for f in range(n_features):
            variance[f] = 1.0 / max(np.sqrt(variance[f] / n), 1e-5)
        for t in range(n):
            for f in range(n_features):
                x[t, f] = f32(x[t, f] * variance[f])


@stage
def affine(x, mean, scale, add, factor, low, high):
    """x = clip(((x - mean) * scale + add) * factor, low, high); NaN stays NaN."""
    for t in range(x.shape[0]):
        for f in range(x.shape[1]):
            v = ((x[t, f] - mean[f]) * scale[f] + add) * factor
            v = low if v < low else v
            x[t, f] = high if v > high else v


@jit
def pcen(x, n_features, state, smoothing, gain, bias, power, eps):
    """Per-channel energy normalisation, in place.

    M[t] = (1 - s) M[t-1] + s E[t]; out = (E / (eps + M)^gain + bias)^power - bias^power. state (n_features,) float64 is M before
    the first frame (a clip begins with 1) and receives M after the last: frames may come in pieces of any size.
    Formula: Wang et al. 2017, "Trainable frontend"; initial state as in librosa 0.11's pcen.
    """
    for t in range(x.shape[0]):
        for f in range(n_features):
            state[f] += smoothing * (x[t, f] - state[f])
            smooth = np.exp(-gain * (np.log(eps) + np.log1p(state[f] / eps)))
            if bias > 0:  # the difference of two nearly equal powers, without their cancellation
                x[t, f] = f32(bias**power * np.expm1(power * np.log1p(x[t, f] * smooth / bias)))
            else:
                x[t, f] = f32((x[t, f] * smooth) ** power)


@jit
def deltas(x, source, column, n, weights, edge_weights):
    """Columns `column` .. + n of x receive the weighted sums over time of the n columns from `source` on.

    weights (width,): of the frames around t. edge_weights (width, width - 1): for each of the first and of the last width // 2
    frames, the weights of the first (last) `width` frames (librosa: the line through them); with no columns, the first and the
    last frame are repeated instead (HTK).
    """
    width, n_frames = weights.size, x.shape[0]
    h = width // 2
    for t in range(n_frames):
        first, w = t - h, weights
        if edge_weights.shape[1] and t < h:
            first, w = 0, edge_weights[:, t]
        elif edge_weights.shape[1] and t >= n_frames - h:
            first, w = n_frames - width, edge_weights[:, t - (n_frames - h) + h]
        for f in range(n):
            total = f32(0)
            for k in range(width):
                total += w[k] * x[min(max(first + k, 0), n_frames - 1), source + f]
            x[t, column + f] = total
