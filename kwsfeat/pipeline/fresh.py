"""Fresh augmentation: features of clips that are augmented anew in every epoch, straight from a file's audio.

What a clip becomes depends on (seed, epoch, row) alone: not on the batch it is in, the order, or the number of threads.
"""

from __future__ import annotations

import itertools
import os
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import lru_cache, partial
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from kwsfeat.augment import (
    Compose,
    MixNoise,
    Noise,
    Parameters,
    Policy,
    TimeShift,
    Transform,
    augmented,
    load_policy,
    synthetic_noise,
    uniforms,
)
from kwsfeat.config.algorithm import check_algorithm
from kwsfeat.config.clip import check_same_clip
from kwsfeat.config.features import FeatureConfig
from kwsfeat.dataset.reader import Reader
from kwsfeat.errors import ConfigError, StoreError
from kwsfeat.features.front_end import FrontEnd
from kwsfeat.kernels.waveform.mix import mix
from kwsfeat.pipeline.noise import noise_of
from kwsfeat.threads import thread_count

_ORDER = 1 << 32  # set apart from every epoch's draws
_DITHER = 1  # and this one too


class Batch(NamedTuple):
    """Augmented clips, ready to train on."""

    features: NDArray[np.float32]  # (n_clips, n_frames, n_features)
    label: NDArray[np.int32]  # (n_clips,)
    length: NDArray[np.int32]  # (n_clips,) real samples
    row: NDArray[np.int64]  # (n_clips,) where the clips are in the file


class FreshFeatures:
    """Batches of augmented, extracted training clips, never the same twice.

    Parameters
    ----------
    reader : Reader
        A file with audio.
    policy : str, path or Policy
        ``bcresnet``, ``nine``, ``kws-streaming``, ``strong``, ``off`` or a TOML file, see :func:`~kwsfeat.augment.load_policy`.
    config : FeatureConfig
        What to extract; it must agree with the file about what a clip is.
    seed : int
        Of the augmentation, the order and the dither.
    batch_size : int, >= 1
        Clips in a batch; the last one of an epoch may be smaller, none is left out.
    rows : array of int, optional
        Rows of the file to use; the training rows without it.
    threads : int, >= 1, optional
        Background threads, one per processor without it. They change nothing but the time.
    noise : Noise, optional
        What is mixed in; without it the training rows' background noise, and white, pink and brown noise in a file without any.
    ahead : int, >= 1
        Batches that each thread may be in front of the consumer.

    Raises
    ------
    ConfigError
        If the policy does not exist or does not fit, or `config` wants other clips than the file holds.
    StoreError
        If the file holds no audio, or there is no row.

    Examples
    --------
    >>> from kwsfeat import Reader
    >>> reader = Reader("words.h5")
    >>> fresh = FreshFeatures(reader, "bcresnet", reader.config(), seed=0, batch_size=8)
    >>> for batch in fresh.epoch(0):
    ...     print(batch.features.shape == (len(batch.label), *reader.config().shape))
    True
    True
    """

    def __init__(
        self,
        reader: Reader,
        policy: str | os.PathLike[str] | Policy,
        config: FeatureConfig,
        seed: int = 0,
        *,
        batch_size: int = 64,
        rows: Sequence[int] | NDArray[np.integer] | None = None,
        threads: int | None = None,
        noise: Noise | None = None,
        ahead: int = 2,
    ) -> None:
        self.policy = load_policy(policy)
        self.config, self.seed, self.batch_size = config, seed, batch_size
        self.threads = thread_count(threads)
        self._ahead = ahead
        for name, value in (("batch_size", batch_size), ("ahead", ahead)):
            if value < 1:
                raise ConfigError(f"{name}={value} must be >= 1")
        check_same_clip(reader.clip, config, names=(f"{reader.path}", "the features"), cure="build a file for them")
        for name in reader.feature_names:
            if reader.config(name).fingerprint == config.fingerprint:
                check_algorithm(config, reader.algorithm(name), where=f"{reader.path}")
        self._reader, self._noise = reader, noise
        self._audio, self._length, self._label = reader.audio, reader.length, reader.label
        self.rows = reader.rows("train") if rows is None else np.asarray(rows, np.int64)
        if not self.rows.size:
            raise StoreError(f"{reader.path} has no training rows: build it with another --split, or give rows")
        if noise is None and self.policy.needs_noise:
            noise = noise_of(reader) or synthetic_noise(config.sr)
        self.transform: Transform = self.policy.bind(config.sr, noise)
        self._front_end = FrontEnd(config)
        n_uniform = self.transform.n_uniform
        # The random numbers of a whole epoch at once: a generator for each clip would cost as much as its features.
        self._uniforms = lru_cache(maxsize=2)(lambda epoch: uniforms(seed, epoch, 0, reader.n_clips, n_uniform))

    def __reduce__(self) -> tuple[Any, ...]:
        made = partial(
            FreshFeatures, batch_size=self.batch_size, rows=self.rows, threads=self.threads, noise=self._noise, ahead=self._ahead
        )
        return made, (self._reader, self.policy, self.config, self.seed)

    @property
    def n_batches(self) -> int:
        """Batches in one epoch."""
        return -(-self.rows.size // self.batch_size)

    def __iter__(self) -> Iterator[Batch]:
        """Epoch after epoch, without end."""
        return itertools.chain.from_iterable(self.epoch(epoch) for epoch in itertools.count())

    def epoch(self, epoch: int, *, first_batch: int = 0) -> Iterator[Batch]:
        """The batches of one epoch, in an order drawn from (seed, epoch), from `first_batch` on."""
        order = np.random.default_rng((self.seed, epoch, _ORDER)).permutation(self.rows)
        batches = [order[i : i + self.batch_size] for i in range(first_batch * self.batch_size, order.size, self.batch_size)]
        pool = ThreadPoolExecutor(self.threads, thread_name_prefix="kwsfeat-fresh")
        waiting: deque[Future[Batch]] = deque()
        try:
            for rows in batches:
                waiting.append(pool.submit(self.batch, rows, epoch))
                if len(waiting) > self._ahead * self.threads:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            pool.shutdown(wait=False, cancel_futures=True)

    def batch(self, rows: NDArray[np.int64], epoch: int) -> Batch:
        """The given rows of the file as they are in `epoch`."""
        y, length = self.waveforms(rows, epoch)
        features = self._front_end.extract_batch(y, lengths=length, seed=(self.seed, epoch, _DITHER), rows=rows)
        return Batch(features, np.array(self._label[rows]), length, rows)

    def parameters(self, rows: NDArray[np.int64], epoch: int) -> list[Parameters]:
        """What is drawn for the given rows in `epoch`."""
        return [self.transform.parameters(u) for u in self._uniforms(epoch)[rows].tolist()]

    def waveforms(self, rows: NDArray[np.int64], epoch: int) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
        """The given rows, augmented: float32 (n_clips, n_samples) and the number of real samples (n_clips,)."""
        out = np.empty((rows.size, self.config.n_samples), np.float32)
        length = np.array(self._length[rows])
        drawn = self.parameters(rows, epoch)
        if mixed := _shift_and_noise(self.transform, self.config.n_samples):
            clips = np.asarray(self._audio[rows])
            clips.flags.writeable = False  # Numba compiles for read-only and writable arrays apart
            _mix(*mixed, drawn, clips, out)
            length[[parameters["parts"] is not None for parameters in drawn]] = self.config.n_samples
        else:
            for i, row in enumerate(rows):
                out[i], length[i] = augmented(self.transform, drawn[i], self._audio[row], int(length[i]), self.config)
        return out, length


def _shift_and_noise(transform: Transform, n_samples: int) -> tuple[TimeShift, MixNoise] | None:
    """The two parts of a transform that one kernel can do: a shift, then noise at an amplitude, both or neither."""
    if isinstance(transform, Compose) and len(transform.parts) == 2:
        shift, noise = transform.parts
        if isinstance(shift, TimeShift) and isinstance(noise, MixNoise) and noise.amplitude and noise.noise.length.min() >= n_samples:
            return shift, noise
    return None


def _mix(
    shift: TimeShift,
    mix_noise: MixNoise,
    drawn: list[Parameters],
    clips: NDArray[np.int16],
    out: NDArray[np.float32],
) -> None:
    """``transform.apply`` of all clips, in one call of the kernel."""
    noise, n = mix_noise.noise, out.shape[1]
    moves, starts, amplitudes = np.zeros(len(clips), np.int64), np.zeros(len(clips), np.int64), np.zeros(len(clips), np.float32)
    for i, parameters in enumerate(drawn):
        if parameters["parts"] is not None:
            moved, mixed = parameters["parts"]
            moves[i] = moved["shift"]
            starts[i] = noise.start(mixed["recording"], mixed["position"], n)
            amplitudes[i] = mixed["amplitude"]
    mix(clips, np.arange(len(clips)), moves, noise.samples, starts, amplitudes, out)
