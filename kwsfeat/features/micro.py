"""A FeatureConfig of the integer micro front end, made ready to run."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from kwsfeat.audio.waveform import Samples
from kwsfeat.config.features import FeatureConfig
from kwsfeat.design import micro
from kwsfeat.kernels._jit import LANES
from kwsfeat.kernels.micro.front_end import micro_extract
from kwsfeat.kernels.micro.plan import HALF, N_FFT, Ints, MicroPlan, MicroScratch, micro_scratch

_CORRECTION_BITS = N_FFT.bit_length() - 1 - micro.WEIGHT_BITS // 2


def micro_plan(config: FeatureConfig) -> MicroPlan:
    """The tables of a config with output ``micro``."""
    c = config
    bands = micro.micro_bands(c.n_mels, c.fmin_hz, c.fmax_hz or c.sr / 2, sr=c.sr, n_fft=c.n_fft)
    window = _filled(micro.micro_window(c.win_length), 2 * LANES)
    gain, log = micro.micro_gain(_CORRECTION_BITS), micro.micro_log()
    return MicroPlan(
        hop=c.hop_length,
        window=_packed(window[::2] << 4, window[1::2] << 4),
        window_whole=_packed(*(-(half >= 1 << (micro.WEIGHT_BITS - 1)).astype(np.int32) for half in (window[::2], window[1::2]))),
        order=_order(),
        turns=_turns(*micro.micro_turns(HALF)),
        real_turns=_turns(*micro.micro_turns(HALF, 0.5, np.pi)),
        band_first=bands.first,
        band_count=bands.n_bins,
        band_up=bands.up.astype(np.float64),
        band_down=bands.down.astype(np.float64),
        smoothing=_filled(micro.micro_smoothing(c.n_mels), LANES),
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
