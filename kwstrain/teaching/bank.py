"""Negatives: vectors of speech, music and noise, and how they vary. A bank comes with the package, and others can be made.

A bank keeps the vectors in the order in which they were heard, rounded: at most ten numbers of each vector's own scale matter to a
detector. What the windows of a stream vary by follows from how vectors so many steps apart vary together.
"""

from __future__ import annotations

import hashlib
import json
import zipfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from importlib import resources
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from kwsfeat import AudioError, ConfigError, StoreError
from kwstrain.teaching.embeddings.embedding import Embedding, Vectors
from kwstrain.teaching.waveform import read_waveform

WINDOW = 8  # vectors that are described together
STEP = 0.7  # of the rounding, in deviations of what is rounded
_FLOOR = 0.02  # of the mean variance, added to that of every direction before it is rounded
_MOST = 15  # steps to either side
_FOLDER = "banks"


@dataclass(frozen=True, eq=False)
class Bank:
    """Negatives as an embedding hears them.

    Parameters
    ----------
    of : str
        :func:`fingerprint` of the embedding.
    streams : tuple of ndarray, float32, shape (n, dim)
        Vectors of sound without a break.
    hop_s : float
        From vector to vector.
    mean : ndarray, float64, shape (dim,)
    lags : ndarray, float64, shape (WINDOW, dim, dim)
        ``lags[k]`` is the mean product of a vector and the one k later, both without the mean.
    word_lags : ndarray, float64, shape (WINDOW, dim, dim), optional
        The same of words that several people say, without the mean of each word: :func:`lags_of_words`.
    sources : tuple of str
        What was heard, with licences.
    """

    of: str
    streams: tuple[Vectors, ...]
    hop_s: float
    mean: NDArray[np.float64]
    lags: NDArray[np.float64]
    word_lags: NDArray[np.float64] | None = None
    sources: tuple[str, ...] = field(default=())

    @property
    def hours(self) -> float:
        """Of sound."""
        return sum(map(len, self.streams)) * self.hop_s / 3600

    @classmethod
    def of_streams(
        cls, of: str, streams: Sequence[Vectors], hop_s: float, sources: Sequence[str] = (), words: Sequence[Vectors] = ()
    ) -> Bank:
        """The bank of some streams, and of `words`, windows (n, WINDOW, dim) of each.

        Raises
        ------
        ConfigError
            If they are too short to say how vectors vary.
        """
        n = sum(map(len, streams))
        dim = streams[0].shape[1] if streams else 0
        if n < 20 * max(dim, WINDOW):
            raise ConfigError(f"{n * hop_s:.0f} s of negatives are too few: at least {20 * dim * hop_s:.0f} s are needed")
        mean = np.asarray(sum(one.sum(axis=0, dtype=np.float64) for one in streams) / n)
        lags = np.zeros((WINDOW, dim, dim))
        for one in streams:
            x = one.astype(np.float64) - mean
            for k in range(min(WINDOW, len(x))):
                lags[k] += x[: len(x) - k].T @ x[k:]
        return cls(of, tuple(streams), hop_s, mean, lags / n, lags_of_words(words) if words else None, tuple(sources))

    def and_also(self, streams: Sequence[Vectors]) -> Bank:
        """With further streams, whose variation is not counted."""
        return replace(self, streams=(*self.streams, *streams))

    def covariance(self, window: int) -> NDArray[np.float64]:
        """Of windows of the streams, float64 (window * dim, window * dim)."""
        return _of_windows(self.lags, window)

    def covariance_of_words(self, window: int) -> NDArray[np.float64] | None:
        """Of windows of one word by several people, float64 (window * dim, window * dim); None where the bank has no words."""
        if self.word_lags is None:
            return None
        variance, directions = np.linalg.eigh(_of_windows(self.word_lags, window))
        return np.asarray((directions * np.maximum(variance, 0)) @ directions.T)

    @cached_property
    def _directions(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Directions (dim, dim) that vary by themselves, and the step of each."""
        variance, directions = np.linalg.eigh(self.lags[0])
        return directions, STEP * np.sqrt(np.maximum(variance, 0) + _FLOOR * variance.mean())

    def save(self, path: Path) -> None:
        """Write the bank, rounded, compressed."""
        directions, step = self._directions
        codes = [np.clip(np.rint((one - self.mean) @ directions / step), -_MOST, _MOST) for one in self.streams]
        said = {"of": self.of, "hop_s": self.hop_s, "sources": self.sources, "lengths": [len(one) for one in self.streams]}
        arrays = {
            "codes": np.ascontiguousarray(np.concatenate(codes).T.astype(np.int8)), "mean": self.mean.astype(np.float32),
            "lags": self.lags.astype(np.float16), "directions": directions.astype(np.float16), "step": step.astype(np.float32),
            "about": np.frombuffer(json.dumps(said).encode(), np.uint8),
        }  # fmt: skip
        if self.word_lags is not None:
            arrays["word_lags"] = self.word_lags.astype(np.float16)
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_suffix(".partial")
        with partial.open("wb") as file:
            np.savez_compressed(file, **arrays)  # type: ignore[arg-type]  # as in kwstrain.io
        partial.replace(path)

    @classmethod
    def load(cls, path: Path) -> Bank:
        """Read what :meth:`save` wrote.

        Raises
        ------
        StoreError
            If it is missing or damaged.
        """
        try:
            with np.load(path, allow_pickle=False) as arrays:
                given = {name: arrays[name] for name in arrays.files}
            said = json.loads(given["about"].tobytes())
            vectors = given["codes"].T.astype(np.float32) * given["step"] @ given["directions"].astype(np.float32).T + given["mean"]
            streams = np.split(vectors, np.cumsum(said["lengths"])[:-1])
            lags = given["lags"].astype(np.float64)
            of_words = given["word_lags"].astype(np.float64) if "word_lags" in given else None
            return cls(said["of"], tuple(streams), said["hop_s"], given["mean"].astype(np.float64), lags, of_words, tuple(said["sources"]))
        except FileNotFoundError:
            raise StoreError(f"{path}: no such bank: kwstrain bank makes one") from None
        except (OSError, KeyError, ValueError, TypeError, EOFError, zipfile.BadZipFile) as error:
            raise StoreError(f"{path} is no bank, or damaged ({error}): kwstrain bank makes another") from None


def lags_of_words(words: Sequence[Vectors]) -> NDArray[np.float64]:
    """How a vector of a word and the one k later differ together from the word's mean, float64 (WINDOW, dim, dim).

    `words` are windows (n, WINDOW, dim), of one word each, by as many people as possible.
    """
    dim = words[0].shape[2]
    lags = np.zeros((WINDOW, dim, dim))
    for one in words:
        x = one - one.mean(axis=0, dtype=np.float64)
        for k in range(WINDOW):
            lags[k] += np.einsum("nwd,nwe->de", x[:, : WINDOW - k], x[:, k:], optimize=True) / (WINDOW - k)
    return lags / sum(map(len, words))


def _of_windows(lags: NDArray[np.float64], window: int) -> NDArray[np.float64]:
    """The covariance (window * dim, window * dim) that follows from that of vectors k apart."""
    if window > WINDOW:
        raise ConfigError(f"window={window} must be <= {WINDOW}, for which the bank knows how vectors vary")
    return np.block([[lags[j - i] if j >= i else lags[i - j].T for j in range(window)] for i in range(window)])


def score_stream(vectors: Vectors, kernel: NDArray[np.floating]) -> NDArray[np.float64]:
    """``sum(window * kernel)`` of every window of a stream (n, dim), float64 (n - window + 1,)."""
    n, given = len(kernel), vectors @ np.asarray(kernel, np.float32).T
    m = len(vectors) - n + 1
    return np.sum([given[k : k + m, k] for k in range(n)], axis=0, dtype=np.float64) if m > 0 else np.zeros(0)


def fingerprint(embedding: Embedding) -> str:
    """16 digits that differ whenever the vectors would."""
    digest = hashlib.sha256(f"{embedding.arch} {embedding.options} {embedding.features.fingerprint}".encode())
    for name, value in sorted(embedding.arrays.items()):
        if not name.startswith("out/"):
            digest.update(name.encode() + value.tobytes())
    return digest.hexdigest()[:16]


def shipped(embedding: Embedding) -> Bank | None:
    """The bank of this embedding that comes with the package."""
    of = fingerprint(embedding)
    for path in sorted(Path(str(resources.files("kwstrain.teaching"))).joinpath(_FOLDER).glob("*.npz")):
        if (bank := Bank.load(path)).of == of:
            return bank
    return None


def hear(embedding: Embedding, paths: Iterable[Path]) -> tuple[dict[Path, Vectors], list[tuple[Path, str]]]:
    """The vectors of recordings of any length, and those that cannot be read, with the reason."""
    streams, failed = {}, []
    for path in paths:
        try:
            streams[path] = embedding.embed(read_waveform(path, embedding.sr))
        except AudioError as error:
            failed.append((path, str(error).removeprefix(f"{path}: ")))
    return streams, failed
