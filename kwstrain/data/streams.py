"""Training in the form that runs: each clip anew in each epoch within a longer stream, which is scored at its end."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import repeat

import numpy as np
from numpy.typing import NDArray

from kwsfeat import ConfigError, FeatureConfig, FreshFeatures, FrontEnd, Reader, StoreError, StreamFrontEnd, thread_count
from kwstrain.config import TrainConfig
from kwstrain.data.batches import Block
from kwstrain.data.clips import Clips
from kwstrain.data.negatives import Negatives
from kwstrain.data.placed import Pieces, Samples, place
from kwstrain.models import spec
from kwstrain.streaming.find import check_streams

NO_WORDS = ("silence", "unknown")
_NEGATIVE = 0.5  # share of negatives, where there are some: of the examples without a word, around a word, and behind it
_LEVEL_DBFS = (-45.0, -15.0)  # of an example that is a negative
_MORE = 1.3  # times as much of the negatives is augmented: some of it is played faster
_PLACE = 2  # set apart from the augmentation's draws of the same (seed, epoch, row)


def for_stream(config: TrainConfig, reader: Reader) -> TrainConfig:
    """`config`, whose network sees no later frame, where it trains for a stream; itself otherwise.

    Raises
    ------
    ConfigError
        If the network or the features do not stream, or there is nothing that ``loudest`` could be of.
    StoreError
        If the file holds no audio, or augmented copies.
    """
    if not config.stream:
        if config.loudest:
            raise ConfigError(f"loudest={config.loudest:g} is of the rows of a stream: add --stream, or leave it 0")
        return config
    if "causal" in spec(config.arch).options.to_dict() and "causal" not in config.options:
        config = replace(config, options={**config.options, "causal": True})
    check_streams(config.arch, config.options)
    StreamFrontEnd(reader.config(config.features or None))
    if config.loudest and not set(NO_WORDS) & set(reader.labels):
        raise ConfigError(f"loudest={config.loudest:g} is of what holds no word, and {reader.path} has no class for that: leave it 0")
    if config.loudest and config.mixup:
        raise ConfigError(
            f"loudest={config.loudest:g} needs examples without a word, and mixup={config.mixup:g} mixes words in: choose one"
        )
    if not reader.has_audio:
        raise StoreError(f"{reader.path} holds no audio to put words into streams of: build it without --no-audio")
    if reader.variant.any():
        raise StoreError(f"{reader.path} holds augmented copies: build it without --augment, a stream is drawn anew in each epoch")
    return config


def n_frames_of_example(config: TrainConfig, features: FeatureConfig) -> int:
    """Frames of the context and of a clip."""
    return round(config.context_s / StreamFrontEnd(features).hop_s) + features.n_frames


class Streams:
    """Examples that are made of the clips of a split.

    What an example is depends on (seed, epoch, row) alone.

    Parameters
    ----------
    clips : Clips
        Of a file with audio.
    config : TrainConfig
        `context_s` of audio stand before the window that is scored, which is as long as a clip.
    augment : str
        A policy for the clip in the middle, and for an example that is a negative; or off.
    negatives : Negatives, optional
        Running speech, music and noise: instead of half of the clips of ``unknown`` (of ``silence``, in a file without), and
        around and behind words.
    """

    def __init__(self, clips: Clips, config: TrainConfig, augment: str, negatives: Negatives | None = None) -> None:
        reader, features = clips.reader, clips.reader.config(clips.name)
        self._front_end, stream = FrontEnd(features), StreamFrontEnd(features)
        self._features, self._seed = features, config.seed
        self.n_frames = n_frames_of_example(config, features)
        self._n_samples = round((stream.latency + (self.n_frames - 1) * stream.hop_s) * features.sr)
        self._fresh = None if augment == "off" else FreshFeatures(reader, augment, features, config.seed, rows=clips.rows)
        self._threads = thread_count(None)
        self._audio, self._length, self._label = reader.audio, reader.length, reader.label
        self._negatives = negatives
        unwanted = np.isin(np.array(reader.labels)[reader.label], NO_WORDS)
        noise = reader.noise | (np.array(reader.labels)[reader.label] == NO_WORDS[0])
        self._is_noise = noise
        nothing = [name for name in ("unknown", "silence") if name in reader.labels][:1]
        self._may_be_negative = np.isin(np.array(reader.labels)[reader.label], nothing)
        rows = clips.rows
        self._words, self._others, self._noises = rows, rows[unwanted[rows] & ~noise[rows]], rows[noise[rows]]
        self._pieces = Pieces(self._any, self._other, self._noise, self._behind)
        # Where every row of an example is judged, none may have heard a wanted word.
        self._unwanted = replace(self._pieces, word=self._other) if config.loudest else self._pieces
        self._wanted = ~unwanted

    def load(self, rows: NDArray[np.int64], epoch: int = 0) -> Block:
        """Examples of the clips at `rows` of the file, of any shape, taken in order."""
        parts = np.array_split(rows.ravel(), max(1, min(self._threads, rows.size)))
        with ThreadPoolExecutor(self._threads) as pool:
            features = np.concatenate(list(pool.map(self._batch, parts, repeat(epoch))))
        n = rows.size
        return Block(features, np.array(self._label[rows.ravel()]), np.zeros(n, np.int32), np.full(n, self.n_frames, np.int32))

    def waveforms(self, rows: NDArray[np.int64], epoch: int) -> Samples:
        """The streams, float32 (n, n_samples)."""
        clips = [self._clip(row) for row in rows] if self._fresh is None else self._augmented(rows, epoch)
        return np.stack([self._example(clip, int(row), epoch) for clip, row in zip(clips, rows, strict=True)])

    def _batch(self, rows: NDArray[np.int64], epoch: int) -> NDArray[np.float32]:
        y = self.waveforms(rows, epoch)
        features: NDArray[np.float32] = self._front_end.extract_batch(y, seed=(self._seed, epoch, _PLACE), rows=rows)[:, : self.n_frames]
        return features

    def _augmented(self, rows: NDArray[np.int64], epoch: int) -> list[Samples]:
        assert self._fresh is not None
        y, length = self._fresh.waveforms(rows, epoch)
        return [self._real(one, int(n)) for one, n in zip(y, length, strict=True)]

    def _example(self, clip: Samples, row: int, epoch: int) -> Samples:
        rng = np.random.default_rng((self._seed, epoch, row, _PLACE))
        if self._negatives is not None and self._may_be_negative[row] and rng.random() < _NEGATIVE:
            y = self._varied(self._negatives.piece(rng, round(_MORE * self._n_samples)), rng)[: self._n_samples]
            level = 10 ** (rng.uniform(*_LEVEL_DBFS) / 20) / max(1e-6, float(np.sqrt(np.square(y, dtype=np.float64).mean())))
            y *= np.float32(level)
            return np.clip(y, -1, 1, out=y)
        pieces = self._pieces if self._wanted[row] else self._unwanted
        return place(
            clip, is_word=not self._is_noise[row], n_samples=self._n_samples, window=self._features.n_samples, sr=self._features.sr,
            pieces=pieces, rng=rng,
        )  # fmt: skip

    def _varied(self, y: Samples, rng: np.random.Generator) -> Samples:
        """The piece as other people, faster or slower, in other rooms would say it."""
        return y if self._fresh is None else self._fresh.transform.apply(y, self._fresh.transform.draw(rng))

    def _real(self, y: Samples, length: int) -> Samples:
        """A clip without what filled it up."""
        first = {"end": 0, "front": 2, "center": 1}[self._features.pad] * (len(y) - length) // 2
        return y[first : first + max(1, length)]

    def _clip(self, row: int) -> Samples:
        return self._real(self._audio[row], int(self._length[row])) * np.float32(1 / 32768)

    def _any(self, rng: np.random.Generator) -> Samples:
        return self._clip(int(rng.choice(self._words)))

    def _other(self, rng: np.random.Generator) -> Samples:
        """A word that is not wanted, or of the negatives; noise in a file of wanted ones alone."""
        if self._negatives is not None and rng.random() < _NEGATIVE:
            return self._negatives.piece(rng, int(rng.uniform(0.2, 1.5) * self._features.sr))
        return self._clip(int(rng.choice(self._others))) if self._others.size else self._noise(rng)

    def _noise(self, rng: np.random.Generator) -> Samples:
        """Recorded noise, or silence."""
        if self._noises.size and rng.random() < 0.5:
            return self._clip(int(rng.choice(self._noises)))
        return np.zeros(int(rng.uniform(0.05, 0.5) * self._features.sr), np.float32)

    def _behind(self, rng: np.random.Generator, n: int) -> Samples:
        """Noise of the corpus, neighbouring clips of one recording after each other; white noise where it has none; or of the negatives."""
        if self._negatives is not None and rng.random() < _NEGATIVE:
            return self._negatives.piece(rng, n)
        if not self._noises.size:
            return rng.standard_normal(n, np.float32)
        at = int(rng.integers(self._noises.size))
        order = np.arange(at, at + -(-n // self._features.n_samples) + 1) % self._noises.size
        return np.resize(np.concatenate([self._clip(int(row)) for row in self._noises[order]]), n)
