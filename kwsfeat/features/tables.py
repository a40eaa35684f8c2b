"""The numbers that a front end computes with: windows, filters and factors. The plan of the kernels is made of them, and so are exports."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kwsfeat.config.features import FeatureConfig
from kwsfeat.design.dct import dct_matrix, lifter_weights
from kwsfeat.design.delta import delta_weights
from kwsfeat.design.mel import mel_filterbank
from kwsfeat.design.pcen import pcen_smoothing
from kwsfeat.design.windows import analysis_window, power_scale, window_in_frame

_LOG_FACTOR = {"ln": 1.0, "log10": 1.0 / math.log(10.0), "db": 10.0 / math.log(10.0), "none": 1.0, "pcen": 1.0}
_FLOAT32_EPSILON = 1.1920929e-07


@dataclass(frozen=True)
class FrontEndTables:
    """What :func:`front_end_tables` gives. A table that the configuration does not use is empty.

    Parameters
    ----------
    window : ndarray, float64, shape (n_fft,)
        Of a frame, with the square root of the spectrum's norm in it.
    pad_left : int
        Samples of edge before the first frame.
    mel : ndarray, float32, shape (n_mels, 1 + n_fft // 2)
        Weights of the bins.
    dct : ndarray, float64, shape (n_mfcc, n_mels)
        The cosine transform, liftered.
    log_factor, log_shift : float
        Of ``log_factor * ln(x) + log_shift``.
    top : float
        `top_db` in the unit of the logarithm; 0 is off.
    energy_gain, energy_floor : float
        What a windowed frame's energy is multiplied by to be without the spectrum's norm; smallest energy before the logarithm.
    delta, delta_ends : ndarray, float64, shape (2, width), (2, width, n)
        Weights of :func:`delta_weights`.
    smoothing : float
        Coefficient of PCEN's smoother.

    Examples
    --------
    >>> from kwsfeat import front_end_tables, preset
    >>> front_end_tables(preset("mfcc")).dct.shape
    (13, 40)
    """

    window: NDArray[np.float64]
    pad_left: int
    mel: NDArray[np.float32]
    dct: NDArray[np.float64]
    log_factor: float
    log_shift: float
    top: float
    energy_gain: float
    energy_floor: float
    delta: NDArray[np.float64]
    delta_ends: NDArray[np.float64]
    smoothing: float


def front_end_tables(config: FeatureConfig) -> FrontEndTables:
    """What a runtime without kwsfeat needs to compute the same features.

    Parameters
    ----------
    config : FeatureConfig
        Of the features.

    Returns
    -------
    FrontEndTables
        Windows, filters and factors.

    Examples
    --------
    >>> from kwsfeat import front_end_tables, preset
    >>> tables = front_end_tables(preset("logmel"))
    >>> tables.window.shape, tables.mel.shape, tables.pad_left
    ((512,), (40, 257), 256)
    """
    c = config
    window, scale = _window(c)
    factor = _LOG_FACTOR[c.log]
    logarithmic = c.log in ("ln", "log10", "db") and c.output != "waveform"
    reference = 1.0 if c.log_ref == "max" else float(c.log_ref)
    delta, delta_ends = delta_weights(c.delta_width, c.delta_kind)
    return FrontEndTables(
        window=window,
        pad_left=_pad_left(c),
        mel=_mel_basis(c) if c.output in ("mel", "mfcc") else np.zeros((0, c.n_fft // 2 + 1), np.float32),
        dct=_dct(c) if c.output == "mfcc" else np.zeros((0, c.n_mels)),
        log_factor=factor,
        log_shift=-factor * math.log(reference) if logarithmic else 0.0,
        top=c.top_db / 10.0 * math.log(10.0) * factor if logarithmic and c.top_db is not None else 0.0,
        energy_gain=1.0 / scale,
        energy_floor=max(c.energy_floor, _FLOAT32_EPSILON),
        delta=delta,
        delta_ends=delta_ends,
        smoothing=pcen_smoothing(c.pcen_time_s, sr=c.sr, hop_length=c.hop_length),
    )


def _pad_left(c: FeatureConfig) -> int:
    if c.output == "waveform":
        return 0
    if c.framing in ("zero", "reflect"):
        return c.n_fft // 2
    return c.frame_length // 2 - c.hop_length // 2 if c.framing == "symmetric" else 0


def _window(c: FeatureConfig) -> tuple[NDArray[np.float64], float]:
    """The window inside n_fft samples with the spectrum's norm folded in, and that norm as a factor on the power."""
    if c.output == "waveform":
        return np.zeros(4), 1.0  # the shortest FFT; it is not run
    window = analysis_window(c.window, c.win_length)
    scale = power_scale(c.spectrum_norm, window, n_fft=c.n_fft, sr=c.sr)
    return window_in_frame(window, c.n_fft, c.window_align) * math.sqrt(scale), scale


def _mel_basis(c: FeatureConfig) -> NDArray[np.float32]:
    return mel_filterbank(
        sr=c.sr, n_fft=c.n_fft, n_mels=c.n_mels, fmin_hz=c.fmin_hz, fmax_hz=c.fmax_hz,
        mel_scale=c.mel_scale, triangle_domain=c.triangle_domain, norm=c.mel_norm,
    )  # fmt: skip


def _dct(c: FeatureConfig) -> NDArray[np.float64]:
    return dct_matrix(c.n_mfcc, c.n_mels, c.dct_norm) * lifter_weights(c.n_mfcc, c.lifter, c.lifter_kind)[:, None]
