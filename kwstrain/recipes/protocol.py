"""What a figure was measured on, in words: without it the figure means nothing."""

from __future__ import annotations

import os

import numpy as np

from kwsfeat import Reader
from kwstrain.data.streams import NO_WORDS

_SILENCE, _UNKNOWN = NO_WORDS


def protocol(said: str, file: str | os.PathLike[str], split: str, *, seed: int) -> str:
    """What the recipe says of it, and the clips of `split` that the file really holds: of words, of silence, of which unknown words."""
    with Reader(file) as reader:
        rows = reader.rows(split)
        label = np.array(reader.labels)[reader.label[rows[reader.label[rows] >= 0]]]
        words = [name for name in reader.labels if name not in NO_WORDS]
        parts = [f"{int(np.isin(label, words).sum())} clips of {len(words)} words ({', '.join(words)})"]
        if _SILENCE in reader.labels:
            parts.append(f"{int((label == _SILENCE).sum())} of silence")
        if _UNKNOWN in reader.labels:
            unknown = reader.source[rows[reader.label[rows] == reader.labels.index(_UNKNOWN)]]
            names = sorted({source.replace("\\", "/").split("/")[0] for source in unknown.tolist()})
            parts.append(f"{len(unknown)} of unknown words ({', '.join(names)})")
    return f"{said}; {split}: {', '.join(parts)}; seed {seed}"
