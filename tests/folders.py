"""Folders of short recordings: what counts is how they are called and where they lie."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import soundfile

_KINDS = {"opus": {"format": "OGG", "subtype": "OPUS"}}
_SHORT = np.arange(-800, 800, dtype=np.int16)


def recordings(root: Path, *paths: str) -> Path:
    """A recording of a tenth of a second, always the same, at each path below `root`, which is returned."""
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(root / path, _SHORT, 48000 if path.endswith(".opus") else 16000, **_KINDS.get(path[-4:], {}))
    return root


def grid(pattern: str, **values: list[str]) -> list[str]:
    """The paths of a pattern such as "{word}/{n}.wav", for every combination of the values."""
    paths = [pattern]
    for name, choices in values.items():
        paths = [path.replace(f"{{{name}}}", choice) for path in paths for choice in choices]
    return paths
