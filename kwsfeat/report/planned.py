"""What a build would make of a corpus, said before it is built."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Any

import numpy as np

from kwsfeat.config.splits import SPLITS
from kwsfeat.corpus.clip import NOISE_FOLDER, Clip
from kwsfeat.corpus.scan import Scan
from kwsfeat.pipeline.lengths import fitting_length, longer_share
from kwsfeat.pipeline.sources import Recordings


def with_splits(rows: Recordings) -> list[Clip]:
    """The clips of the corpus under its own labels, in the splits of a plan; "" where the plan leaves them out."""
    split = {(clip.path, clip.start): clip.split for clip in rows.clips}
    return [replace(clip, split=split.get((clip.path, clip.start), "")) for clip in rows.corpus.clips]


def planned(rows: Recordings, scan: Scan) -> dict[str, Any]:
    """Clips, classes, splits and the rule of a build with these rows, and the options that fit their lengths; JSON types.

    `fitting_s` is what ``--length auto`` finds, from the lengths in `scan`, and `longer_percent` how many are longer than a clip.
    """
    splits = Counter(clip.split for clip in rows.clips)
    seconds = np.sort([m.seconds for m in scan.measured if m.clip.label != NOISE_FOLDER])
    return {
        "n_clips": len(rows.clips),
        "labels": list(rows.labels),
        "split": rows.split,
        "splits": {name: splits.get(name, 0) for name in SPLITS},
        "clip_s": rows.clip.n_samples / rows.clip.sr,
        "fitting_s": fitting_length(seconds) if seconds.size else None,
        "longer_percent": round(100 * longer_share(seconds, rows.clip.n_samples / rows.clip.sr), 2),
    }


def format_planned(plan: dict[str, Any]) -> str:
    """The values of :func:`planned` for a person."""
    splits = ", ".join(f"{name} {n:,}" for name, n in plan["splits"].items())
    lines = [f"a build makes {plan['n_clips']:,} clips of {len(plan['labels'])} classes, split {plan['split']}: {splits}"]
    if plan["longer_percent"] > 50:
        lines.append(
            f"{plan['longer_percent']:.0f} % of the recordings are longer than a clip of {plan['clip_s']:g} s, so that a build keeps their "
            f"loudest part; build --length auto makes clips of {plan['fitting_s']:g} s"
        )
    return "\n".join(lines)
