"""``esphome``: the network in 8 bits with its state inside, and the manifest beside it, for the microcontrollers of Home Assistant."""

from __future__ import annotations

import json
from typing import Any

from kwstrain.export.integer.card import described
from kwstrain.export.integer.wake import wake_word
from kwstrain.export.target import Job, Target
from kwstrain.export.tflite.arena import arena_bytes
from kwstrain.export.tflite.manifest import SUFFIX, manifest
from kwstrain.export.tflite.read import parse_tflite
from kwstrain.export.tflite.write import NOTE, write_tflite
from kwstrain.inference.exported import needed
from kwstrain.io import write_atomic


def _write(job: Job) -> dict[str, Any]:
    needed("tflite")
    wake = wake_word(job, "esphome")
    config = job.bundle.feature_config
    data = write_tflite(wake.network, {NOTE: json.dumps(described(job, wake), ensure_ascii=False).encode()})
    arena = arena_bytes(parse_tflite(data, where=str(job.out)))
    beside = job.out.with_suffix(SUFFIX)
    step_ms = round(1000 * config.hop_length / config.sr)
    write_atomic(job.out, data)
    write_atomic(beside, manifest(word=wake.word, model=job.out.name, cutoff=wake.cutoff, window=wake.window, step_ms=step_ms, arena=arena))
    return {
        "manifest": str(beside), "word": wake.word, "probability_cutoff": wake.cutoff, "sliding_window_size": wake.window,
        "tensor_arena_size": arena, **wake.said,
    }  # fmt: skip


TARGET = Target(
    "esphome", ".tflite", "int8 with its state inside for ESPHome's micro_wake_word, the manifest beside it", _write,
    beside=(SUFFIX,), takes_word=True,
)  # fmt: skip
