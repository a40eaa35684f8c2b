"""What a file cannot teach, or tell: classes without clips, words without anything else, recordings that were cut."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from kwsfeat import Reader, cut_counts, is_negative

SYNTHETIC = "synthetic-silence/"  # as kwsfeat build calls silence that is not recorded


def remarks(reader: Reader, splits: Sequence[str]) -> list[str]:
    """A sentence for each thing that the user of a network should know of the file's classes; only `splits` that hold clips count."""
    said = []
    for split in splits:
        label = reader.label[reader.rows(split)]
        count = np.bincount(label[label >= 0], minlength=len(reader.labels))
        if count.any() and (empty := [name for name, n in zip(reader.labels, count, strict=True) if n == 0]):
            said.append(f"the {split} split has no clips of {', '.join(empty)}")
    words = [label for label in reader.labels if not is_negative(label)]
    silence = reader.label == reader.labels.index("silence") if "silence" in reader.labels else np.zeros(reader.n_clips, bool)
    made = bool(silence.any()) and all(source.startswith(SYNTHETIC) for source in reader.source[silence].tolist())
    if len(words) + made == len(reader.labels) and not reader.noise.any():
        said.append(
            f"there are words only{', and silence that was made' if made else ''}: every sound will be one of your {len(words)} words; "
            f"build with {'' if made else '--silence-share and '}--unknown to tell others from them"
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
