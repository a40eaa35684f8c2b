"""What the front end's kernel runs on: numbers and tables (Plan), and memory (Scratch). Neither knows how long a clip is."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from kwsfeat.kernels._jit import LANES
from kwsfeat.kernels.fft.real import FftPlan, fft_plan
from kwsfeat.kernels.pointer_table import check_sizes, pointer_record
from kwsfeat.kernels.simd import aligned

WAVEFORM, SPECTRUM, MEL, MFCC = 0, 1, 2, 3
ROW_L1, MEAN, MEAN_VARIANCE = 1, 2, 3


NO_BANDS = np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0, np.float32)


class Settings(NamedTuple):
    """The numbers of a front end."""

    kind: int
    hop: int
    overlap: int  # rows of hop samples that a clip has beyond its frames
    width: int  # columns of the transposed rows: a multiple of LANES
    frame_length: int
    pad_left: int
    edges: int
    scale: float
    peak_normalize: bool
    preemph: float  # of the clip
    prepare: bool  # frames need remove_dc, pre-emphasis in the frame, or energy
    remove_dc: bool
    frame_preemph: float
    energy: int  # 0 none, 1 raw, 2 windowed
    energy_gain: float  # undoes the spectrum's norm, which lives in the window
    energy_floor: float
    energy_last: bool
    magnitude: bool
    density: bool  # one-sided: the first and (even n_fft) last bin count once
    logarithm: bool
    floor: float
    offset: float
    factor: float
    shift: float
    ref_max: bool
    top: float  # distance of the threshold below the largest value, in output units; 0 is off
    pcen: bool
    pcen_smoothing: float
    pcen_gain: float
    pcen_bias: float
    pcen_power: float
    pcen_eps: float
    n_base: int  # values of a frame before deltas
    n_deltas: int
    htk_deltas: bool
    delta_width: int
    n_delta_edges: int
    normalize: int
    affine: bool
    post_add: float
    post_factor: float
    post_low: float
    post_high: float


class Plan(NamedTuple):
    """Settings and tables of a front end; read-only and shared by all threads. Build with :func:`build_plan`."""

    settings: Settings
    fft: FftPlan
    window: NDArray[np.float32]  # (n_fft,), scaled by the spectrum's norm
    sources: NDArray[np.int64]  # (n_fft,) where sample k of the frames lies
    row_offsets: NDArray[np.int64]  # (n_fft,) the same in the transposed rows, when frames are prepared
    mel_first: NDArray[np.int64]  # (n_mels,) bins
    mel_count: NDArray[np.int64]  # (n_mels,)
    mel_weights: NDArray[np.float32]  # those of one band after the other
    dct: NDArray[np.float32]  # (n_mfcc * n_mels,) with the lifter
    delta: NDArray[np.float32]  # (2, width) of first and second order
    delta_edges: NDArray[np.float32]  # (2, width, width - 1), or no columns
    mean: NDArray[np.float32]  # (n_features,) subtracted
    gain: NDArray[np.float32]  # (n_features,) multiplied


class Scratch(NamedTuple):
    """Memory of one thread; build with :func:`build_scratch`."""

    padded: NDArray[np.float32]
    rows: NDArray[np.float32]
    frames: NDArray[np.float32]
    re: NDArray[np.float32]
    im: NDArray[np.float32]
    spectrum: NDArray[np.float32]
    bands: NDArray[np.float32]
    cepstrum: NDArray[np.float32]
    energy: NDArray[np.float32]
    peaks: NDArray[np.float32]
    references: NDArray[np.float32]
    tile: NDArray[np.float32]
    totals: NDArray[np.float64]  # (2, n_features)


class Handle(NamedTuple):
    """A Plan or a Scratch, and the record by which a kernel finds it; the arrays live as long as their addresses."""

    values: Plan | Scratch
    record: NDArray[np.void]


def build_plan(
    settings: Settings,
    *,
    window: NDArray[np.float32],
    mel: tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float32]],
    dct: NDArray[np.float32],
    delta: NDArray[np.float32],
    delta_edges: NDArray[np.float32],
    mean: NDArray[np.float32],
    gain: NDArray[np.float32],
) -> Plan:
    """The Plan of these settings, with the layout tables that follow from them; `window` is as long as the FFT."""
    sources, row_offsets = _offsets(settings, window.size)
    first, count, weights = mel
    return Plan(
        settings=settings, fft=fft_plan(window.size), window=window, sources=sources, row_offsets=row_offsets, mel_first=first,
        mel_count=count, mel_weights=weights, dct=dct, delta=delta, delta_edges=delta_edges, mean=mean, gain=gain,
    )  # fmt: skip


def rows_in(plan: Plan, n_bytes: int) -> int:
    """How many rows the larger arrays of a Scratch of `n_bytes` have room for."""
    return n_bytes // (4 * (plan.settings.hop + _n_bands(plan)))


def clips_at_once(plan: Plan, n_rows: int) -> int:
    """How many clips of `n_rows` rows to work on together: as many as fit into the second-level cache, at least one."""
    return min(16, max(1, rows_in(plan, 400_000) // n_rows))


def build_scratch(plan: Plan, n_rows: int) -> Scratch:
    """Memory for clips that have `n_rows` rows together; it serves fewer, too."""
    sizes = _scratch_sizes(plan, n_rows)
    totals = np.zeros((2, sizes.pop("totals") // 2))
    return Scratch(totals=totals, **{name: aligned(size) for name, size in sizes.items()})


def plan_handle(plan: Plan) -> Handle:
    """`plan` for the kernel.

    Raises
    ------
    ValueError
        If an array is not what belongs under its name: another type or size, or values that lead out of another array.
    """
    s, n_bins = plan.settings, plan.fft.n_fft // 2 + 1
    sources, row_offsets = _offsets(s, plan.fft.n_fft)
    n_bands = plan.mel_first.size
    check_sizes(plan, {
        "window": plan.fft.n_fft,
        "mel_count": n_bands,
        "mel_weights": int(plan.mel_count.sum()),
        "dct": s.n_base * n_bands if s.kind == MFCC else 0,
        "delta": 2 * s.delta_width,
        "delta_edges": 2 * s.delta_width * s.n_delta_edges,
        "mean": s.n_base * (1 + s.n_deltas),
        "gain": s.n_base * (1 + s.n_deltas),
    })  # fmt: skip
    for name, right in {
        "fft": all(np.array_equal(a, b) for a, b in zip(plan.fft, fft_plan(plan.fft.n_fft), strict=True)),
        "sources": np.array_equal(plan.sources, sources),
        "row_offsets": np.array_equal(plan.row_offsets, row_offsets),
        "mel_first": (n_bands > 0) == (s.kind in (MEL, MFCC)) and bool(np.all((plan.mel_first >= 0) & (plan.mel_first < n_bins))),
        "mel_count": bool(np.all((plan.mel_count > 0) & (plan.mel_first + plan.mel_count <= n_bins))),
    }.items():
        if not right:
            raise ValueError(f"Plan.{name} holds what does not belong there: compiled code would read other memory")
    return Handle(plan, pointer_record(plan))


def scratch_handle(plan: Plan, scratch: Scratch) -> Handle:
    """`scratch`, which was built for `plan`, for the kernel.

    Raises
    ------
    ValueError
        If an array is not what belongs under its name.
    """
    check_sizes(scratch, _scratch_sizes(plan, scratch.energy.size))
    return Handle(scratch, pointer_record(scratch))


def _offsets(s: Settings, n_fft: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Where sample k of a frame lies: for the FFT, and in the transposed rows."""
    k = np.arange(n_fft)
    rows = np.where(k < s.frame_length, k % s.hop * s.width + k // s.hop, 0)
    return (k * LANES if s.prepare else rows), rows


def _n_bands(plan: Plan) -> int:
    return plan.fft.n_fft // 2 + 1 if plan.settings.kind == SPECTRUM else plan.mel_first.size


def _scratch_sizes(plan: Plan, n_rows: int) -> dict[str, int]:
    """Values of each array: `n_rows` rows fill whole groups of LANES frames."""
    s, f = plan.settings, plan.fft
    n_groups = -(-n_rows // LANES)
    n_bins = f.n_fft // 2 + 1
    n_bands = _n_bands(plan)
    n_cepstrum = s.n_base if s.kind == MFCC else 0
    return {
        "padded": (n_groups * LANES + s.width + LANES) * s.hop,
        "rows": s.hop * s.width,
        "frames": (f.n_fft if s.prepare else 1) * LANES,
        "re": f.n_slots * LANES,
        "im": f.n_slots * LANES,
        "spectrum": (1 if s.kind == SPECTRUM else n_bins) * LANES,
        "bands": n_groups * n_bands * LANES + (n_bands + LANES) * LANES,  # write_frames reads up to a multiple of LANES vectors
        "cepstrum": (n_cepstrum + LANES) * LANES,
        "energy": n_groups * LANES,
        "peaks": n_groups * LANES,
        "references": 2 * n_groups * LANES,
        "tile": LANES * LANES,
        "totals": 2 * plan.mean.size,
    }
