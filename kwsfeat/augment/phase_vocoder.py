"""The phase vocoder, with librosa's defaults: its memory and its tables; the work is in the kernels."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from kwsfeat.kernels._jit import LANES
from kwsfeat.kernels.fft.real import FftPlan, fft_plan
from kwsfeat.kernels.simd import aligned
from kwsfeat.kernels.waveform import shift as _shift
from kwsfeat.kernels.waveform import vocoder as _vocoder
from kwsfeat.kernels.waveform.shift import TAPS

Floats = NDArray[np.float32]

_N_FFT, _HOP = 2048, 512
_N_BINS = _N_FFT // 2 + 1
_KEPT_SAMPLES = 200_000  # the memory of a longer clip, about 140 bytes per sample, is not kept

# The low-pass of soxr's HQ, which librosa resamples by: the middle of the transition band as a fraction of the lower Nyquist
# frequency, zero crossings of the sinc on each side, and the Kaiser window. Its response is soxr's to within 0.005.
_CUTOFF, _SUPPORT, _BETA = 0.957, 96, 12.0
_FRACTIONS = 128  # of a sample, for which filters are kept; what lies between is interpolated
_BETWEEN_CUTOFF, _BETWEEN_BETA = 0.9086, 16.07  # of soxr's second stage, which reads the doubled signal
_ONE_STAGE = 1.75  # from here on, and for whole factors of upsampling, soxr has no second stage


def _round_up(n: int, multiple: int) -> int:
    return -(-n // multiple) * multiple


def _rows(n_blocked: int) -> int:
    """Of a transposed signal that holds `n_blocked` frames."""
    return _round_up(n_blocked + _N_FFT // _HOP, LANES)


def _n_resampled(n: int, step: float) -> int:
    """How many samples a resampler makes of `n`."""
    return int(n / step + 0.5)


_N_COLS = _round_up(_N_BINS, LANES)


class PhaseVocoder:
    """One clip, transformed once, at any number of rates; take one with :func:`phase_vocoder`.

    Its memory grows with the longest clip and is used again.
    """

    def __init__(self) -> None:
        self._arrays: dict[str, Floats] = {}

    def transform(self, y: Floats) -> None:
        """The spectrum of the clip `y`, float32, shape (n_samples,), from which it is played."""
        n_samples = y.size
        self.n_samples, self.n_frames = n_samples, 1 + n_samples // _HOP
        t = _plain()
        n_blocked = _round_up(self.n_frames + 2, LANES)  # two frames of nothing after the last
        n_rows = _rows(n_blocked)
        signal, rows = self._memory("signal", n_rows * _HOP), self._memory("rows", n_rows * _HOP)
        signal[: _N_FFT // 2] = 0.0
        signal[_N_FFT // 2 : _N_FFT // 2 + n_samples] = y
        signal[_N_FFT // 2 + n_samples :] = 0.0
        _vocoder.to_rows(signal, _HOP, rows, n_rows)
        polar = self._memory("polar", 3 * n_blocked * _N_COLS).reshape(3, n_blocked, _N_COLS)
        _vocoder.analyse(rows, _offsets(_N_FFT, n_rows), t.window, t.plan, *self._block(t.plan), *polar)
        silent = slice(self.n_frames, self.n_frames + 2)
        polar[0, silent], polar[1, silent], polar[2, silent] = 0.0, 1.0, 0.0
        self._polar = polar

    def stretched(self, rate: float, *, locked: bool) -> Floats:
        """The clip `rate` times as fast, float32, shape (round(n_samples / rate),)."""
        n_out = round(self.n_samples / rate)
        n_frames = self._frames_at(rate, n_out)
        if locked:
            frames = self._frames(n_frames)
            scratch = np.empty(_N_BINS, np.int64), np.empty(_N_BINS, np.float32), np.empty(_N_BINS, np.float32)
            _vocoder.accumulate_locked(*self._polar, rate, *scratch, *frames[:, :n_frames])
        else:
            frames = self._accumulated(rate, n_frames)
        signal = self._synthesised(frames, n_frames, _ones(), _plain())
        return signal[_N_FFT // 2 : _N_FFT // 2 + n_out] * _window_gain(n_frames, n_out)

    def shifted(self, rate: float, step: float, n_out: int) -> Floats:
        """The clip `rate` times as fast, then read at every `step`-th sample, float32, shape (n_out,); zeros after the last."""
        out = np.empty(n_out, np.float32)
        n_stretched = round(self.n_samples / rate)
        n_read = min(n_out, _n_resampled(n_stretched, step))
        out[n_read:] = 0.0
        if not n_read:
            return out
        n_frames = self._frames_at(rate, n_stretched)
        frames = self._accumulated(rate, n_frames)
        low_pass, t, cutoff = _low_pass(), _doubled(), min(1.0, 1.0 / step)
        weight = self._memory("weight", _round_up(math.ceil(cutoff * (_N_BINS - 1)), LANES))
        _shift.low_pass(low_pass.response, cutoff * (_N_BINS - 1), weight)
        doubled = self._synthesised(frames, n_frames, weight, t)
        first, reach = _N_FFT, math.ceil(_SUPPORT / cutoff)
        factors = _shift.even_out(doubled, t.square, 2 * _HOP, n_frames, first, first + 2 * n_stretched, 2 * reach + TAPS)
        read, tile = out[:n_read], self._memory("tile", LANES * LANES)
        _shift.interpolate(doubled, first, 2.0 * step, low_pass.between, tile, read)
        beyond = self._memory("beyond", 2 * (reach + LANES)).reshape(2, -1)
        _shift.around(*frames, n_frames, _HOP, n_stretched, t.synthesis, _plain().plan, *self._block(_plain().plan), *beyond)
        beyond *= np.array(factors, np.float32)[:, None]
        change = self._memory("change", math.ceil(_SUPPORT / min(step, 1.0)) + LANES)
        _shift.subtract_outside(*beyond, n_stretched, step, low_pass.half, change, read)
        if step < _ONE_STAGE and not (1.0 / step).is_integer():
            _shift.start_in_silence(doubled, first, step, beyond[0], low_pass.half, low_pass.between, read)
        return out

    def _frames_at(self, rate: float, n_out: int) -> int:
        return min(math.ceil(self.n_frames / rate), math.ceil((n_out + _N_FFT) / _HOP))

    def _frames(self, n_frames: int) -> Floats:
        """Room for the real and imaginary parts of frames, then zeros up to the end of the last block, and for a block more."""
        n_blocked = _round_up(n_frames, LANES)
        frames = self._memory("frames", 2 * (n_blocked + LANES + 2) * _N_COLS).reshape(2, -1, _N_COLS)
        frames[:, n_frames:n_blocked] = 0.0
        return frames

    def _accumulated(self, rate: float, n_frames: int) -> Floats:
        frames = self._frames(n_frames)
        _vocoder.accumulate(*self._polar, rate, *frames[:, :n_frames])
        return frames

    def _synthesised(self, frames: Floats, n_frames: int, weight: Floats, t: _Transform) -> Floats:
        """The sum of the windowed frames, bins times `weight`, each frame a quarter of its length after the one before."""
        n_blocked = _round_up(n_frames, LANES)
        hop, n_rows = t.plan.n_fft // 4, _rows(n_blocked)
        n_used = _rows(n_frames)
        rows, signal = self._memory("rows", n_rows * hop), self._memory("signal", n_used * hop)
        rows[:] = 0.0
        even, odd, bins_re, bins_im = self._block(t.plan)
        _vocoder.synthesise(
            *frames[:, :n_blocked], weight, _offsets(t.plan.n_fft, n_rows), t.synthesis, t.plan, bins_re, bins_im, even, odd, rows
        )
        _vocoder.from_rows(rows, hop, signal, n_rows, n_used)
        return signal

    def _block(self, plan: FftPlan) -> tuple[Floats, ...]:
        """Scratch for one block of LANES frames: the transform (real, imaginary) and its bins."""
        n_bins = _round_up(plan.half + 1, LANES)
        sizes = {"even": plan.n_slots, "odd": plan.n_slots, "bins_re": n_bins, "bins_im": n_bins}
        return tuple(self._memory(name, n * LANES) for name, n in sizes.items())

    def _memory(self, name: str, n: int) -> Floats:
        array = self._arrays.get(name)
        if array is None or array.size < n:
            array = self._arrays[name] = aligned(n)
        return array[:n]


_idle: list[PhaseVocoder] = []


@contextmanager
def phase_vocoder(y: Floats) -> Iterator[PhaseVocoder]:
    """The phase vocoder of the clip `y`, float32, shape (n_samples,), n_samples >= 1; after the block another clip has it."""
    try:
        vocoder = _idle.pop()
    except IndexError:
        vocoder = PhaseVocoder()
    try:
        vocoder.transform(y)
        yield vocoder
    finally:
        if y.size <= _KEPT_SAMPLES:
            _idle.append(vocoder)


# --- tables


class _Transform(NamedTuple):
    """Of a frame: the FFT's plan, the periodic Hann window, its square, and the synthesis window, which undoes the FFT's factor."""

    plan: FftPlan
    window: Floats
    square: Floats
    synthesis: Floats


class _LowPass(NamedTuple):
    """What a resampler is made of.

    response : from 0 to the lower Nyquist frequency, at even distances
    half : the filter itself from its middle on, (_FRACTIONS + 1, _SUPPORT + LANES); see ``subtract_outside``
    between : what reads a signal of half its bandwidth between its samples, (_FRACTIONS + 1, TAPS); see ``interpolate``
    """

    response: Floats
    half: Floats
    between: Floats


def _hann(n: int) -> NDArray[np.float64]:
    return 0.5 - 0.5 * np.cos(2.0 * np.pi * np.arange(n) / n)


def _kaiser(x: NDArray[np.float64], beta: float) -> NDArray[np.float64]:
    """The window at -1 < x < 1, and 0 elsewhere."""
    return np.where(np.abs(x) < 1.0, np.i0(beta * np.sqrt(np.maximum(0.0, 1.0 - x**2))) / np.i0(beta), 0.0)


@lru_cache(maxsize=1)
def _plain() -> _Transform:
    return _transform(_N_FFT, 1.0)


@lru_cache(maxsize=1)
def _ones() -> Floats:
    return np.ones(_N_COLS, np.float32)


@lru_cache(maxsize=1)
def _doubled() -> _Transform:
    """At twice the rate, and scaled so that the squared windows of frames a quarter apart add up to 1."""
    return _transform(2 * _N_FFT, 1.5)


def _transform(n_fft: int, total: float) -> _Transform:
    window = _hann(n_fft)
    return _Transform(fft_plan(n_fft), *(x.astype(np.float32) for x in (window, window**2 / total, window / (_N_FFT // 2 * total))))


@lru_cache(maxsize=1)
def _low_pass() -> _LowPass:
    k = np.arange(-_SUPPORT, _SUPPORT + 1)
    response = np.cos(np.pi * np.outer(np.linspace(0.0, 1.0, 1025), k)) @ (_CUTOFF * np.sinc(_CUTOFF * k) * _kaiser(k / _SUPPORT, _BETA))
    fraction = np.arange(_FRACTIONS + 1)[:, None] / _FRACTIONS
    t = fraction + np.arange(_SUPPORT + LANES)
    half = _CUTOFF * np.sinc(_CUTOFF * t) * _kaiser(t / _SUPPORT, _BETA)
    t = fraction + (TAPS // 2 - 1) - np.arange(TAPS)
    between = _BETWEEN_CUTOFF * np.sinc(_BETWEEN_CUTOFF * t) * _kaiser(t / (TAPS // 2), _BETWEEN_BETA)
    return _LowPass(*(x.astype(np.float32) for x in (response, half, between)))


@lru_cache(maxsize=32)
def _offsets(n_fft: int, n_rows: int) -> NDArray[np.int64]:
    """Where sample k of the first LANES frames lies in a transposed signal."""
    k, hop = np.arange(n_fft), n_fft // 4
    return k % hop * n_rows + k // hop


@lru_cache(maxsize=32)
def _window_gain(n_frames: int, n_out: int) -> Floats:
    """One over the sum of the squared windows that overlap at each sample of the output."""
    square = _hann(_N_FFT) ** 2
    total = np.zeros(max((n_frames - 1) * _HOP + _N_FFT, _N_FFT // 2 + n_out))
    for t in range(n_frames):
        total[t * _HOP : t * _HOP + _N_FFT] += square
    total = total[_N_FFT // 2 : _N_FFT // 2 + n_out]
    return np.where(total > np.finfo(np.float32).tiny, 1.0 / np.maximum(total, 1e-30), 1.0).astype(np.float32)
