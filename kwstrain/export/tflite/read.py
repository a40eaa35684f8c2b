"""What a TensorFlow Lite file holds, as far as it is looked at: tensors, operations, notes."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from kwsfeat import StoreError
from kwstrain.export.tflite.graph import IDENTIFIER, SCHEMA
from kwstrain.inference.exported import needed

_BYTES = {"INT8": 1, "UINT8": 1, "INT32": 4, "FLOAT32": 4, "INT64": 8}


@dataclass(frozen=True)
class ReadTensor:
    """A tensor: its name, its kind as the schema calls it, its shape, its first scale and zero (0, 0 without), whether it is constant."""

    name: str
    kind: str
    shape: tuple[int, ...]
    scale: float
    zero: int
    constant: bool

    @property
    def bytes(self) -> int:
        """What its numbers take."""
        return math.prod(self.shape) * _BYTES.get(self.kind, 4)

    @property
    def text(self) -> str:
        """In words."""
        shape = " x ".join(map(str, self.shape))
        grid = f", scale {self.scale:.8g}, zero {self.zero}" if self.scale else ""
        return f"{self.kind.lower()} {shape}{grid}"


@dataclass(frozen=True)
class ReadOperation:
    """An operation: its name, and the tensors that it takes and gives."""

    op: str
    inputs: tuple[ReadTensor, ...]
    outputs: tuple[ReadTensor, ...]


@dataclass(frozen=True)
class ReadGraph:
    """Tensors and operations in the order in which they run, and what is fed and what comes out."""

    tensors: tuple[ReadTensor, ...]
    operations: tuple[ReadOperation, ...]
    inputs: tuple[ReadTensor, ...]
    outputs: tuple[ReadTensor, ...]


@dataclass(frozen=True)
class ReadModel:
    """The graphs of a file, of which the first one runs, and its notes by name."""

    version: int
    graphs: tuple[ReadGraph, ...]
    metadata: dict[str, bytes]

    @property
    def operations(self) -> Iterator[ReadOperation]:
        """Of all graphs."""
        return (operation for graph in self.graphs for operation in graph.operations)


def read_tflite(path: Path) -> ReadModel:
    """Read a file.

    Raises
    ------
    StoreError
        If it is missing, damaged, or no TensorFlow Lite file.
    """
    try:
        return parse_tflite(path.read_bytes(), where=str(path))
    except FileNotFoundError:
        raise StoreError(f"{path}: no such file") from None


def parse_tflite(data: bytes, *, where: str) -> ReadModel:
    """Read what a file holds; `where` is what to call it in a message."""
    schema = needed("tflite")
    if data[4:8] != IDENTIFIER:
        raise StoreError(f"{where} is not a TensorFlow Lite file: export it again")
    try:
        return _model(schema, schema.Model.GetRootAs(data, 0))
    except Exception as error:  # of struct, NumPy and flatbuffers, wherever the damage lies
        raise StoreError(f"{where} is damaged ({type(error).__name__}): copy it again, or export it again") from None


def _model(schema: Any, model: Any) -> ReadModel:
    if model.Version() != SCHEMA:
        raise ValueError(f"schema {model.Version()}")
    names = {kind: {code: name for name, code in vars(getattr(schema, kind)).items()} for kind in ("BuiltinOperator", "TensorType")}
    codes = [model.OperatorCodes(i) for i in range(model.OperatorCodesLength())]
    ops = [names["BuiltinOperator"][max(code.BuiltinCode(), code.DeprecatedBuiltinCode())] for code in codes]
    graphs = tuple(_graph(model, model.Subgraphs(i), ops, names["TensorType"]) for i in range(model.SubgraphsLength()))
    notes = [model.Metadata(i) for i in range(model.MetadataLength())]
    return ReadModel(SCHEMA, graphs, {note.Name().decode(): _data(model, note.Buffer()) for note in notes})


def _graph(model: Any, graph: Any, ops: list[str], kinds: dict[int, str]) -> ReadGraph:
    tensors = tuple(_tensor(model, graph.Tensors(i), kinds) for i in range(graph.TensorsLength()))

    def chosen(n: int, get: Any) -> tuple[ReadTensor, ...]:
        return tuple(tensors[get(i)] for i in range(n) if get(i) >= 0)  # -1 stands for one that is left out

    operations = [graph.Operators(i) for i in range(graph.OperatorsLength())]
    return ReadGraph(
        tensors,
        tuple(
            ReadOperation(ops[one.OpcodeIndex()], chosen(one.InputsLength(), one.Inputs), chosen(one.OutputsLength(), one.Outputs))
            for one in operations
        ),
        chosen(graph.InputsLength(), graph.Inputs),
        chosen(graph.OutputsLength(), graph.Outputs),
    )


def _tensor(model: Any, tensor: Any, kinds: dict[int, str]) -> ReadTensor:
    scales = tensor.Quantization()
    known = scales is not None and scales.ScaleLength() > 0 and scales.ZeroPointLength() > 0
    return ReadTensor(
        name=tensor.Name().decode(),
        kind=kinds[tensor.Type()],
        shape=tuple(tensor.Shape(i) for i in range(tensor.ShapeLength())),
        scale=float(scales.Scale(0)) if known else 0.0,
        zero=int(scales.ZeroPoint(0)) if known else 0,
        constant=model.Buffers(tensor.Buffer()).DataLength() > 0,
    )


def _data(model: Any, buffer: int) -> bytes:
    found = model.Buffers(buffer)
    return bytes(np.asarray(found.DataAsNumpy(), np.uint8)) if found.DataLength() else b""
