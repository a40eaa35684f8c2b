"""ONNX files."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from kwsfeat import StoreError
from kwstrain.export.check import Check, Checked, about
from kwstrain.inference.description import Description
from kwstrain.inference.digest import check_digest
from kwstrain.inference.exported import STATE, STATE_OUT, needed


def look(path: Path, content: bytes | None = None) -> Checked:
    """Describe an ONNX file, or the one that is the `content` of a part of `path`.

    Raises
    ------
    StoreError
        If it is damaged or not written by ``kwstrain export``.
    """
    onnx = needed("onnx")
    try:
        content = path.read_bytes() if content is None else content
        model = onnx.load_from_string(content)
        onnx.checker.check_model(model)
    except Exception as error:  # protobuf's and the checker's own classes
        reason = (str(error).splitlines() or ["unknown"])[0][:160]
        raise StoreError(f"{path} is not an ONNX file, or damaged ({reason}): export it again") from None
    check_digest(path, content)
    described = Description.from_properties({one.key: one.value for one in model.metadata_props}, where=str(path))
    ops = Counter(node.op_type for node in _nodes(model.graph))
    inputs = {one.name: _type(one) for one in model.graph.input}
    return Checked(
        path=str(path),
        format=f"ONNX, opset {model.opset_import[0].version}, ir_version {model.ir_version}",
        bytes=len(content),
        inputs={name: kind for name, kind in inputs.items() if not name.startswith(STATE)},
        outputs={one.name: _type(one) for one in model.graph.output if not one.name.startswith(STATE_OUT)},
        states={name: kind for name, kind in inputs.items() if name.startswith(STATE)},
        ops=dict(ops.most_common()),
        not_on=_not_on(ops),
        about=about(described),
    )


def _nodes(graph: Any) -> Iterator[Any]:
    """All nodes, including those in the bodies of loops."""
    for node in graph.node:
        yield node
        for attribute in node.attribute:
            if attribute.HasField("g"):
                yield from _nodes(attribute.g)


def _type(one: Any) -> str:
    from onnx import TensorProto

    kind = one.type.tensor_type
    shape = " x ".join(axis.dim_param or str(axis.dim_value) for axis in kind.shape.dim)
    return f"{TensorProto.DataType.Name(kind.elem_type).lower()} {shape}"


def _not_on(ops: Counter[str]) -> dict[str, str]:
    refused = {"microcontrollers (ESPHome)": "they need TensorFlow Lite files with integers only"}
    if "Scan" in ops:
        refused["WebGL, WebGPU"] = "no Scan, which loops over time: the network is recurrent; use WebAssembly"
    return refused


CHECK = Check((".onnx",), look)
