"""Graphs of TensorFlow Lite: tensors and operations by number, and the flatbuffer of schema 3 that they become."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kwstrain.inference.exported import needed

SCHEMA, IDENTIFIER = 3, b"TFL3"
_ALIGNED = 16  # bytes to which the schema aligns what a buffer holds
# The version of an operation that takes numbers of 8 bits.
_VERSIONS = {
    "CONV_2D": 3, "DEPTHWISE_CONV_2D": 3, "LOGISTIC": 2, "CONCATENATION": 2, "STRIDED_SLICE": 2,
}  # fmt: skip


@dataclass(frozen=True, eq=False)
class Scales:
    """Scales and zeros of a tensor: one of each, or one for each place along `axis`."""

    scale: NDArray[np.float32]
    zero: NDArray[np.int64]
    axis: int = 0


@dataclass(frozen=True, eq=False)
class Tensor:
    """A tensor; one with `data` is constant. `kind` is a name of the schema's TensorType."""

    name: str
    kind: str
    shape: tuple[int, ...]
    scales: Scales | None = None
    data: bytes = b""


@dataclass(frozen=True, eq=False)
class Operation:
    """An operation; `options` are fields of the schema's table of that name."""

    op: str
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    table: str = ""
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(eq=False)
class Graph:
    """Tensors and operations, in the order in which they run."""

    name: str
    tensors: list[Tensor] = field(default_factory=list)
    operations: list[Operation] = field(default_factory=list)
    inputs: tuple[int, ...] = ()
    outputs: tuple[int, ...] = ()

    def tensor(self, *given: Any) -> int:
        """Add a :class:`Tensor`: its number."""
        self.tensors.append(Tensor(*given))
        return len(self.tensors) - 1

    def constant(self, values: Sequence[int]) -> int:
        """Numbers of 32 bits, which are there once."""
        name = ",".join(map(str, values))
        known = [i for i, tensor in enumerate(self.tensors) if tensor.name == name]
        return known[0] if known else self.tensor(name, "INT32", (len(values),), None, np.array(values, "<i4").tobytes())

    def run(self, op: str, inputs: Sequence[int], outputs: Sequence[int], table: str = "", **options: Any) -> None:
        """Add an :class:`Operation`."""
        self.operations.append(Operation(op, tuple(inputs), tuple(outputs), table, options))


def to_bytes(graphs: Sequence[Graph], description: str, metadata: Mapping[str, bytes]) -> bytes:
    """The file: the first graph is what runs, others are called by number."""
    return bytes(_Writer().model(graphs, description, metadata))


class _Writer:
    """Makes the tables of a model, the inner ones first, as flatbuffers want it."""

    def __init__(self) -> None:
        self._schema, flatbuffers = needed("tflite"), needed("flatbuffers")
        self._b: Any = flatbuffers.Builder(1 << 16)
        self._buffers: list[int] = []

    def model(self, graphs: Sequence[Graph], description: str, metadata: Mapping[str, bytes]) -> bytearray:
        """A whole file."""
        self._buffer(b"")  # the first one is empty, by convention
        ops = list(dict.fromkeys(operation.op for graph in graphs for operation in graph.operations))
        subgraphs = [self._graph(graph, ops) for graph in graphs]
        notes = [self._table("Metadata", Name=self._text(name), Buffer=self._buffer(data)) for name, data in metadata.items()]
        codes = [self._code(op) for op in ops]
        model = self._table(
            "Model", Version=SCHEMA, OperatorCodes=self._tables(codes), Subgraphs=self._tables(subgraphs),
            Description=self._text(description), Buffers=self._tables(self._buffers), Metadata=self._tables(notes),
        )  # fmt: skip
        self._b.Finish(model, IDENTIFIER)
        written: bytearray = self._b.Output()
        return written

    def _code(self, op: str) -> int:
        code = getattr(self._schema.BuiltinOperator, op)
        return self._table("OperatorCode", DeprecatedBuiltinCode=min(code, 127), BuiltinCode=code, Version=_VERSIONS.get(op, 1))

    def _graph(self, graph: Graph, ops: list[str]) -> int:
        tensors = [self._tensor(tensor) for tensor in graph.tensors]
        operations = [self._operation(operation, ops) for operation in graph.operations]
        return self._table(
            "SubGraph", Tensors=self._tables(tensors), Inputs=self._numbers(graph.inputs), Outputs=self._numbers(graph.outputs),
            Operators=self._tables(operations), Name=self._text(graph.name),
        )  # fmt: skip

    def _tensor(self, tensor: Tensor) -> int:
        fields = {"Shape": self._numbers(tensor.shape), "Buffer": self._buffer(tensor.data), "Name": self._text(tensor.name)}
        if tensor.scales is not None:
            scale, zero = self._b.CreateNumpyVector(tensor.scales.scale), self._b.CreateNumpyVector(tensor.scales.zero)
            fields["Quantization"] = self._table(
                "QuantizationParameters", Scale=scale, ZeroPoint=zero, QuantizedDimension=tensor.scales.axis
            )
        return self._table("Tensor", Type=getattr(self._schema.TensorType, tensor.kind), HasRank=True, **fields)

    def _operation(self, operation: Operation, ops: list[str]) -> int:
        fields = {
            "OpcodeIndex": ops.index(operation.op), "Inputs": self._numbers(operation.inputs), "Outputs": self._numbers(operation.outputs)
        }  # fmt: skip
        if operation.table:
            options = {name: self._text(value) if isinstance(value, str) else value for name, value in operation.options.items()}
            fields["BuiltinOptions"] = self._table(operation.table, **options)
            fields["BuiltinOptionsType"] = getattr(self._schema.BuiltinOptions, operation.table)
        return self._table("Operator", **fields)

    def _table(self, name: str, **fields: Any) -> int:
        module = self._schema
        getattr(module, f"{name}Start")(self._b)
        for field_name, value in fields.items():
            add: Callable[..., None] = getattr(module, f"{name}Add{field_name}")
            add(self._b, value)
        made: int = getattr(module, f"{name}End")(self._b)
        return made

    def _buffer(self, data: bytes) -> int:
        """The number of a new buffer."""
        if data:
            self._b.StartVector(1, len(data), _ALIGNED)
            self._b.head -= len(data)
            self._b.Bytes[self._b.head : self._b.head + len(data)] = data
            self._buffers.append(self._table("Buffer", Data=self._b.EndVector()))
        else:
            self._buffers.append(self._table("Buffer"))
        return len(self._buffers) - 1

    def _text(self, text: str) -> int:
        made: int = self._b.CreateString(text)
        return made

    def _numbers(self, values: Sequence[int]) -> int:
        made: int = self._b.CreateNumpyVector(np.array(values, np.int32))
        return made

    def _tables(self, tables: Sequence[int]) -> int:
        self._b.StartVector(4, len(tables), 4)
        for table in reversed(tables):
            self._b.PrependUOffsetTRelative(table)
        made: int = self._b.EndVector()
        return made
