"""TensorFlow Lite files of microcontrollers, and the manifests beside them."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

from kwstrain.export.check import Check, Checked, about
from kwstrain.export.tflite.arena import arena_bytes
from kwstrain.export.tflite.graph import SCHEMA
from kwstrain.export.tflite.manifest import SUFFIX, read_manifest
from kwstrain.export.tflite.read import ReadModel, ReadTensor, read_tflite
from kwstrain.export.tflite.write import MOST_VARIABLES, NOTE
from kwstrain.inference.description import Description

# What micro_wake_word of ESPHome registers.
REGISTERED = {
    "CALL_ONCE", "VAR_HANDLE", "RESHAPE", "READ_VARIABLE", "CONCATENATION", "STRIDED_SLICE", "ASSIGN_VARIABLE", "CONV_2D",
    "DEPTHWISE_CONV_2D", "SPLIT_V", "FULLY_CONNECTED", "LOGISTIC", "QUANTIZE", "MUL", "ADD", "MEAN", "AVERAGE_POOL_2D", "MAX_POOL_2D",
    "PAD", "PACK",
}  # fmt: skip
_KINDS = (("INT8", 3), ("UINT8", 2))  # of what goes in and what comes out, and how many axes


def look(path: Path) -> Checked:
    """What a TensorFlow Lite file is."""
    model = read_tflite(path)
    try:
        properties = {name: str(text) for name, text in json.loads(model.metadata[NOTE]).items()}
    except (KeyError, ValueError, AttributeError, RecursionError):
        properties = {}
    described = Description.from_properties(properties, where=str(path))
    beside = path.with_suffix(SUFFIX)
    main = model.graphs[0]
    return Checked(
        path=str(path),
        format=f"TensorFlow Lite, schema {SCHEMA}",
        bytes=path.stat().st_size,
        inputs={tensor.name: tensor.text for tensor in main.inputs},
        outputs={tensor.name: tensor.text for tensor in main.outputs},
        states={f"state_{i}": tensor.text for i, tensor in enumerate(_states(model))},
        ops=dict(Counter(one.op for one in model.operations).most_common()),
        not_on=_not_on(model),
        about={
            **about(described),
            **{name: properties[name] for name in ("word", "probability_cutoff", "sliding_window_size") if name in properties},
            "arena_estimate": arena_bytes(model),
            "manifest": str(beside) if beside.is_file() else f"{beside} is missing: ESPHome reads that first",
        },
    )


def look_at_manifest(path: Path) -> Checked:
    """What a manifest and the model that it names are."""
    values = read_manifest(path)
    checked = look(path.parent / values["model"])
    told = {"wake_word": values["wake_word"], **values["micro"]}
    arena = checked.about["arena_estimate"]
    refused: dict[str, str] = {}
    if told["tensor_arena_size"] < arena:
        refused = {"newer ESPHome": f"tensor_arena_size {told['tensor_arena_size']} may be too small: {arena} is the estimate"}
    return replace(
        checked, path=str(path), not_on={**checked.not_on, **refused}, about={**checked.about, **told, "model": values["model"]}
    )  # fmt: skip


def _states(model: ReadModel) -> list[ReadTensor]:
    return [one.inputs[1] for one in model.graphs[-1].operations if one.op == "ASSIGN_VARIABLE"]


def _not_on(model: ReadModel) -> dict[str, str]:
    reasons: list[str] = []
    unknown = sorted({one.op for one in model.operations} - REGISTERED)
    if unknown:
        reasons.append(f"{', '.join(unknown)} not registered")
    if len(_states(model)) > MOST_VARIABLES:
        reasons.append(f"{len(_states(model))} variables, at most {MOST_VARIABLES}")
    main = model.graphs[0]
    for tensors, (kind, n_axes) in zip((main.inputs, main.outputs), _KINDS, strict=True):
        if [(one.kind, len(one.shape)) for one in tensors] != [(kind, n_axes)]:
            found = " and ".join(one.text for one in tensors) or "nothing"
            reasons.append(f"{found} where one {kind.lower()} of {n_axes} axes belongs")
    refused: dict[str, Any] = {"ESPHome": "; ".join(reasons)} if reasons else {}
    return {**refused, "onnxruntime": "it takes ONNX files, and the front end of this one is not a graph"}


CHECK = Check((".tflite",), look)
