"""Synthetic voices that say a word, as if each were a recording of it."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from kwsfeat import speak
from kwstrain.teaching.takes.recordings import Take, cut

_QUIET_S = 0.2  # before and after the word
_LEVEL = 0.3  # of its peak


def spoken_takes(text: str, n_voices: int, sr: int, *, seed: int = 0) -> list[Take]:
    """What espeak-ng's voices say, at `sr` Hz, called by the names of the voices.

    Raises
    ------
    MissingExtraError
        Without espeak-ng's library.
    AudioError
        If nothing is heard, or it cannot be used.
    """
    quiet = np.zeros(round(_QUIET_S * sr), np.float32)
    spoken = speak(text, n_voices, seed=seed)
    return [cut(Path(name), np.concatenate([quiet, np.float32(_LEVEL) * y, quiet]), sr) for name, y in spoken]
