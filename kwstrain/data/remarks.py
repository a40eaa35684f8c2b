"""What a file cannot teach, or tell: classes without clips, words without anything else, recordings that were cut."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from kwsfeat import Reader, cut_counts, is_negative


def remarks(reader: Reader, splits: Sequence[str]) -> list[str]:
    """A sentence for each thing that the user of a network should know of the file's classes; only `splits` that hold clips count."""
    said = []
    for split in splits:
        label = reader.label[reader.rows(split)]
        count = np.bincount(label[label >= 0], minlength=len(reader.labels))
        if count.any() and (empty := [name for name, n in zip(reader.labels, count, strict=True) if n == 0]):
            said.append(f"the {split} split has no clips of {', '.join(empty)}")
    if not any(map(is_negative, reader.labels)) and not reader.noise.any():
        said.append(
            f"there are words only: every sound will be one of your {len(reader.labels)} words; "
            "build with --silence-share and --unknown to tell others from them"
        )
    n_cut, n_loudest = cut_counts(reader) or (0, 0)
    if n_loudest:
        said.append(
            f"{n_cut:,} clips are parts of longer recordings, {n_loudest:,} of them without the loudest part: "
            "build with --crop loudest, or with --length auto"
        )
    elif n_cut:
        said.append(f"{n_cut:,} clips are parts of longer recordings: build with --length auto to keep all of nearly all")
    return said
