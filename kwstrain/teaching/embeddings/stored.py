"""An embedding as a file: its weights by name, and what they belong to."""

from __future__ import annotations

import json
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kwsfeat import FeatureConfig, KwsError, StoreError
from kwstrain.io import load_arrays, save_arrays

_ABOUT = "about"


def ours_file() -> Path:
    """The file of the embedding that comes with the package."""
    return Path(str(resources.files("kwstrain.teaching.embeddings"))).joinpath("ours.npz")


def write_stored(
    path: Path, *, arch: str, options: Mapping[str, Any], features: FeatureConfig, arrays: Mapping[str, NDArray[Any]], credit: str
) -> None:
    """Write a file that :func:`read_stored` reads."""
    about = {"arch": arch, "options": dict(options), "features": features.to_dict(), "credit": credit}
    path.parent.mkdir(parents=True, exist_ok=True)
    save_arrays(path, {**arrays, _ABOUT: np.frombuffer(json.dumps(about, ensure_ascii=False).encode(), np.uint8)})


def read_stored(path: Path) -> dict[str, Any]:
    """The fields of an embedding: `arch`, `options`, `features`, `arrays`, `credit`.

    Raises
    ------
    StoreError
        If the file is missing, damaged, or no embedding.
    """
    try:
        arrays = load_arrays(path)
    except FileNotFoundError:
        raise StoreError(f"{path}: no such file") from None
    try:
        about = json.loads(arrays.pop(_ABOUT).tobytes())
        features = FeatureConfig.from_dict(about["features"])
        fields = {"arch": str(about["arch"]), "options": dict(about["options"]), "credit": str(about["credit"])}
        if "out/kernel" not in arrays:
            raise KeyError("out/kernel")
    except (KeyError, ValueError, TypeError, AttributeError, KwsError) as error:
        raise StoreError(f"{path} is not an embedding, or damaged ({error}): kwstrain distil makes one") from None
    return {**fields, "features": features, "arrays": arrays}
