"""FrontEnd: a FeatureConfig made ready to run on one clip, or on many with any number of threads."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from kwsfeat.audio.clip import fix_length
from kwsfeat.audio.waveform import LOUDEST, Samples, as_samples, check_peak
from kwsfeat.config.features import FeatureConfig
from kwsfeat.design.butterworth import butter_sos
from kwsfeat.errors import AudioError, ConfigError
from kwsfeat.features.filtering import sosfilt_clips
from kwsfeat.features.micro import Micro
from kwsfeat.features.plan import make_plan
from kwsfeat.features.pool import run_parts
from kwsfeat.kernels._jit import LANES
from kwsfeat.kernels.spectrum.front_end import extract
from kwsfeat.kernels.spectrum.plan import Plan, build_scratch, clips_at_once, plan_handle, rows_in, scratch_handle

Seed = int | tuple[int, ...]


class _Length(NamedTuple):
    """What follows from the length of the clips."""

    n_frames: int
    n_rows: int
    block: int  # clips that are worked on together


_KEPT_BYTES = 1 << 26  # memory that a longer recording took, some minutes of it, is given back


class FrontEnd:
    """Extracts the features that a FeatureConfig describes, of clips of any length.

    Tables are computed once and scratch memory is kept: no allocation per clip beyond the result. An instance may be used from
    several threads at once, copied, pickled, and used in a forked child.

    Parameters
    ----------
    config : FeatureConfig
        What to compute.

    Examples
    --------
    >>> import numpy as np
    >>> from kwsfeat import preset
    >>> front_end = FrontEnd(preset("logmel"))
    >>> front_end.extract(np.zeros(16000, np.float32)).shape
    (101, 40)
    >>> front_end.extract_recording(np.zeros(48000, np.float32)).shape
    (301, 40)
    """

    def __init__(self, config: FeatureConfig) -> None:
        self.config = config
        self.shape = config.shape
        self._sos = butter_sos(config.lowpass_order, config.lowpass_hz, sr=config.sr) if config.lowpass_hz else None
        self._memories: list[_Memory] = []
        if config.output == "micro":
            self._micro: Micro | None = Micro(config)
            self._usual = self._of_length(config.n_samples)
            return
        self._micro = None
        plan = make_plan(config)
        integers = plan.settings._replace(scale=plan.settings.scale / 32768.0)
        self._plan = plan
        self._handles = {np.dtype(np.float32): plan_handle(plan), np.dtype(np.int16): plan_handle(plan._replace(settings=integers))}
        self._usual = self._of_length(config.n_samples)
        self._kept_rows = max(self._usual.block * self._usual.n_rows, rows_in(plan, _KEPT_BYTES))

    def __reduce__(self) -> tuple[Any, ...]:
        return FrontEnd, (self.config,)

    def extract(self, y: ArrayLike, *, seed: Seed = 0, check_finite: bool = True) -> NDArray[np.float32]:
        """Features of one clip of the configured length.

        Parameters
        ----------
        y : array_like, shape (n,)
            Mono waveform at ``config.sr``, float in [-1, 1] or int16; padded or cropped to ``config.n_samples`` as the config says.
        seed : int or tuple of int
            Where a random crop lies, and the dither's noise.
        check_finite : bool
            Refuse NaN and infinity; without it they spread into the frames they touch.

        Returns
        -------
        features : ndarray, float32, shape (n_frames, n_features)

        Raises
        ------
        AudioError
            If `y` is not one-dimensional, is empty, has a type or values of another scale, or holds NaN or infinity.
        """
        clip = _as_clip(y)
        length = clip.size
        if length != self.config.n_samples:
            clip, length = fix_length(clip, self.config, seed=_entropy(seed))
        lengths = None if length == self.config.n_samples else np.array([length])
        features: NDArray[np.float32] = self.extract_batch(clip[None], lengths=lengths, seed=seed, check_finite=check_finite)[0]
        return features

    def extract_recording(self, y: ArrayLike, *, seed: Seed = 0, check_finite: bool = True) -> NDArray[np.float32]:
        """Features of a waveform as long as it is: neither padded nor cropped.

        What needs the whole clip (`top_db`, a reference of ``max``, normalisation, deltas) takes it from these samples.

        Parameters
        ----------
        y : array_like, shape (n,)
            Mono waveform at ``config.sr``, float in [-1, 1] or int16, of any length that gives a frame.
        seed : int or tuple of int
            Of the dither.
        check_finite : bool
            Refuse NaN and infinity.

        Returns
        -------
        features : ndarray, float32, shape (config.frames_of(n), n_features)

        Raises
        ------
        AudioError
            As :meth:`extract`, and if `y` is too short for one frame, for its mirrored edge or for its deltas.
        """
        features: NDArray[np.float32] = self.extract_batch(_as_clip(y)[None], seed=seed, check_finite=check_finite)[0]
        return features

    def extract_batch(
        self,
        Y: ArrayLike,
        out: NDArray[np.float32] | None = None,
        threads: int = 1,
        *,
        lengths: NDArray[np.integer] | None = None,
        seed: Seed = 0,
        rows: ArrayLike | None = None,
        check_finite: bool = True,
    ) -> NDArray[np.float32]:
        """Features of many clips of one length; the result does not depend on `threads` or on how clips are batched.

        Parameters
        ----------
        Y : array_like, shape (n_clips, n_samples)
            float in [-1, 1] or int16, with any `n_samples` that gives a frame. May be read-only, such as a memory map.
        out : ndarray, float32, shape (n_clips, n_frames, n_features), optional
            C-contiguous; receives the result.
        threads : int, >= 1
            Threads to use at most; the calling one is one of them.
        lengths : ndarray of int, shape (n_clips,), optional
            Samples that are real: what padding added stays silent after the low-pass filter.
        seed : int or tuple of int
            Of the dither.
        rows : array_like of int, shape (n_clips,), optional
            The number of each clip in the collection it belongs to, by default its index in `Y`: a clip's dither is drawn from
            ``default_rng((*seed, row))``, so the same clip of a collection has the same dither in whatever batch it comes.
        check_finite : bool
            Refuse NaN and infinity.

        Returns
        -------
        features : ndarray, float32, shape (n_clips, n_frames, n_features)
            `out` when it was given; ``n_frames = config.frames_of(n_samples)``.

        Raises
        ------
        AudioError
            If a shape does not fit, the clips are too short, or one has a type or values of another scale, NaN or infinity.
        ConfigError
            If `threads` is below 1.
        """
        clips = as_samples(Y, "Y")
        if clips.ndim != 2:
            raise AudioError(f"clips have shape {clips.shape} and must have (n_clips, n_samples): pass one clip to extract")
        n_clips, n_samples = clips.shape
        length = self._usual if n_samples == self.config.n_samples else self._of_length(n_samples)
        shape = (n_clips, length.n_frames, self.shape[1])
        if out is None:
            out = np.empty(shape, np.float32)
        elif out.shape != shape or out.dtype != np.float32 or not out.flags.c_contiguous or not out.flags.writeable:
            raise AudioError(
                f"out has shape {out.shape} and type {out.dtype}, and must be a writable C-contiguous float32 array of shape {shape}"
            )
        if threads < 1:
            raise ConfigError(f"threads={threads} must be >= 1")
        numbers = None if self.config.dither == 0 else np.arange(n_clips) if rows is None else np.asarray(rows)
        if numbers is not None and numbers.shape != (n_clips,):
            raise AudioError(f"rows has shape {numbers.shape} and must have one number for each of {n_clips} clips")
        if numbers is not None and (numbers.dtype.kind not in "iu" or (n_clips and numbers.min() < 0)):
            raise AudioError(f"rows must be whole numbers >= 0, and the least of these {numbers.dtype} is {numbers.min()}")
        if lengths is not None:
            lengths = _checked_lengths(lengths, n_clips, n_samples)
        peaks = np.empty(n_clips, np.float32)

        def work(part: slice) -> None:
            real = None if lengths is None else lengths[part]
            drawn = None if numbers is None else (_entropy(seed), numbers[part])
            self._extract(clips[part], out[part], peaks[part], length, real, drawn)

        if threads == 1 or n_clips <= length.block:
            work(slice(0, n_clips))
        else:  # several parts per thread, so that an unlucky one does not hold up the end; of whole blocks
            step = length.block * max(1, min(-(-n_clips // (length.block * threads * 4)), 64))
            run_parts(work, [slice(i, i + step) for i in range(0, n_clips, step)], threads)
        if clips.dtype == np.float32 and n_clips and not peaks.max() <= LOUDEST:
            for i in np.flatnonzero(~(peaks <= LOUDEST)):
                check_peak(float(peaks[i]), f"clip {i} of {n_clips}" if n_clips > 1 else "the clip", check_finite=check_finite)
        return out

    def _of_length(self, n_samples: int) -> _Length:
        n_frames = checked_frames(self.config, n_samples)
        if self._micro is not None:
            return _Length(n_frames, n_frames, 1)
        n_rows = n_frames + self._plan.settings.overlap
        return _Length(n_frames, n_rows, clips_at_once(self._plan, n_rows))

    def _extract(
        self,
        clips: Samples,
        out: NDArray[np.float32],
        peaks: NDArray[np.float32],
        length: _Length,
        real: NDArray[np.integer] | None,
        drawn: tuple[tuple[int, ...], NDArray[np.integer]] | None,
    ) -> None:
        """One thread's part: dither and low-pass where there are any, LANES clips at a time, then the kernel."""
        if self._micro is not None:
            if clips.dtype == np.float32:
                np.maximum(clips.max(axis=1), -clips.min(axis=1), out=peaks)
            self._micro.extract(clips, out)
            return
        try:
            memory = self._memories.pop()
        except IndexError:
            memory = _Memory()
        try:
            if self._sos is None and drawn is None:
                self._run(clips, out, peaks, length, memory)
                return
            for i in range(0, clips.shape[0], LANES):
                part = slice(i, i + LANES)
                y = clips[part]
                prepared = memory.prepared(y.shape)
                if drawn is not None:
                    _dithered(y, prepared, self.config, drawn[0], drawn[1][part])
                    y = prepared
                if self._sos is not None:
                    sosfilt_clips(self._sos, y, prepared, None if real is None else real[part], self.config.pad)
                self._run(prepared, out[part], peaks[part], length, memory)
                if clips.dtype == np.float32:  # the filter may have taken away what shows that the scale is wrong
                    np.maximum(clips[part].max(axis=1), -clips[part].min(axis=1), out=peaks[part])
        finally:
            if memory.n_rows <= self._kept_rows:
                self._memories.append(memory)

    def _run(self, clips: Samples, out: NDArray[np.float32], peaks: NDArray[np.float32], length: _Length, memory: _Memory) -> None:
        view = clips.view()
        view.flags.writeable = False  # Numba compiles for read-only and writable arrays apart: one of the two is enough
        extract(view, out, peaks, length.block, self._handles[clips.dtype].record, memory.record(self._plan, length))


class _Memory:
    """Scratch memory of one thread; it grows with the longest clip."""

    def __init__(self) -> None:
        self.n_rows = 0
        self._prepared = np.empty(0, np.float32)

    def record(self, plan: Plan, length: _Length) -> NDArray[np.void]:
        """Of memory that holds a block of clips of this length."""
        if self.n_rows < length.block * length.n_rows:
            self.n_rows = length.block * length.n_rows
            self._handle = scratch_handle(plan, build_scratch(plan, self.n_rows))
        return self._handle.record

    def prepared(self, shape: tuple[int, ...]) -> NDArray[np.float32]:
        """Room for clips of this shape before the kernel."""
        size = shape[0] * shape[1]
        if self._prepared.size < size:
            self._prepared = np.empty(size, np.float32)
        return self._prepared[:size].reshape(shape)


def checked_frames(c: FeatureConfig, n_samples: int) -> int:
    """The number of frames of a recording; AudioError when it is too short for what `c` wants of it."""
    if n_samples == 0:
        raise AudioError("a clip has no samples: at least one is needed")
    n_frames = c.frames_of(n_samples)
    if n_frames < 1:
        raise AudioError(f"a clip of {n_samples} samples gives no frame of {c.frame_length}: lengthen it, or choose framing 'zero'")
    if c.output == "waveform":
        return n_frames
    if c.framing == "reflect" and n_samples <= c.n_fft // 2:
        raise AudioError(
            f"a clip of {n_samples} samples must have more than n_fft / 2 = {c.n_fft // 2} to be mirrored at its edges: lengthen it, or "
            "choose framing 'zero'"
        )
    if c.deltas and c.delta_kind == "librosa" and n_frames < c.delta_width:
        raise AudioError(
            f"a clip of {n_samples} samples gives {n_frames} frames and deltas take delta_width={c.delta_width}: lengthen it, or choose "
            "delta_kind 'htk'"
        )
    return n_frames


def _as_clip(y: ArrayLike) -> Samples:
    clip = as_samples(y, "the clip")
    if clip.ndim != 1:
        raise AudioError(f"a clip has shape {clip.shape} and must be one-dimensional (n_samples,): pass a batch to extract_batch")
    if clip.size == 0:
        raise AudioError("a clip has no samples: at least one is needed")
    return clip


def _checked_lengths(lengths: ArrayLike, n_clips: int, n_samples: int) -> NDArray[np.integer]:
    given = np.asarray(lengths)
    if given.shape != (n_clips,) or given.dtype.kind not in "iu":
        raise AudioError(f"lengths has shape {given.shape} and type {given.dtype} and must have a whole number for each of {n_clips} clips")
    if n_clips and not 0 <= given.min() <= given.max() <= n_samples:
        raise AudioError(f"lengths of {given.min()} to {given.max()} samples must be between 0 and {n_samples}, which a clip has")
    return given


def _entropy(seed: Seed) -> tuple[int, ...]:
    entropy = seed if isinstance(seed, tuple) else (seed,)
    if not all(isinstance(part, int | np.integer) and part >= 0 for part in entropy):
        raise ConfigError(f"seed={seed} must be a whole number >= 0, or several")
    return entropy


def _dithered(clips: Samples, out: NDArray[np.float32], config: FeatureConfig, entropy: tuple[int, ...], rows: NDArray[np.integer]) -> None:
    """Gaussian noise of ``config.dither`` (in scaled units) on every sample, from the seed and the clip's row alone."""
    amplitude = np.float32(config.dither / config.input_scale)
    np.multiply(clips, np.float32(1.0 / 32768.0 if clips.dtype == np.int16 else 1.0), out=out, dtype=np.float32)
    for clip, row in zip(out, rows, strict=True):
        clip += amplitude * dither_source(entropy, int(row)).standard_normal(clip.size, np.float32)


def dither_source(seed: Seed, row: int) -> np.random.Generator:
    """Where the dither of clip number `row` comes from."""
    return np.random.default_rng((*_entropy(seed), row))
