"""The noise that a dataset file holds."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from kwsfeat.augment import Noise
from kwsfeat.dataset.reader import Reader


def noise_of(reader: Reader) -> Noise | None:
    """The noise in a dataset file: what its training rows hold of noise recordings; None without any.

    The pieces that the build cut a recording into are joined again, so that mixed noise may begin anywhere in it.
    """
    training = reader.rows("train")
    rows = training[reader.noise[training]]
    if not rows.size:
        return None
    order = rows[np.lexsort((reader.start[rows], reader.source[rows]))]
    joined: dict[str, list[NDArray[np.int16]]] = {}
    for row in order:
        joined.setdefault(str(reader.source[row]), []).append(reader.audio[row, : reader.length[row]])
    return Noise(np.concatenate(pieces) for pieces in joined.values())
