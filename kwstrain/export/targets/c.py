"""``c``: one header, from samples to the score of a word, in whole numbers."""

from __future__ import annotations

from typing import Any

from kwstrain.export.c.header import write_header
from kwstrain.export.integer.card import described
from kwstrain.export.integer.wake import wake_word
from kwstrain.export.target import Job, Target
from kwstrain.io import write_atomic


def _write(job: Job) -> dict[str, Any]:
    wake = wake_word(job, "c")
    text = write_header(wake, job.bundle.feature_config, described(job, wake), job.license)
    write_atomic(job.out, text.encode())
    return {"word": wake.word, "probability_cutoff": wake.cutoff, "sliding_window_size": wake.window, **wake.said}


TARGET = Target("c", ".h", "one C header, samples in, the score of a word out, whole numbers only", _write, takes_word=True)
