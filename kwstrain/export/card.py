"""What every exported file contains beside the network: labels, features, thresholds, a licence, and a card with data and scores."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from kwsfeat import Reader, StoreError
from kwstrain.inference.bundle import Bundle
from kwstrain.inference.description import Description, Kind
from kwstrain.io import read_json


def describe(bundle: Bundle, kind: Kind, *, license: str, latency_s: float) -> Description:
    """The description that is stored in the file."""
    return Description(
        kind=kind,
        labels=bundle.labels,
        features=bundle.feature_config,
        algorithm=bundle.algorithm,
        arch=bundle.config.arch,
        threshold=bundle.threshold,
        operating_point=_json(bundle.folder / "detector.json"),
        latency_s=latency_s,
        license=license,
        card=card(bundle),
    )


def card(bundle: Bundle) -> dict[str, Any]:
    """The network, its data and its scores, as far as the run folder and the run's file still exist."""
    summary = _json(bundle.folder / "summary.json")
    scores = {split: _json(bundle.folder / f"{split}.json").get("accuracy") for split in ("validation", "test")}
    best = summary.get("best")
    if scores["validation"] is None and isinstance(best, dict):
        scores["validation"] = best.get("val_accuracy")
    return {
        "network": bundle.config.arch,
        "parameters": bundle.parameters,
        "options": bundle.config.options,
        "accuracy": {split: value for split, value in scores.items() if value is not None},
        "data": _data(bundle),
        **({"credits": summary["credits"]} if summary.get("credits") else {}),
    }


def _data(bundle: Bundle) -> dict[str, Any]:
    """The file that the run was trained on: its name without the folder."""
    named = {"file": Path(bundle.data).name}
    try:
        with Reader(bundle.data) as reader:
            counts = {label: int((reader.label == i).sum()) for i, label in enumerate(reader.labels)}
            return {**named, "seal": reader.seal, "clips": counts, "speakers": len(set(reader.speaker.tolist()) - {""})}
    except (StoreError, OSError):
        return named


def _json(path: Path) -> dict[str, Any]:
    try:
        return read_json(path)
    except FileNotFoundError:
        return {}
