"""FrontEnd: a FeatureConfig made ready to run on one clip, or on many with any number of threads."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import ArrayLike, NDArray

from kwsfeat.audio.clip import fix_length
from kwsfeat.config.features import FeatureConfig
from kwsfeat.design.butterworth import butter_sos
from kwsfeat.errors import AudioError, ConfigError
from kwsfeat.features.filtering import sosfilt_clips
from kwsfeat.features.plan import make_plan
from kwsfeat.kernels._jit import LANES
from kwsfeat.kernels.spectrum.front_end import extract
from kwsfeat.kernels.spectrum.plan import Plan, build_scratch, clips_at_once, plan_handle, scratch_handle


class FrontEnd:
    """Extracts the features that a FeatureConfig describes.

    Tables are computed once and scratch memory is kept: no allocation a clip beyond the result. An instance may be used from
    several threads at once.

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
    """

    def __init__(self, config: FeatureConfig) -> None:
        self.config = config
        self.shape = config.shape
        plan = make_plan(config)
        integers = plan.settings._replace(scale=plan.settings.scale / 32768.0)
        self._plan = plan
        self._handles = {np.dtype(np.float32): plan_handle(plan), np.dtype(np.int16): plan_handle(plan._replace(settings=integers))}
        self._n_rows = config.n_frames + plan.settings.overlap
        self._block = clips_at_once(plan, self._n_rows)
        self._sos = butter_sos(config.lowpass_order, config.lowpass_hz, sr=config.sr) if config.lowpass_hz else None
        self._scratch: list[_Memory] = []
        self._pool: ThreadPoolExecutor | None = None
        self._lock = threading.Lock()

    def extract(self, y: ArrayLike, *, seed: int = 0, check_finite: bool = True) -> NDArray[np.float32]:
        """Features of one clip.

        Parameters
        ----------
        y : array_like, shape (n_samples,)
            Mono waveform at ``config.sr``, float in [-1, 1] or int16; padded or cropped to ``config.n_samples`` as the config says.
        seed : int
            Where a random crop lies, and the dither's noise.
        check_finite : bool
            Refuse NaN and infinity; without it they spread into the frames they touch.

        Returns
        -------
        features : ndarray, float32, shape (n_frames, n_features)

        Raises
        ------
        AudioError
            If `y` is not one-dimensional, is empty, or holds NaN or infinity.
        """
        clip = _as_samples(y)
        if clip.ndim != 1:
            raise AudioError(f"a clip has shape {clip.shape} and must be one-dimensional (n_samples,): pass a batch to extract_batch")
        if clip.size == 0:
            raise AudioError("a clip has no samples: at least one is needed")
        length = clip.size
        if length != self.config.n_samples:
            clip, length = fix_length(clip, self.config, seed=(seed,))
        lengths = None if length == self.config.n_samples else np.array([length])
        features: NDArray[np.float32] = self.extract_batch(clip[None], lengths=lengths, seed=seed, check_finite=check_finite)[0]
        return features

    def extract_batch(
        self,
        Y: ArrayLike,
        out: NDArray[np.float32] | None = None,
        threads: int = 1,
        *,
        lengths: NDArray[np.integer] | None = None,
        seed: int = 0,
        check_finite: bool = True,
    ) -> NDArray[np.float32]:
        """Features of many clips; the result does not depend on `threads` or on how clips are batched.

        Parameters
        ----------
        Y : array_like, shape (n_clips, n_samples)
            float in [-1, 1] or int16; `n_samples` must be ``config.n_samples``. May be read-only, such as a memory map.
        out : ndarray, float32, shape (n_clips, n_frames, n_features), optional
            C-contiguous; receives the result.
        threads : int, >= 1
            Threads to use.
        lengths : ndarray of int, shape (n_clips,), optional
            Samples that are real: what padding added stays silent behind the low-pass filter.
        seed : int
            Of the dither; clip i draws from ``default_rng((seed, i))``.
        check_finite : bool
            Refuse NaN and infinity.

        Returns
        -------
        features : ndarray, float32, shape (n_clips, n_frames, n_features)
            `out` when it was given.

        Raises
        ------
        AudioError
            If a shape does not fit, or a clip holds NaN or infinity.
        """
        clips = _as_samples(Y)
        n_frames, n_features = self.shape
        if clips.ndim != 2 or clips.shape[1] != self.config.n_samples:
            raise AudioError(f"clips have shape {clips.shape} and must have (n_clips, n_samples={self.config.n_samples})")
        shape = (clips.shape[0], n_frames, n_features)
        if out is None:
            out = np.empty(shape, np.float32)
        elif out.shape != shape or out.dtype != np.float32 or not out.flags.c_contiguous or not out.flags.writeable:
            raise AudioError(
                f"out has shape {out.shape} and type {out.dtype}, and must be a writable C-contiguous float32 array of shape {shape}"
            )
        if threads < 1:
            raise ConfigError(f"threads={threads} must be >= 1")
        if self.config.dither > 0:
            clips = self._dithered(clips, seed)
        finite = np.empty(clips.shape[0], np.bool_)
        if threads == 1 or clips.shape[0] <= self._block:
            self._extract(clips, out, finite, lengths)
        else:
            step = self._step(clips.shape[0], threads)
            parts = [slice(i, i + step) for i in range(0, clips.shape[0], step)]
            part_lengths = [None if lengths is None else lengths[part] for part in parts]
            run = self._threads(threads).map
            list(run(self._extract, [clips[p] for p in parts], [out[p] for p in parts], [finite[p] for p in parts], part_lengths))
        if check_finite and not finite.all():
            bad = int(np.flatnonzero(~finite)[0])
            where = f"clip {bad} of {clips.shape[0]}" if clips.shape[0] > 1 else "the clip"
            raise AudioError(f"{where} holds NaN or infinity: repair the recording, or pass check_finite=False")
        return out

    def _extract(
        self, clips: NDArray[np.generic], out: NDArray[np.float32], finite: NDArray[np.bool_], lengths: NDArray[np.integer] | None
    ) -> None:
        """One thread's part: through the low-pass where there is one, LANES clips at a time, then through the kernel."""
        try:
            memory = self._scratch.pop()
        except IndexError:
            memory = _Memory(self._plan, self._block * self._n_rows, (LANES if self._sos is not None else 0, self.config.n_samples))
        try:
            if self._sos is None:
                self._run(clips, out, finite, memory)
                return
            for i in range(0, clips.shape[0], LANES):
                part = slice(i, i + LANES)
                filtered = memory.filtered[: clips[part].shape[0]]
                sosfilt_clips(self._sos, clips[part], filtered, None if lengths is None else lengths[part], self.config.pad)
                self._run(filtered, out[part], finite[part], memory)
        finally:
            self._scratch.append(memory)

    def _run(self, clips: NDArray[np.generic], out: NDArray[np.float32], finite: NDArray[np.bool_], memory: _Memory) -> None:
        handle = self._handles[clips.dtype]
        view = clips.view()
        view.flags.writeable = False  # Numba compiles for read-only and writable arrays apart: one of the two is enough
        extract(view, out, finite, self._block, handle.record, memory.handle.record)

    def _step(self, n_clips: int, threads: int) -> int:
        """Clips of one task: whole blocks, and several tasks a thread so that an unlucky one does not hold up the end."""
        blocks = -(-n_clips // (self._block * threads * 4))
        return self._block * max(1, min(blocks, 64))

    def _threads(self, threads: int) -> ThreadPoolExecutor:
        with self._lock:
            if self._pool is None or self._pool._max_workers < threads:
                self._pool = ThreadPoolExecutor(threads, thread_name_prefix="kwsfeat")
            return self._pool

    def _dithered(self, clips: NDArray[np.generic], seed: int) -> NDArray[np.float32]:
        """Gaussian noise of ``config.dither`` (in scaled units) on every sample, from the seed and the clip's index."""
        amplitude = np.float32(self.config.dither / self.config.input_scale)
        scale = np.float32(1.0 / 32768.0 if clips.dtype == np.int16 else 1.0)
        noisy = clips.astype(np.float32) * scale
        for i, clip in enumerate(noisy):
            clip += amplitude * np.random.default_rng((seed, i)).standard_normal(clip.size, np.float32)
        return noisy


class _Memory:
    """Scratch memory of one thread."""

    def __init__(self, plan: Plan, n_rows: int, filtered_shape: tuple[int, int]) -> None:
        self.handle = scratch_handle(plan, build_scratch(plan, n_rows))
        self.filtered = np.empty(filtered_shape, np.float32)


def _as_samples(y: ArrayLike) -> NDArray[np.generic]:
    """float32 or int16, C-contiguous; float64 is rounded, other integers are refused because their scale is unknown."""
    samples = np.asarray(y)
    if samples.dtype in (np.float32, np.int16):
        return np.ascontiguousarray(samples)
    if samples.dtype.kind == "f":
        return np.ascontiguousarray(samples, np.float32)
    raise AudioError(f"samples have type {samples.dtype} and must be float in [-1, 1] or int16")
