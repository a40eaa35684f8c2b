"""The finished graph as an ONNX model."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import jax
import numpy as np

from kwsfeat import __version__
from kwstrain.export.graph.builder import Builder, Node, digest
from kwstrain.export.graph.translate import Translator
from kwstrain.export.graph.value import BATCH, Array, Shape, Value

if TYPE_CHECKING:
    import onnx

OPSET = 17
IR_VERSION = 8  # the version of opset 17, which runtimes since 2022 read
DENSE = 1 << 12  # values; a larger matrix that is mostly zeros, as that of a mel scale, is stored without them
_BYTES_SPARSE = 12  # of a value with its place


@dataclass(frozen=True)
class Input:
    """An input of the graph. One with a `default` is optional, and is left out of the graph if the network does not need it."""

    name: str
    shape: Shape
    dtype: Any = np.float32
    default: Array | None = None


def write(function: Callable[..., Any], inputs: Sequence[Input], outputs: Sequence[str], properties: Mapping[str, str]) -> onnx.ModelProto:
    """A JAX function of arrays as an ONNX model.

    Parameters
    ----------
    function : callable
        Takes one array per entry of `inputs` and returns one array, or a tuple with one per entry of `outputs`.
    inputs : sequence of Input
        An axis of size BATCH may have any size in the model.
    outputs : sequence of str
        Names of the results.
    properties : mapping of str to str
        Metadata of the model.

    Returns
    -------
    onnx.ModelProto
        A model that ONNX's checker has accepted.

    Raises
    ------
    ConfigError
        If the function uses an operation without a rule.
    """
    closed, shapes = jax.make_jaxpr(function, return_shape=True)(*(jax.ShapeDtypeStruct(one.shape, one.dtype) for one in inputs))
    graph = Builder()
    first = next((one for one in inputs if BATCH in one.shape), None)
    if first is not None:
        (size,) = graph.emit("Shape", first.name)
        axis = np.array([first.shape.index(BATCH)], np.int64)
        (graph.n_clips,) = graph.emit("Gather", size, axis)
    given = Translator(graph).run(closed, [_given(graph, one) for one in inputs])
    results = []
    for name, value, shape in zip(outputs, given, jax.tree.leaves(shapes), strict=True):
        value = graph.full(value, shape.shape)
        graph.nodes.append(Node("Identity", name, [value.name], [name]))
        results.append(Value(name, value.stored, value.dtype))
    return _model(graph, inputs, results, properties)


def _given(graph: Builder, one: Input) -> Value:
    """An input as the network reads it; a default is repeated for all clips."""
    value = Value(one.name, one.shape, np.dtype(one.dtype))
    return value if one.default is None else replace(value, name=graph.repeated(one.name, one.shape))


def _model(graph: Builder, inputs: Sequence[Input], outputs: Sequence[Value], properties: Mapping[str, str]) -> onnx.ModelProto:
    from onnx import checker, helper, numpy_helper

    constants = Constants()
    nodes = _needed(graph.nodes, {one.name for one in outputs})
    used = _used(nodes)
    kept = [one for one in inputs if one.name in used or one.default is None]
    written = [_node(node, constants) for node in nodes]
    constants.stored.update({one.name: numpy_helper.from_array(one.default, one.name) for one in kept if one.default is not None})
    model = helper.make_model(
        helper.make_graph(
            [*constants.nodes, *written],
            "kwstrain",
            [_information(one.name, one.shape, np.dtype(one.dtype), free=one.default is not None) for one in kept],
            [_information(one.name, one.stored, one.dtype) for one in outputs],
            list(constants.stored.values()),
        ),
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
        producer_name="kwstrain",
        producer_version=__version__,
    )
    helper.set_model_props(model, dict(properties))
    checker.check_model(model, full_check=True)
    return model


def _needed(nodes: list[Node], wanted: set[str]) -> list[Node]:
    """The nodes that the wanted tensors depend on."""
    wanted, kept = set(wanted), []
    for node in reversed(nodes):
        if wanted & set(node.outputs):
            kept.append(node)
            wanted |= _used([node])
    return kept[::-1]


def _used(nodes: list[Node]) -> set[str]:
    names = {one for node in nodes for one in node.inputs if isinstance(one, str)}
    for node in nodes:
        if "body" in node.attributes:
            names |= _used(node.attributes["body"][0].nodes)
    return names


class Constants:
    """The constants of a model: `stored` by their digest, and `nodes` that make large ones out of the values that are not zero."""

    def __init__(self) -> None:
        self.stored: dict[str, Any] = {}
        self.nodes: list[Any] = []
        self._names: dict[str, str] = {}

    def name_of(self, value: Array, of: str) -> str:
        """The name of a tensor that holds `value`, for the node `of`; equal ones are stored once."""
        value = np.ascontiguousarray(value) if np.ndim(value) else np.asarray(value)
        key = digest(value)
        if key not in self._names:
            self._names[key] = name = f"{of}_weights_{len(self._names)}"
            if value.dtype == np.float32 and value.size > DENSE and _BYTES_SPARSE * np.count_nonzero(value) < 4 * value.size:
                self._scatter(value, name)
            else:
                self._store(value, name)
        return self._names[key]

    def _store(self, value: Array, name: str) -> str:
        from onnx import numpy_helper

        self.stored[name] = numpy_helper.from_array(value, name)
        return name

    def _scatter(self, value: Array, name: str) -> None:
        from onnx import helper

        (places,) = np.nonzero(value.ravel())
        parts = {
            "size": np.array([value.size], np.int64),
            "places": places,
            "values": value.ravel()[places],
            "shape": np.array(value.shape),
        }
        size, where, values, shape = (self._store(part, f"{name}_{of}") for of, part in parts.items())
        self.nodes += [
            helper.make_node("ConstantOfShape", [size], [f"{name}_zeros"], name=f"{name}_zeros"),
            helper.make_node("ScatterElements", [f"{name}_zeros", where, values], [f"{name}_flat"], name=f"{name}_flat", axis=0),
            helper.make_node("Reshape", [f"{name}_flat", shape], [name], name=name),
        ]


def _node(node: Node, constants: Constants) -> Any:
    from onnx import helper, numpy_helper

    if node.op == "Constant":
        (value,) = node.inputs
        assert not isinstance(value, str)
        return helper.make_node("Constant", [], node.outputs, name=node.name, value=numpy_helper.from_array(value))
    inputs = [one if isinstance(one, str) else constants.name_of(one, node.name) for one in node.inputs]
    attributes = dict(node.attributes)
    if "body" in attributes:
        inner, given, outputs = attributes["body"]
        attributes["body"] = helper.make_graph(
            [_node(one, constants) for one in _needed(inner.nodes, {one.name for one in outputs})],
            node.name,
            [_information(one.name, one.stored, one.dtype) for one in given],
            [_information(one.name, one.stored, one.dtype) for one in outputs],
        )
    if node.op == "Cast":
        attributes["to"] = helper.np_dtype_to_tensor_dtype(attributes["to"])
    return helper.make_node(node.op, inputs, node.outputs, name=node.name, **attributes)


def _information(name: str, shape: Shape, dtype: np.dtype[Any], *, free: bool = False) -> Any:
    from onnx import helper

    batch = "n" if free else "batch"  # a default may be one value for all clips
    symbols = [batch if n == BATCH else n for n in shape]
    return helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(dtype), symbols)
