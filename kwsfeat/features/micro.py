"""A FeatureConfig of the integer micro front end, made ready to run."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kwsfeat.audio.waveform import Samples
from kwsfeat.config.features import FeatureConfig
from kwsfeat.design import micro
from kwsfeat.kernels._jit import LANES
from kwsfeat.kernels.micro.front_end import micro_extract
from kwsfeat.kernels.micro.plan import HALF, N_FFT, Ints, MicroPlan, MicroScratch, micro_scratch

_CORRECTION_BITS = N_FFT.bit_length() - 1 - micro.WEIGHT_BITS // 2


@dataclass(frozen=True, eq=False)
class MicroTables:
    """What :func:`micro_tables` gives: whole numbers, int32.

    Parameters
    ----------
    window : ndarray, shape (win_length,)
        In 2**-12.
    band_first, band_count : ndarray, shape (n_mels + 1,)
        The first bin and the number of bins of each part of the axis, which is where one band ends and the next begins.
    band_up, band_down : ndarray, shape (n,)
        Weights of these bins, in 2**-12, in the band that ends and in the one that begins; one part after the other.
    smoothing : ndarray, shape (n_mels,)
        Of each band's noise, in 2**-14.
    gain : ndarray, shape (33, 3)
        Parabolas, for noise of 0 to 32 bits: value, slope, curvature.
    log : ndarray, shape (129,)
        What ``log2(1 + k / 128)`` is above its chord, in 2**-16.
    turns, real_turns : ndarray, shape (2, 256)
        Cosines and sines, in 2**-15, of the complex transform and of the pass that separates the two halves.

    Examples
    --------
    >>> from kwsfeat import micro_tables, preset
    >>> micro_tables(preset("micro-frontend")).window.shape
    (480,)
    """

    window: NDArray[np.int32]
    band_first: NDArray[np.int32]
    band_count: NDArray[np.int32]
    band_up: NDArray[np.int32]
    band_down: NDArray[np.int32]
    smoothing: NDArray[np.int32]
    gain: NDArray[np.int32]
    log: NDArray[np.int32]
    turns: NDArray[np.int32]
    real_turns: NDArray[np.int32]


def micro_tables(config: FeatureConfig) -> MicroTables:
    """What a device needs to compute the same features as the integer front end.

    Parameters
    ----------
    config : FeatureConfig
        With output ``micro``.

    Returns
    -------
    MicroTables

    Examples
    --------
    >>> from kwsfeat import micro_tables, preset
    >>> micro_tables(preset("micro-frontend")).band_first[:3].tolist()
    [5, 6, 8]
    """
    c = config
    bands = micro.micro_bands(c.n_mels, c.fmin_hz, c.fmax_hz or c.sr / 2, sr=c.sr, n_fft=c.n_fft)
    return MicroTables(
        window=micro.micro_window(c.win_length),
        band_first=bands.first,
        band_count=bands.n_bins,
        band_up=bands.up,
        band_down=bands.down,
        smoothing=micro.micro_smoothing(c.n_mels),
        gain=micro.micro_gain(_CORRECTION_BITS),
        log=micro.micro_log(),
        turns=np.stack(micro.micro_turns(HALF)),
        real_turns=np.stack(micro.micro_turns(HALF, 0.5, np.pi)),
    )


def micro_plan(config: FeatureConfig) -> MicroPlan:
    """The tables of a config with output ``micro``, as the kernels take them."""
    tables = micro_tables(config)
    gain, log = tables.gain, tables.log
    window = _filled(tables.window, 2 * LANES)
    return MicroPlan(
        hop=config.hop_length,
        window=_packed(window[::2] << 4, window[1::2] << 4),
        window_whole=_packed(*(-(half >= 1 << (micro.WEIGHT_BITS - 1)).astype(np.int32) for half in (window[::2], window[1::2]))),
        order=_order(),
        turns=_turns(*tables.turns),
        real_turns=_turns(*tables.real_turns),
        band_first=tables.band_first,
        band_count=tables.band_count,
        band_up=tables.band_up.astype(np.float64),
        band_down=tables.band_down.astype(np.float64),
        smoothing=_filled(tables.smoothing, LANES),
        gain=_packed(gain[:, 0], gain[:, 1]),
        gain_bend=np.ascontiguousarray(gain[:, 2]),
        log=_packed(log[:-1], np.diff(log)),
    )


def _filled(values: Ints, multiple: int) -> Ints:
    """With zeros after it, up to a multiple."""
    filled = np.zeros(-(-values.size // multiple) * multiple, np.int32)
    filled[: values.size] = values
    return filled


def _turns(cos: Ints, sin: Ints) -> Ints:
    """What the FFT multiplies pairs with, for the real and for the imaginary part."""
    return np.stack([_packed(cos, -sin), _packed(sin, cos)], axis=1).ravel()


def _packed(low: Ints, high: Ints) -> Ints:
    """Two numbers of 16 bits in one of 32."""
    return (high << 16) | (low & 0xFFFF)


def _order() -> Ints:
    """Where radix-4 passes want point k: its four digits to base 4, reversed."""
    k = np.arange(HALF, dtype=np.int32)
    order = np.zeros(HALF, np.int32)
    for _ in range(4):
        order, k = order * 4 + k % 4, k // 4
    return order


class Micro:
    """Runs the integer front end; several threads at once may.

    Parameters
    ----------
    config : FeatureConfig
        With output ``micro``.
    """

    def __init__(self, config: FeatureConfig) -> None:
        self._plan = micro_plan(config)
        self._memories: list[MicroScratch] = []

    def rest(self, n_clips: int) -> NDArray[np.int32]:
        """The noise of signals that have not begun, shape (n_clips, n_lanes)."""
        return np.zeros((n_clips, self._plan.smoothing.size), np.int32)

    def extract(self, clips: Samples, out: NDArray[np.float32], noise: NDArray[np.int32] | None = None) -> None:
        """Frames of clips (n_clips, n_samples), int16 or float32, to `out`; `noise` goes on from frame to frame."""
        try:
            scratch = self._memories.pop()
        except IndexError:
            scratch = micro_scratch(self._plan)
        try:
            integers = clips if clips.dtype == np.int16 else sixteen_bits(clips)
            view = integers.view()
            view.flags.writeable = False  # one compilation for read-only and writable arrays
            micro_extract(view, out, self.rest(len(clips)) if noise is None else noise, self._plan, scratch)
        finally:
            self._memories.append(scratch)


def sixteen_bits(y: Samples) -> NDArray[np.int16]:
    """float32 samples rounded to 16 bits and clipped; what is not a number, for which there are no bits, is silence."""
    scaled = np.rint(y * np.float32(32768.0))
    scaled[np.isnan(scaled)] = 0.0
    return np.clip(scaled, -32768, 32767, out=scaled).astype(np.int16)
