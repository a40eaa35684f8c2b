"""A FeatureConfig, translated into the plan that the kernels run on."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from kwsfeat.config.features import FeatureConfig
from kwsfeat.design.dct import dct_matrix, lifter_weights
from kwsfeat.design.delta import delta_weights
from kwsfeat.design.mel import filter_runs, mel_filterbank
from kwsfeat.design.pcen import pcen_smoothing
from kwsfeat.design.windows import analysis_window, power_scale, window_in_frame
from kwsfeat.kernels._jit import LANES
from kwsfeat.kernels.spectrum import frames
from kwsfeat.kernels.spectrum import plan as kernel

_KINDS = {"waveform": kernel.WAVEFORM, "spectrum": kernel.SPECTRUM, "mel": kernel.MEL, "mfcc": kernel.MFCC}
_EDGES = {"zero": frames.ZERO, "reflect": frames.REFLECT, "symmetric": frames.SYMMETRIC, "none": frames.ZERO, "end": frames.ZERO}
_ENERGY = {"none": 0, "raw": 1, "windowed": 2}
_NORMALIZE = {"none": 0, "row-l1": kernel.ROW_L1, "mean": kernel.MEAN, "mean-variance": kernel.MEAN_VARIANCE, "global": 0}
_LOG_FACTOR = {"ln": 1.0, "log10": 1.0 / math.log(10.0), "db": 10.0 / math.log(10.0), "none": 1.0, "pcen": 1.0}
_FLOAT32_EPSILON = 1.1920929e-07


def make_plan(config: FeatureConfig) -> kernel.Plan:
    """Everything that can be computed before the first sample, whatever the length of the clips."""
    c = config
    waveform = c.output == "waveform"
    hop = 1 if waveform else c.hop_length
    span = 1 if waveform else c.frame_length
    overlap = -(-span // hop) - 1
    window, scale = _window(c)
    logarithmic = c.log in ("ln", "log10", "db") and not waveform
    factor = _LOG_FACTOR[c.log]
    reference = 1.0 if c.log_ref == "max" else float(c.log_ref)
    delta, delta_edges = delta_weights(c.delta_width, c.delta_kind)
    low, high = c.post_clip or (-math.inf, math.inf)
    is_global = c.normalize == "global"
    settings = kernel.Settings(
        kind=_KINDS[c.output],
        hop=hop,
        overlap=overlap,
        width=LANES * (1 + -(-overlap // LANES)),
        frame_length=span,
        pad_left=_pad_left(c),
        edges=_EDGES[c.framing],
        scale=c.input_scale,
        peak_normalize=c.peak_normalize,
        preemph=c.preemph if c.preemph_mode == "clip" else 0.0,
        prepare=not waveform and (c.remove_dc or c.energy != "none" or (c.preemph != 0.0 and c.preemph_mode == "frame")),
        remove_dc=c.remove_dc,
        frame_preemph=c.preemph if c.preemph_mode == "frame" else 0.0,
        energy=_ENERGY[c.energy],
        energy_gain=1.0 / scale,
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
        pcen_smoothing=pcen_smoothing(c.pcen_time_s, sr=c.sr, hop_length=c.hop_length),
        pcen_gain=c.pcen_gain,
        pcen_bias=c.pcen_bias,
        pcen_power=c.pcen_power,
        pcen_eps=c.pcen_eps,
        n_base=1 if waveform else c.n_features // (1 + c.deltas),
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
    return kernel.build_plan(
        settings,
        window=window.astype(np.float32),
        mel=filter_runs(_mel_basis(c)) if c.output in ("mel", "mfcc") else kernel.NO_BANDS,
        dct=_dct(c).astype(np.float32).ravel() if c.output == "mfcc" else np.zeros(0, np.float32),
        delta=delta.astype(np.float32),
        delta_edges=np.ascontiguousarray(delta_edges, np.float32),
        mean=np.array(c.global_mean if is_global else [0.0] * c.n_features, np.float32),
        gain=1.0 / np.array(c.global_std if is_global else [1.0] * c.n_features, np.float32),
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
