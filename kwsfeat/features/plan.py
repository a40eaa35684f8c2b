"""A FeatureConfig, translated into the plan that the kernels run on."""

from __future__ import annotations

import math

import numpy as np

from kwsfeat.config.features import FeatureConfig
from kwsfeat.design.mel import filter_runs
from kwsfeat.features.tables import front_end_tables
from kwsfeat.kernels._jit import LANES
from kwsfeat.kernels.spectrum import frames
from kwsfeat.kernels.spectrum import plan as kernel

_KINDS = {"waveform": kernel.WAVEFORM, "spectrum": kernel.SPECTRUM, "mel": kernel.MEL, "mfcc": kernel.MFCC}
_EDGES = {"zero": frames.ZERO, "reflect": frames.REFLECT, "symmetric": frames.SYMMETRIC, "none": frames.ZERO, "end": frames.ZERO}
_ENERGY = {"none": 0, "raw": 1, "windowed": 2}
_NORMALIZE = {"none": 0, "row-l1": kernel.ROW_L1, "mean": kernel.MEAN, "mean-variance": kernel.MEAN_VARIANCE, "global": 0}


def make_plan(config: FeatureConfig) -> kernel.Plan:
    """Everything that can be computed before the first sample, whatever the length of the clips."""
    c = config
    waveform = c.output == "waveform"
    hop = 1 if waveform else c.hop_length
    span = 1 if waveform else c.frame_length
    overlap = -(-span // hop) - 1
    tables = front_end_tables(c)
    logarithmic = c.log in ("ln", "log10", "db") and not waveform
    low, high = c.post_clip or (-math.inf, math.inf)
    is_global = c.normalize == "global"
    settings = kernel.Settings(
        kind=_KINDS[c.output],
        hop=hop,
        overlap=overlap,
        width=LANES * (1 + -(-overlap // LANES)),
        frame_length=span,
        pad_left=tables.pad_left,
        edges=_EDGES[c.framing],
        scale=c.input_scale,
        peak_normalize=c.peak_normalize,
        preemph=c.preemph if c.preemph_mode == "clip" else 0.0,
        prepare=not waveform and (c.remove_dc or c.energy != "none" or (c.preemph != 0.0 and c.preemph_mode == "frame")),
        remove_dc=c.remove_dc,
        frame_preemph=c.preemph if c.preemph_mode == "frame" else 0.0,
        energy=_ENERGY[c.energy],
        energy_gain=tables.energy_gain,
        energy_floor=tables.energy_floor,
        energy_last=c.energy_last,
        magnitude=c.spectrum == "magnitude",
        density=c.spectrum_norm == "density",
        logarithm=logarithmic,
        floor=c.log_floor,
        offset=c.log_offset,
        factor=tables.log_factor,
        shift=tables.log_shift,
        ref_max=logarithmic and c.log_ref == "max",
        top=tables.top,
        pcen=c.log == "pcen" and not waveform,
        pcen_smoothing=tables.smoothing,
        pcen_gain=c.pcen_gain,
        pcen_bias=c.pcen_bias,
        pcen_power=c.pcen_power,
        pcen_eps=c.pcen_eps,
        n_base=1 if waveform else c.n_features // (1 + c.deltas),
        n_deltas=0 if waveform else c.deltas,
        htk_deltas=c.delta_kind == "htk",
        delta_width=c.delta_width,
        n_delta_edges=tables.delta_ends.shape[2],
        normalize=_NORMALIZE[c.normalize],
        affine=is_global or c.post_add != 0.0 or c.post_divide != 1.0 or c.post_clip is not None,
        post_add=c.post_add,
        post_factor=1.0 / c.post_divide,
        post_low=low,
        post_high=high,
    )
    return kernel.build_plan(
        settings,
        window=tables.window.astype(np.float32),
        mel=filter_runs(tables.mel) if c.output in ("mel", "mfcc") else kernel.NO_BANDS,
        dct=tables.dct.astype(np.float32).ravel(),
        delta=tables.delta.astype(np.float32),
        delta_edges=np.ascontiguousarray(tables.delta_ends, np.float32),
        mean=np.array(c.global_mean if is_global else [0.0] * c.n_features, np.float32),
        gain=1.0 / np.array(c.global_std if is_global else [1.0] * c.n_features, np.float32),
    )
