"""Cepstra and their slopes, for use without a FeatureConfig."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from kwsfeat.audio.waveform import require_finite
from kwsfeat.config.features import FeatureConfig, Framing
from kwsfeat.design.delta import delta_weights
from kwsfeat.design.mel import MelNorm, MelScale, TriangleDomain
from kwsfeat.design.windows import Window
from kwsfeat.errors import ConfigError
from kwsfeat.features.spectral import any_length, as_clip, cached_front_end
from kwsfeat.kernels.spectrum import postprocess as post
from kwsfeat.renamed import renamed


@renamed(edges="framing", formula="mel_scale", weights="triangle_domain")
def mfcc(
    y: ArrayLike,
    *,
    sr: int = 16000,
    n_mfcc: int = 20,
    n_fft: int = 2048,
    hop_length: int | None = None,
    win_length: int | None = None,
    window: Window = "hann",
    framing: Framing = "zero",
    n_mels: int = 128,
    fmin_hz: float = 0.0,
    fmax_hz: float | None = None,
    mel_scale: MelScale = "slaney",
    triangle_domain: TriangleDomain = "hz",
    norm: MelNorm = "slaney",
    dct_norm: Literal["ortho", "htk", "none"] = "ortho",
    lifter: float = 0.0,
    log: Literal["db", "ln", "log10", "none"] = "db",
    top_db: float | None = 80.0,
    check_finite: bool = True,
) -> NDArray[np.float32]:
    """Mel-frequency cepstral coefficients.

    Parameters
    ----------
    y : array_like, shape (n_samples,)
        Mono waveform, n_samples >= 1.
    sr : int, >= 1
        Sampling rate in Hz.
    n_mfcc : int, in 1 .. n_mels
        Coefficients to keep.
    n_fft, hop_length, win_length, window, framing, n_mels, fmin_hz, fmax_hz, mel_scale, triangle_domain, norm
        As for :func:`kwsfeat.melspectrogram`.
    dct_norm : {"ortho", "htk", "none"}
        Scale of the DCT-II; librosa's is ``ortho``.
    lifter : float, >= 0
        librosa's lifter ``1 + L/2 sin(pi (n + 1) / L)``; 0 is off.
    log : {"db", "ln", "log10", "none"}
        What the DCT is taken of: the power mel itself with ``none`` (the preset mfcc75-power).
    top_db : float > 0, optional
        As :func:`kwsfeat.power_to_db`; without effect for ``none``.
    check_finite : bool
        Refuse NaN and infinity.

    Returns
    -------
    coefficients : ndarray, float32, shape (n_frames, n_mfcc)
        The transpose of librosa 0.11's ``feature.mfcc`` with the defaults.

    Raises
    ------
    ConfigError
        If a choice or a length is out of bounds.
    AudioError
        If `y` is empty, not one-dimensional, or not finite.

    Examples
    --------
    >>> import numpy as np
    >>> y = np.sin(2 * np.pi * 440 * np.arange(16000) / 16000)
    >>> mfcc(y, sr=16000, n_mfcc=13, n_fft=1024, hop_length=160).shape
    (101, 13)
    """
    config = FeatureConfig(
        sr=sr, n_samples=any_length(n_fft, hop_length), n_fft=n_fft, hop_length=hop_length or n_fft // 4,
        win_length=win_length or n_fft, window=window, framing=framing,
        n_mels=n_mels, fmin_hz=fmin_hz, fmax_hz=fmax_hz, mel_scale=mel_scale, triangle_domain=triangle_domain, mel_norm=norm,
        output="mfcc", n_mfcc=n_mfcc, dct_norm=dct_norm, lifter=lifter, lifter_kind="librosa", log=log, log_floor=1e-10,
        top_db=None if log == "none" else top_db,
    )  # fmt: skip
    return cached_front_end(config).extract_recording(as_clip(y), check_finite=check_finite)


def delta(
    x: ArrayLike, *, width: int = 9, order: int = 1, kind: Literal["librosa", "htk"] = "librosa", check_finite: bool = True
) -> NDArray[np.float32]:
    """Slope of features over time.

    Parameters
    ----------
    x : array_like, shape (n_frames, n_features)
        Features, frames first.
    width : int, odd, 3 to 9999
        Frames that a slope is taken over; ``librosa`` needs n_frames >= width.
    order : {1, 2}
        First or second derivative.
    kind : {"librosa", "htk"}
        ``librosa``: Savitzky-Golay polynomial of degree `order`, also at the ends (librosa 0.11's ``feature.delta``). ``htk``: the
        regression of the HTK Book 3.4, equation 5.16, with repeated end frames, applied `order` times.
    check_finite : bool
        Refuse NaN and infinity.

    Returns
    -------
    slope : ndarray, float32, shape (n_frames, n_features)

    Raises
    ------
    ConfigError
        If a choice is out of bounds, or `x` has another shape or too few frames.
    AudioError
        If `x` is not finite.

    Examples
    --------
    >>> import numpy as np
    >>> rising = 2.0 * np.arange(9)[:, None]
    >>> delta(rising).ravel().round(3)
    array([2., 2., 2., 2., 2., 2., 2., 2., 2.], dtype=float32)
    """
    features = np.asarray(x, np.float32)
    if features.ndim != 2:
        raise ConfigError(f"x has shape {features.shape} and must have (n_frames, n_features)")
    if not 3 <= width <= 9999 or width % 2 == 0:
        raise ConfigError(f"width={width} must be odd, >= 3 and <= 9,999")
    if order not in (1, 2):
        raise ConfigError(f"order={order} must be 1 or 2")
    if kind == "librosa" and features.shape[0] < width:
        raise ConfigError(f"width={width} must be <= n_frames={features.shape[0]}: choose a narrower one, or kind 'htk'")
    require_finite(features, "x", check_finite)
    weights, ends = (np.ascontiguousarray(w, np.float32) for w in delta_weights(width, kind))
    n = features.shape[1]
    columns = np.zeros((features.shape[0], n * (1 + order)), np.float32)
    columns[:, :n] = features
    for k in range(order):
        post.deltas(columns, k * n if kind == "htk" else 0, (k + 1) * n, n, weights[k], ends[k])
    return np.ascontiguousarray(columns[:, order * n :])
