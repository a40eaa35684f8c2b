"""The manifest beside a model: what ESPHome's ``micro_wake_word`` must know of it, in its second version."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from kwsfeat import StoreError
from kwstrain.io import read_json

SUFFIX = ".json"
_WEBSITE = "https://github.com/kwsfeat/kwsfeat"
_FIELDS = {"probability_cutoff": float | int, "sliding_window_size": int, "tensor_arena_size": int, "feature_step_size": int}


def manifest(*, word: str, model: str, cutoff: float, window: int, step_ms: int, arena: int) -> bytes:
    """The file: ESPHome takes these fields and no others; author, website and languages are shown to people, who may change them."""
    values = {
        "type": "micro",
        "wake_word": word.replace("_", " "),
        "author": "trained with kwstrain",
        "website": _WEBSITE,
        "model": model,
        "trained_languages": [],
        "version": 2,
        "micro": {
            "probability_cutoff": cutoff,
            "feature_step_size": step_ms,
            "sliding_window_size": window,
            "tensor_arena_size": arena,
            "minimum_esphome_version": "2024.7.0",
        },
    }
    return (json.dumps(values, indent=2, ensure_ascii=False) + "\n").encode()


def read_manifest(path: Path) -> dict[str, Any]:
    """Read a manifest.

    Raises
    ------
    StoreError
        If it is missing, damaged, or none of a micro wake word of version 2.
    """
    try:
        values = read_json(path)
    except FileNotFoundError:
        raise StoreError(f"{path}: no such file") from None
    if values.get("type") != "micro" or values.get("version") != 2:
        raise StoreError(f"{path} is not the manifest of a micro wake word, version 2")
    told = values.get("micro")
    missing = [name for name, kind in _FIELDS.items() if not isinstance(told, dict) or not isinstance(told.get(name), kind)]
    missing += [name for name in ("model", "wake_word") if not isinstance(values.get(name), str)]
    if missing:
        raise StoreError(f"{path} is damaged: {missing[0]} is missing or of another type; export it again")
    return values
