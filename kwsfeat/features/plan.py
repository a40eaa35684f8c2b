"""FeatureConfig to the tables and numbers that the kernels run on."""

from __future__ import annotations

import math
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from kwsfeat.config.features import FeatureConfig
from kwsfeat.design.mel import mel_filterbank
from kwsfeat.design.windows import analysis_window
from kwsfeat.kernels._jit import LANES
from kwsfeat.kernels.fft.real import fft_plan
from kwsfeat.kernels.spectrum import frames
from kwsfeat.kernels.spectrum import front_end as kernel

_KINDS = {"waveform": kernel.WAVEFORM, "spectrum": kernel.SPECTRUM, "mel": kernel.MEL, "mfcc": kernel.MFCC}
_EDGES = {"zero": frames.ZERO, "reflect": frames.REFLECT, "symmetric": frames.SYMMETRIC, "none": frames.ZERO, "end": frames.ZERO}
_NORMALIZE = {"none": 0, "row-l1": kernel.ROW_L1, "mean": kernel.MEAN, "mean-variance": kernel.MEAN_VARIANCE, "global": 0}
_LOG_FACTOR = {"ln": 1.0, "log10": 1.0 / math.log(10.0), "db": 10.0 / math.log(10.0), "none": 1.0, "pcen": 1.0}
_FLOAT32_EPSILON = 1.1920929e-07


def make_plan(config: FeatureConfig) -> kernel.Plan:
    """Everything that can be computed before the first sample; lengths and shapes are fixed by it."""
    c = config
    waveform = c.kind == "waveform"
    hop = 1 if waveform else c.hop_length
    n_fft = 4 if waveform else c.n_fft
    span = 1 if waveform else c.frame_length
    overlap = -(-span // hop) - 1
    width = LANES * (1 + -(-overlap // LANES))
    window, energy_gain = _scaled_window(c, n_fft)
    prepare = not waveform and (c.remove_dc or c.energy != "none" or (c.preemph != 0.0 and c.preemph_mode == "frame"))
    k = np.arange(n_fft)
    row_offsets = np.where(k < span, k % hop * width + k // hop, 0)
    first, count, weights = (
        _sparse_mel(c) if c.kind in ("mel", "mfcc") else (np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0, np.float32))
    )
    logarithmic = c.log in ("ln", "log10", "db") and not waveform
    factor = _LOG_FACTOR[c.log]
    reference = 1.0 if c.log_ref == "max" else float(c.log_ref)
    delta, delta_edges = delta_weights(c.delta_width, c.delta_kind)
    low, high = c.post_clip or (-math.inf, math.inf)
    is_global = c.normalize == "global"
    settings = kernel.Settings(
        kind=_KINDS[c.kind],
        hop=hop,
        n_rows=c.n_frames + overlap,
        width=width,
        frame_length=span,
        pad_left=_pad_left(c),
        edges=_EDGES[c.edges],
        scale=c.input_scale,
        peak_normalize=c.peak_normalize,
        preemph=c.preemph if c.preemph_mode == "clip" else 0.0,
        prepare=prepare,
        remove_dc=c.remove_dc,
        frame_preemph=c.preemph if c.preemph_mode == "frame" else 0.0,
        energy={"none": 0, "raw": 1, "windowed": 2}[c.energy],
        energy_gain=energy_gain,
        energy_floor=max(c.energy_floor, _FLOAT32_EPSILON),
        energy_last=c.energy_last,
        magnitude=c.spectrum == "magnitude",
        density=c.spectrum_norm == "density",
        logarithm=logarithmic,
        floor=c.log_floor,
        offset=c.log_offset,
        factor=factor,
        shift=-factor * math.log(reference) if logarithmic else 0.0,
        ref_max=logarithmic and c.log_ref == "max",
        top=c.top_db / 10.0 * math.log(10.0) * factor if logarithmic and c.top_db is not None else 0.0,
        pcen=c.log == "pcen" and not waveform,
        pcen_smoothing=_pcen_smoothing(c),
        pcen_gain=c.pcen_gain,
        pcen_bias=c.pcen_bias,
        pcen_power=c.pcen_power,
        pcen_eps=c.pcen_eps,
        n_base=c.n_features // (1 + c.deltas),
        n_deltas=0 if waveform else c.deltas,
        htk_deltas=c.delta_kind == "htk",
        delta_width=c.delta_width,
        n_delta_edges=delta_edges.shape[2],
        normalize=_NORMALIZE[c.normalize],
        affine=is_global or c.post_add != 0.0 or c.post_divide != 1.0 or c.post_clip is not None,
        post_add=c.post_add,
        post_factor=1.0 / c.post_divide,
        post_low=low,
        post_high=high,
    )
    return kernel.Plan(
        settings,
        fft_plan(n_fft),
        window.astype(np.float32),
        k * LANES if prepare else row_offsets,
        row_offsets,
        first,
        count,
        weights,
        _dct_matrix(c).astype(np.float32).ravel() if c.kind == "mfcc" else np.zeros(0, np.float32),
        delta,
        delta_edges,
        np.array(c.global_mean if is_global else [0.0] * c.n_features, np.float32),
        1.0 / np.array(c.global_std if is_global else [1.0] * c.n_features, np.float32),
    )


def block_size(plan: kernel.Plan) -> int:
    """Clips that are worked on together: as many as keep a thread's memory in the second-level cache, at least one."""
    s = plan.settings
    n_bands = plan.fft.n_fft // 2 + 1 if s.kind == kernel.SPECTRUM else plan.mel_first.size
    bytes_per_clip = 4 * s.n_rows * (s.hop + n_bands)
    return min(16, max(1, 400_000 // bytes_per_clip))


def _pad_left(c: FeatureConfig) -> int:
    if c.kind == "waveform":
        return 0
    if c.edges in ("zero", "reflect"):
        return c.n_fft // 2
    return c.frame_length // 2 - c.hop_length // 2 if c.edges == "symmetric" else 0


def _scaled_window(c: FeatureConfig, n_fft: int) -> tuple[NDArray[np.float64], float]:
    """The window inside n_fft samples with the spectrum's norm folded in, and the factor that undoes it for an energy."""
    padded = np.zeros(n_fft)
    if c.kind == "waveform":
        return padded, 1.0
    window = analysis_window(c.window, c.win_length)
    left = (n_fft - c.win_length) // 2 if c.window_align == "center" else 0
    padded[left : left + c.win_length] = window
    energy = float(np.sum(window**2))
    power_scale = {
        "none": 1.0,
        "window": 1.0 / energy,
        "win_length": 1.0 / c.win_length,
        "n_fft": 1.0 / c.n_fft,
        "density": 2.0 / (c.sr * energy),
    }[c.spectrum_norm]
    return padded * math.sqrt(power_scale), 1.0 / power_scale


def _sparse_mel(c: FeatureConfig) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float32]]:
    """Each band's first bin, number of bins, and all weights one band after the other."""
    basis = mel_filterbank(
        sr=c.sr, n_fft=c.n_fft, n_mels=c.n_mels, fmin_hz=c.fmin_hz, fmax_hz=c.fmax_hz,
        formula=c.mel_formula, weights=c.mel_weights, norm=c.mel_norm,
    )  # fmt: skip
    runs = [(np.flatnonzero(row)[0], np.flatnonzero(row)[-1] + 1) for row in basis]
    weights = np.concatenate([row[a:b] for row, (a, b) in zip(basis, runs, strict=True)])
    first, end = np.array(runs, np.int64).T
    return np.ascontiguousarray(first), np.ascontiguousarray(end - first), weights


def _dct_matrix(c: FeatureConfig) -> NDArray[np.float64]:
    """DCT-II (n_mfcc, n_mels) with the norm and the lifter; Davis & Mermelstein 1980, HTK Book 3.4 section 5.6."""
    n = np.arange(c.n_mfcc)[:, None]
    matrix = np.cos(np.pi * n * (np.arange(c.n_mels) + 0.5) / c.n_mels) * {"none": 2.0}.get(c.dct_norm, math.sqrt(2.0 / c.n_mels))
    if c.dct_norm == "ortho":
        matrix[0] *= math.sqrt(0.5)
    if c.lifter > 0:
        matrix *= 1.0 + c.lifter / 2.0 * np.sin(np.pi * (n + (c.lifter_kind == "librosa")) / c.lifter)
    return matrix


def _pcen_smoothing(c: FeatureConfig) -> float:
    """The filter coefficient of a time constant, as librosa 0.11's pcen derives it."""
    n_frames = c.pcen_time_s * c.sr / c.hop_length
    return (math.sqrt(1.0 + 4.0 * n_frames**2) - 1.0) / (2.0 * n_frames**2)


def delta_weights(width: int, kind: Literal["librosa", "htk"]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Weights (2, width) of first and second order, and (2, width, width - 1) of librosa's frames near the two ends."""
    h = width // 2
    if kind == "htk":
        slope = np.arange(-h, h + 1) / (2.0 * np.sum(np.arange(1, h + 1) ** 2))
        return np.array([slope, slope], np.float32), np.zeros((2, width, 0), np.float32)
    positions = [*range(h), *range(h + 1, width)]
    weights = np.array([savgol_weights(width, order, h) for order in (1, 2)], np.float32)
    edges = np.array([[savgol_weights(width, order, p) for p in positions] for order in (1, 2)], np.float32)
    return weights, np.ascontiguousarray(edges.transpose(0, 2, 1))


def savgol_weights(width: int, order: int, position: int) -> NDArray[np.float64]:
    """Weights (width,) whose sum with `width` values is the `order`-th derivative of their least-squares polynomial at `position`.

    Savitzky & Golay 1964; the polynomial has the degree `order`, as in ``librosa.feature.delta``.
    """
    t = np.arange(width) - position
    derivatives: NDArray[np.float64] = np.linalg.pinv(np.vander(t, order + 1, increasing=True).astype(np.float64))
    weights: NDArray[np.float64] = math.factorial(order) * derivatives[order]
    return weights
