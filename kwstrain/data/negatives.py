"""Hours of something else, to train a network that listens on: pieces from any place of recordings without the words."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from kwsfeat import ConfigError, read_negatives

_SECTION_S = 60.0


class Negatives:
    """Recordings in which none of the words is said, decoded once into a temporary file that is mapped.

    Parameters
    ----------
    folders : sequence of path
        The folder that a recording lies in is its source; every source is heard as often.
    sr : int
        Rate in Hz that pieces are given at.
    part : pair of int
        (k, n): every n-th recording of each source, from the k-th on, so that others are left to choose thresholds and to score on.

    Attributes
    ----------
    digest : str
        Of the samples: what a configuration names them by.
    hours : float

    Raises
    ------
    CorpusError, ConfigError
        If there are none, or `part` is out of bounds.
    """

    def __init__(self, folders: Sequence[str | os.PathLike[str]], sr: int, part: tuple[int, int] = (1, 1)) -> None:
        digest = hashlib.sha256()
        spans: dict[str, tuple[int, int]] = {}
        with tempfile.TemporaryFile() as file:
            n = 0
            for source, section in read_negatives([Path(folder) for folder in folders], sr, part=part, section_s=_SECTION_S):
                samples = np.round(section * 32768).clip(-32768, 32767).astype(np.int16).tobytes()
                file.write(samples)
                digest.update(samples)
                first, _ = spans.get(source, (n, n))
                n += len(section)
                spans[source] = first, n
            if not n:
                raise ConfigError("the negatives are shorter than 5 s: give longer recordings, or more")
            file.flush()
            self._samples = np.memmap(file, np.int16, "r", shape=(n,))
        self._spans = list(spans.values())
        self.digest, self.hours = digest.hexdigest()[:16], n / sr / 3600

    def piece(self, rng: np.random.Generator, n: int) -> NDArray[np.float32]:
        """`n` samples, float32, of a source and from a place that `rng` draws; a source that is shorter is repeated."""
        first, last = self._spans[int(rng.integers(len(self._spans)))]
        start = first + int(rng.integers(max(1, last - first - n + 1)))
        samples = self._samples[start : min(start + n, last)]
        return np.resize(samples, n) * np.float32(1 / 32768)
