"""Mean and squared deviations of features over frames, in float64."""

from __future__ import annotations

from kwsfeat.kernels._jit import jit


@jit
def moments(x, rows, mean, m2):
    """The mean of each feature, and the sum of its squared deviations from it, over all frames of some clips.

    `x` is float32 (n_clips, n_frames, n_features), `rows` int64 (n >= 1,); `mean` and `m2` are float64 (n_features,), zero before.
    """
    n_frames, n_features = x.shape[1:]
    for row in rows:
        for i in range(n_features):
            total = 0.0
            for frame in range(n_frames):
                total += x[row, frame, i]
            mean[i] += total
    for i in range(n_features):
        mean[i] /= len(rows) * n_frames
    for row in rows:
        for i in range(n_features):
            total = 0.0
            for frame in range(n_frames):
                deviation = x[row, frame, i] - mean[i]
                total += deviation * deviation
            m2[i] += total
