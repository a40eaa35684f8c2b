"""Stored augmentation: the rows of a new file, with every training clip in several variants."""

from __future__ import annotations

import contextlib
import copy
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from kwsfeat.audio.clip import resample
from kwsfeat.audio.read import read_samples
from kwsfeat.augment import Noise, Parameters, Policy, draw_variants, synthetic_noise, variants
from kwsfeat.config.clip import ClipConfig
from kwsfeat.corpus.clip import Clip, Corpus
from kwsfeat.corpus.same_source import is_noise_piece
from kwsfeat.dataset.columns import Columns
from kwsfeat.errors import AudioError, StoreError
from kwsfeat.pipeline.noise import noise_of
from kwsfeat.pipeline.sources import ClipSource, FromDataset, Recordings


class WithVariants:
    """A :class:`~kwsfeat.pipeline.build.ClipSource` made of another one: training clips become all variants of a policy, the others stay.

    Variant k >= 1 of a clip is number k of the policy's list; 0 is a recording itself. What a variant is depends on
    the seed, the policy and the clip's row before augmentation, so it is the same for any number of threads.

    Parameters
    ----------
    source : ClipSource
    policy : Policy
    config : ClipConfig
        Says what a clip is.
    seed : int
    noise : Noise, optional
        For policies that mix noise.

    Raises
    ------
    StoreError
        If the rows of `source` are augmented already.
    """

    def __init__(self, source: ClipSource, policy: Policy, config: ClipConfig, seed: int, noise: Noise | None = None) -> None:
        self._source, self._policy, self._config, self._seed = source, policy, config, seed
        self.labels = source.labels
        self._transform = policy.bind(config.sr, noise)
        self._noise = noise
        self._before = source.columns()
        if self._before.variant.any():
            raise StoreError("the earlier file is augmented already: build from the recordings, or from a file without augmentation")
        counts = np.where(self._before.split == b"train", policy.n_variants, 1)
        self._clip = np.repeat(np.arange(counts.size), counts)  # the row of the clip that a new row comes from
        self._first = np.cumsum(counts) - counts  # the first new row of each clip; below 0 where a part begins among its variants
        self._first_clip = 0  # the number of the first clip in the whole of which this is a part

    @property
    def remarks(self) -> list[tuple[str, str]]:
        """Those of the source."""
        return self._source.remarks

    @property
    def clip(self) -> ClipConfig:
        """What the clips of the source are."""
        return self._source.clip

    def columns(self) -> Columns:
        """Those of the source, repeated, with the number and the parameters of each variant."""
        variant, texts = [], []
        for clip, split in enumerate(self._before.split):
            drawn = self._draw(clip) if split == b"train" else [None]
            variant += np.cumsum([parameters is not None for parameters in drawn]).tolist()
            texts += ["" if parameters is None else json.dumps(parameters) for parameters in drawn]
        mine = slice(-int(self._first[0]), self._clip.size - int(self._first[0]))
        augmentation = np.array([text.encode() for text in texts[mine]], "S")
        return replace(self._before.take(self._clip), variant=np.array(variant[mine], "<i4"), augmentation=augmentation)

    def attributes(self) -> Mapping[str, str]:
        """The policy, by name and as TOML."""
        return {"recipe": self._policy.name, "recipe_toml": self._policy.text}

    def identity(self) -> bytes:
        """Changes with the source, the policy, the seed and the noise."""
        digest = hashlib.sha256(self._source.identity() + json.dumps([self._policy.text, self._seed]).encode())
        if self._noise is not None:
            digest.update(self._noise.samples.tobytes())
        return digest.digest()

    def load(self, rows: slice, audio: NDArray[np.int16], length: NDArray[np.int32], cut: NDArray[np.uint8]) -> dict[int, str]:
        """Load the clips of some rows and make their variants."""
        first, last = int(self._clip[rows.start]), int(self._clip[rows.stop - 1])
        y = np.zeros((last - first + 1, self._config.n_samples), np.int16)
        n, lost = np.zeros(len(y), np.int32), np.zeros(len(y), np.uint8)
        unreadable = self._source.load(slice(first, last + 1), y, n, lost)
        bad: dict[int, str] = {}
        for clip in range(first, last + 1):
            made = self._variants(clip, y[clip - first], int(n[clip - first]), readable=clip - first not in unreadable)
            begin = int(self._first[clip]) - rows.start
            for i in range(max(begin, 0), min(begin + len(made), len(length))):
                audio[i], length[i] = made[i - begin]
                cut[i] = lost[clip - first]
                if clip - first in unreadable:
                    bad[i] = unreadable[clip - first]
        return bad

    def part(self, rows: slice) -> WithVariants:
        """Some rows of these: variants are drawn for the clips by their numbers in the whole."""
        first, last = int(self._clip[rows.start]), int(self._clip[rows.stop - 1])
        part = copy.copy(self)
        part._source = self._source.part(slice(first, last + 1))
        part._before = self._before.take(np.arange(first, last + 1))
        part._clip, part._first = self._clip[rows] - first, self._first[first : last + 1] - rows.start
        part._first_clip = self._first_clip + first
        return part

    def _draw(self, clip: int) -> list[Parameters | None]:
        return draw_variants(self._policy, self._transform, seed=self._seed, index=self._first_clip + clip)

    def _variants(self, clip: int, y: NDArray[np.int16], length: int, *, readable: bool) -> list[tuple[NDArray[np.int16], int]]:
        if self._before.split[clip] != b"train":
            return [(y, length)]
        if not readable:
            return [(y, length)] * self._policy.n_variants
        return variants(self._transform, self._draw(clip), y, length, self._config)


def augment_source(source: Recordings | FromDataset, policy: Policy, config: ClipConfig, *, seed: int) -> ClipSource:
    """Augment the training clips of a source.

    In a corpus without noise recordings, white, pink and brown noise are mixed instead.

    Parameters
    ----------
    source : Recordings or FromDataset
        The clips, as from :func:`kwsfeat.plan_recordings`.
    policy : Policy
        As from :func:`kwsfeat.load_policy`.
    config : ClipConfig
        What a clip is: its rate, length, trimming, padding and cropping.
    seed : int
        What is drawn for a clip depends on it, the policy and the clip's row only.

    Returns
    -------
    ClipSource
        Each clip and its variants instead of the clip, with the corpus's own noise where noise is mixed; `source` itself for
        the policy ``off``.

    Examples
    --------
    >>> from kwsfeat import load_policy, plan_recordings, preset
    >>> rows = plan_recordings("recordings", preset("logmel"), split="stratified:50/25/25")
    >>> augmented = augment_source(rows, load_policy("nine"), preset("logmel"), seed=0)
    >>> len(rows.columns().label), len(augmented.columns().label)
    (8, 40)
    """
    if policy.is_off:
        return source
    noise = None
    if policy.needs_noise:
        noise = corpus_noise(source.corpus, config.sr, source.clips) if isinstance(source, Recordings) else noise_of(source.reader)
        noise = noise or synthetic_noise(config.sr)
    return WithVariants(source, policy, config, seed, noise)


def corpus_noise(corpus: Corpus, sr: int, clips: Sequence[Clip] = ()) -> Noise | None:
    """The noise recordings of a corpus at `sr` Hz, without what `clips` hold back for validation and test; None without any left."""
    recordings = []
    for path, told in corpus.noise_by_file().items():
        pieces = [clip for clip in clips if clip.path == path and is_noise_piece(clip)]
        held = [clip for clip in pieces or told if clip.split not in ("", "train")]
        if held and len(held) == len(pieces or told):
            continue
        with contextlib.suppress(AudioError):  # the build lists it, for silence is cut from the same files
            y, recorded_sr = read_samples(corpus.open(Clip(path, "")))
            free = np.zeros(len(y), bool)
            for clip in told:
                free[clip.start : clip.stop] = True
            for clip in held:
                free[clip.start : clip.stop] = False
            y = y[free]
            if len(y):
                recordings.append(y if recorded_sr == sr else resample(y, recorded_sr, sr))
    return Noise(recordings) if recordings else None
