"""A taught word as a run folder: an embedding under its new last layer, and the operating point."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kwsfeat import FeatureConfig, StoreError
from kwstrain.config import TrainConfig
from kwstrain.detection.point import OperatingPoint
from kwstrain.inference.bundle import Bundle
from kwstrain.io import save_arrays, write_atomic
from kwstrain.teaching.embeddings.embedding import Embedding

REPORT = "teaching.json"


def check_free(out: Path, *, overwrite: bool) -> None:
    """Refuse a folder that holds something else than a taught run, or one that nobody said may go.

    Raises
    ------
    StoreError
        With what is there.
    """
    if not out.exists():
        return
    if not out.is_dir() or (any(out.iterdir()) and not (out / REPORT).is_file()):
        raise StoreError(f"{out} exists and is not a run of kwstrain teach: choose another --out")
    if any(out.iterdir()) and not overwrite:
        raise StoreError(f"{out} exists: choose another --out, or --overwrite")


def write_run(
    out: Path, embedding: Embedding, labels: Sequence[str], kernel: NDArray[np.floating], bias: NDArray[np.floating], *,
    clip: FeatureConfig, data: str, threshold: float | None, point: OperatingPoint | None, report: dict[str, Any],
    page: Callable[[Path], None] = lambda folder: None,
) -> Bundle:  # fmt: skip
    """Write a run beside `out` and rename it when it is whole.

    `kernel` is (n_templates, window, dim, n_classes), `bias` (n_classes,); `page` writes what else belongs into the folder. What goes
    wrong leaves what was at `out`.
    """
    partial = out.with_name(out.name + ".partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    try:
        _write(partial, embedding, labels, kernel, bias, clip, data, threshold)
        write_atomic(partial / REPORT, json.dumps(report, indent=1, ensure_ascii=False).encode())
        if point is not None:
            point.save(partial)
        page(partial)
        Bundle.load(partial)  # what cannot be read replaces nothing
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise
    if out.exists():
        shutil.rmtree(out)
    partial.rename(out)
    return Bundle.load(out)


def _write(
    folder: Path, embedding: Embedding, labels: Sequence[str], kernel: NDArray[np.floating], bias: NDArray[np.floating],
    clip: FeatureConfig, data: str, threshold: float | None,
) -> None:  # fmt: skip
    """What every run has."""
    sizes = {"templates": kernel.shape[0], "window": kernel.shape[1]} if embedding.has_window else {}
    options = {**embedding.options, **{name: n for name, n in sizes.items() if n > 1}}
    arrays = embedding.weights(kernel, bias)
    bundle = Bundle(
        folder=folder, config=TrainConfig(arch=embedding.arch, options=options, standardize=False), feature_name="features",
        feature_config=clip, labels=tuple(labels), mean=arrays["input_norm/mean"], std=arrays["input_norm/std"], data=data,
        parameters=_parameters(arrays), algorithm=clip.algorithm,
    )  # fmt: skip
    bundle.save()
    save_arrays(folder / "weights.npz", arrays)
    summary = {"ended": "taught", "threshold": threshold, "credits": [embedding.credit]}
    write_atomic(folder / "summary.json", json.dumps(summary, indent=1, ensure_ascii=False).encode())


def _parameters(arrays: dict[str, NDArray[Any]]) -> dict[str, int]:
    """As :func:`kwstrain.fit` counts them: of the last layer all are trained, of the embedding none."""
    trained = sum(value.size for name, value in arrays.items() if name.startswith("out/"))
    fixed = sum(value.size for name, value in arrays.items() if not name.startswith(("out/", "input_norm/")))
    return {"total": trained + fixed, "trainable": trained, "non_trainable": fixed}
