"""What a file cannot teach, or tell: classes without clips, and words without anything else."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from kwsfeat import Reader

NEGATIVES = ("silence", "unknown")  # as kwsfeat build calls the classes of what is no word


def remarks(reader: Reader, splits: Sequence[str]) -> list[str]:
    """A sentence for each thing that the user of a network should know of the file's classes; only `splits` that hold clips count."""
    said = []
    for split in splits:
        label = reader.label[reader.rows(split)]
        count = np.bincount(label[label >= 0], minlength=len(reader.labels))
        if count.any() and (empty := [name for name, n in zip(reader.labels, count, strict=True) if n == 0]):
            said.append(f"the {split} split has no clips of {', '.join(empty)}")
    if not set(reader.labels) & set(NEGATIVES) and not reader.noise.any():
        said.append(
            f"there are words only: every sound will be one of your {len(reader.labels)} words; "
            "build with --silence-share and --unknown to tell others from them"
        )
    return said
