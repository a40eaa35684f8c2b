"""Clips of a taught run, which has no file of features: its recordings, or what voices say; each of them backwards is no word."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from kwsfeat import KwsError, StoreError, is_negative, list_recordings
from kwstrain.inference.bundle import Bundle
from kwstrain.teaching.run import REPORT
from kwstrain.teaching.takes.copies import BEHIND_S
from kwstrain.teaching.takes.recordings import Take, read_takes
from kwstrain.teaching.takes.voices import spoken_takes

N_VOICES = 20
MOST = 60  # recordings of a word


def is_taught(bundle: Bundle) -> bool:
    """Whether ``kwstrain teach`` made the run."""
    return (bundle.folder / REPORT).is_file()


def taught_clips(bundle: Bundle) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
    """Clips that end soon after the word, the same backwards, and their classes: float32 (n, n_samples), int32 (n,).

    Raises
    ------
    StoreError
        If neither the recordings nor the voices are there.
    """
    c = bundle.feature_config
    other = next((i for i, label in enumerate(bundle.labels) if is_negative(label)), len(bundle.labels) - 1)
    clips, classes = [], []
    for i, word in enumerate(bundle.labels):
        for take in _takes(bundle, word) if i != other else []:
            end = take.end + round(BEHIND_S * c.sr)
            y = np.zeros(c.n_samples, np.float32)
            heard = take.y[max(0, end - c.n_samples) : end]
            y[c.n_samples - len(heard) :] = heard
            clips += [y, y[::-1]]
            classes += [i, other]
    if not clips:
        raise StoreError(
            f"{bundle.data or bundle.folder}: the recordings are gone, on which ranges are measured, and no voice can say the word"
        )
    return np.stack(clips), np.array(classes, np.int32)


def _takes(bundle: Bundle, word: str) -> list[Take]:
    """The recordings of a word, and voices that say it."""
    sr, folder = bundle.feature_config.sr, Path(bundle.data)
    takes: list[Take] = []
    if bundle.data and folder.is_dir():
        where = folder / word if (folder / word).is_dir() else folder
        takes = read_takes(list_recordings(where)[:MOST], sr)[0]
    with suppress(KwsError):  # no library, or a name that nobody can say
        takes += spoken_takes(word, N_VOICES, sr)
    return takes
