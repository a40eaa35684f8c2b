"""Mel scales and triangular filterbanks in every library's convention.

Pure design in float64, done once per configuration; the kernels apply the result.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from kwsfeat.errors import ConfigError
from kwsfeat.renamed import renamed

MelScale = Literal["slaney", "htk"]
TriangleDomain = Literal["hz", "mel", "bin"]
MelNorm = Literal["none", "slaney", "l1", "l2", "linf"]

# Slaney's Auditory Toolbox: linear below 1 kHz (200/3 Hz per mel), 27 logarithmic steps to 6.4 kHz above.
_LINEAR_HZ_PER_MEL = 200.0 / 3.0
_BREAK_HZ = 1000.0
_LOG_STEP = np.log(6.4) / 27.0

_MOST_WEIGHTS = 1 << 24


def hz_to_mel(hz: ArrayLike, mel_scale: MelScale = "slaney") -> NDArray[np.float64]:
    """Frequency in Hz to mel.

    Parameters
    ----------
    hz : array_like, >= 0
        Frequencies in Hz.
    mel_scale : {"slaney", "htk"}
        ``slaney`` is the Auditory Toolbox's scale (librosa's default); ``htk`` is ``2595 log10(1 + f/700)``
        (HTK Book 3.4, section 5.6; the same curve as Kaldi's ``1127 ln(1 + f/700)``).

    Returns
    -------
    mel : ndarray, float64, the shape of `hz`
    """
    hz = np.asarray(hz, np.float64)
    if mel_scale == "htk":
        return 2595.0 * np.log10(1.0 + hz / 700.0)
    above = _BREAK_HZ / _LINEAR_HZ_PER_MEL + np.log(np.maximum(hz, _BREAK_HZ) / _BREAK_HZ) / _LOG_STEP
    return np.where(hz < _BREAK_HZ, hz / _LINEAR_HZ_PER_MEL, above)


def mel_to_hz(mel: ArrayLike, mel_scale: MelScale = "slaney") -> NDArray[np.float64]:
    """Mel to frequency in Hz: the inverse of :func:`hz_to_mel`."""
    mel = np.asarray(mel, np.float64)
    if mel_scale == "htk":
        return 700.0 * (10.0 ** (mel / 2595.0) - 1.0)
    break_mel = _BREAK_HZ / _LINEAR_HZ_PER_MEL
    above = _BREAK_HZ * np.exp(_LOG_STEP * (np.maximum(mel, break_mel) - break_mel))
    return np.where(mel < break_mel, mel * _LINEAR_HZ_PER_MEL, above)


@renamed(formula="mel_scale", weights="triangle_domain")
def mel_filterbank(
    *,
    sr: int,
    n_fft: int,
    n_mels: int,
    fmin_hz: float = 0.0,
    fmax_hz: float | None = None,
    mel_scale: MelScale = "slaney",
    triangle_domain: TriangleDomain = "hz",
    norm: MelNorm = "slaney",
) -> NDArray[np.float32]:
    """Triangular filters, evenly spaced in mel.

    Parameters
    ----------
    sr : int, >= 1
        Sampling rate in Hz.
    n_fft : int, >= 2
        FFT length in samples; the spectrum has ``n_fft // 2 + 1`` bins.
    n_mels : int, >= 1
        Number of bands.
    fmin_hz, fmax_hz : float
        Lowest and highest edge in Hz, ``0 <= fmin_hz < fmax_hz <= sr / 2``; None is ``sr / 2``.
    mel_scale : {"slaney", "htk"}
        See :func:`hz_to_mel`.
    triangle_domain : {"hz", "mel", "bin"}
        Where the triangles have straight sides: over Hz (librosa, torchaudio), over mel (Kaldi, TensorFlow), or between
        edges rounded down to whole bins (python_speech_features).
    norm : {"none", "slaney", "l1", "l2", "linf"}
        ``slaney`` divides a band by half its width in Hz (equal area); ``l1``, ``l2`` and ``linf`` divide it by that norm.

    Returns
    -------
    mel_basis : ndarray, float32, shape (n_mels, n_fft // 2 + 1)

    Raises
    ------
    ConfigError
        If a value is out of bounds or a band holds no bin.

    Notes
    -----
    Formulas: librosa ``filters.mel``; Kaldi ``mel-computations.cc``; python_speech_features ``get_filterbanks``.

    Examples
    --------
    >>> mel_filterbank(sr=16000, n_fft=512, n_mels=40).shape
    (40, 257)
    """
    top_hz = sr / 2.0 if fmax_hz is None else float(fmax_hz)
    if n_mels < 1:
        raise ConfigError(f"n_mels={n_mels} must be >= 1")
    if n_mels * (n_fft // 2 + 1) > _MOST_WEIGHTS:
        raise ConfigError(
            f"n_mels={n_mels} bands over n_fft={n_fft} are more than {_MOST_WEIGHTS:,} weights: use fewer bands, or a smaller n_fft"
        )
    if not 0.0 <= fmin_hz < top_hz:
        raise ConfigError(f"fmin_hz={fmin_hz:g} must be >= 0 and below fmax_hz={top_hz:g}")
    if top_hz > sr / 2.0:
        raise ConfigError(f"fmax_hz={top_hz:g} must be <= sr / 2 = {sr / 2.0:g}: lower it, or record at a higher rate")
    edge_mel = np.linspace(hz_to_mel(fmin_hz, mel_scale), hz_to_mel(top_hz, mel_scale), n_mels + 2)
    edge_hz = mel_to_hz(edge_mel, mel_scale)
    bin_hz = np.arange(n_fft // 2 + 1) * (sr / n_fft)
    if triangle_domain == "hz":
        x, edges = bin_hz, edge_hz
    elif triangle_domain == "mel":
        x, edges = hz_to_mel(bin_hz, mel_scale), edge_mel
    else:
        # an edge that is a whole bin must not fall to the one below by the last bit of mel_to_hz(hz_to_mel(f))
        x, edges = np.arange(n_fft // 2 + 1, dtype=np.float64), np.floor((n_fft + 1) * edge_hz / sr + 1e-9)
    with np.errstate(divide="ignore", invalid="ignore"):
        rising = (x[None] - edges[:-2, None]) / np.diff(edges)[:-1, None]
        falling = (edges[2:, None] - x[None]) / np.diff(edges)[1:, None]
    basis = np.nan_to_num(np.maximum(0.0, np.minimum(rising, falling)), posinf=0.0)
    if triangle_domain == "bin":  # two edges may fall into one bin: that side of the triangle is then upright
        left, peak, right = (edges[i : n_mels + i, None] for i in range(3))
        basis = np.where((x >= left) & (x < peak), np.nan_to_num(rising, posinf=0.0), 0.0)
        basis += np.where((x >= peak) & (x < right), np.nan_to_num(falling, posinf=0.0), 0.0)
    empty = np.flatnonzero(basis.max(axis=1) <= 0.0)
    if empty.size:
        low, high = edge_hz[empty[0]], edge_hz[empty[0] + 2]
        raise ConfigError(
            f"n_mels={n_mels} leaves {empty.size} of the bands without an FFT bin (the first is band {empty[0]}, {low:.0f} to "
            f"{high:.0f} Hz, bins are {sr / n_fft:.1f} Hz apart): use fewer bands, a larger n_fft (now {n_fft}) or a higher fmin_hz"
        )
    if norm == "slaney":
        basis *= (2.0 / (edge_hz[2:] - edge_hz[:-2]))[:, None]
    elif norm != "none":
        order = {"l1": 1, "l2": 2, "linf": np.inf}[norm]
        basis /= np.linalg.norm(basis, ord=order, axis=1, keepdims=True)
    return basis.astype(np.float32)


def filter_runs(basis: NDArray[np.float32]) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float32]]:
    """A filterbank without its zeros: each band is a run of bins.

    Parameters
    ----------
    basis : ndarray, float32, shape (n_mels, n_bins)
        As from :func:`mel_filterbank`; no band is empty.

    Returns
    -------
    first, count : ndarray, int64, shape (n_mels,)
        Each band's first bin and its number of bins.
    weights : ndarray, float32, shape (sum of count,)
        Of one band after the other.
    """
    first = (basis != 0).argmax(axis=1)
    end = basis.shape[1] - (basis[:, ::-1] != 0).argmax(axis=1)
    weights = np.concatenate([row[a:b] for row, a, b in zip(basis, first, end, strict=True)])
    return first.astype(np.int64), (end - first).astype(np.int64), weights
