"""A quantised network as a TensorFlow Lite graph with its state inside, as ESPHome's ``micro_wake_word`` runs it.

State is kept in variables: the main graph reads all of them, and each layer that needs past frames puts them before the new ones and
stores the latest of both. A second graph, which the first one calls once, fills them with what stands for zero.

One variable more is a row of zeros into which a one is pushed in each step. The score is multiplied by what falls out of it: it is 0
until the network has seen as much as a clip in training. Devices wait a second, which is less.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kwsfeat import ConfigError
from kwstrain.export.integer.network import Grid, IntegerLayer, IntegerNetwork
from kwstrain.export.integer.quantise import OUTPUT
from kwstrain.export.tflite.graph import Graph, Scales, to_bytes

MOST_VARIABLES = 20  # on these devices
NOTE = "kwstrain"  # the name under which a file says what it is
_VALID = 1  # of the schema's Padding; SAME is 0
_PLAIN, _RELU = 0, 1  # of the schema's ActivationFunctionType
_ONES = Grid(1.0, 0)


def write_tflite(network: IntegerNetwork, metadata: Mapping[str, bytes]) -> bytes:
    """The file of a network: int8 ``[1, stride, n_features]`` in, uint8 ``[1, 1]`` in 256ths out.

    Raises
    ------
    ConfigError
        If more layers keep a state than a device has room for.
    """
    states = _states(network)
    if len(states) > MOST_VARIABLES:
        raise ConfigError(f"the network keeps {len(states)} states, a device has room for {MOST_VARIABLES}: train one with fewer layers")
    main, first = Graph("main"), Graph("NoOp")
    _Main(main, network, states).write()
    for i, state in enumerate(states):
        handle = first.tensor(f"state_{i}/begin", "RESOURCE", ())
        zeros = np.full(state.past * state.n, state.grid.zero, np.int8).tobytes()
        begin = first.tensor(f"state_{i}/zeros", "INT8", (1, state.past, 1, state.n), _scales(state.grid), zeros)
        first.run("VAR_HANDLE", [], [handle], "VarHandleOptions", Container="", SharedName=f"state_{i}")
        first.run("ASSIGN_VARIABLE", [handle, begin], [])
    return to_bytes([main, first], "kwstrain", metadata)


@dataclass(frozen=True)
class _State:
    """Past frames of `n` channels."""

    past: int
    n: int
    grid: Grid


def _states(network: IntegerNetwork) -> list[_State]:
    """What is kept: for each layer that needs it, and the row of zeros and ones."""
    return [*(_State(layer.past, layer.n_in, layer.given) for layer in network.with_state), _State(network.warm_up, 1, _ONES)]


@dataclass
class _Main:
    graph: Graph
    network: IntegerNetwork
    states: list[_State]

    def write(self) -> None:
        g, network = self.graph, self.network
        first = network.layers[0]
        g.inputs = (g.tensor("features", "INT8", (1, network.stride, network.n_features), _scales(first.given)),)
        g.run("CALL_ONCE", [], [], "CallOnceOptions", InitSubgraphIndex=1)
        handles, held = self._read()
        kept = dict(zip(map(id, network.with_state), zip(handles[:-1], held[:-1], strict=True), strict=True))
        x = self._reshaped(g.inputs[0], (1, network.stride, 1, network.n_features), first.given)
        for i, layer in enumerate(network.layers):
            x = self._convolution(f"layer_{i}", layer, self._known(f"layer_{i}", layer, x, kept))
        answer = network.answer
        x = self._convolution("answer", answer, self._known("answer", answer, x, kept))
        likely = g.tensor("likely", "INT8", (1, 1, 1, answer.n_out), _scales(OUTPUT))
        g.run("LOGISTIC", [x], [likely])
        if network.rest is not None:
            likely = self._convolution("rest", network.rest, likely)
        warm = g.tensor("warm", "INT8", (1, 1, 1, 1), _scales(OUTPUT))
        g.run("MUL", [likely, self._fallen_out(handles[-1], held[-1])], [warm], "MulOptions", FusedActivationFunction=_PLAIN)
        g.outputs = (g.tensor("score", "UINT8", (1, 1), _scales(Grid(OUTPUT.scale, 0))),)
        g.run("QUANTIZE", [self._reshaped(warm, (1, 1), OUTPUT)], g.outputs, "QuantizeOptions")

    def _read(self) -> tuple[list[int], list[int]]:
        """The variables, and what they hold: all are read before the first is changed."""
        g = self.graph
        handles = [g.tensor(f"state_{i}", "RESOURCE", ()) for i in range(len(self.states))]
        for i, handle in enumerate(handles):
            g.run("VAR_HANDLE", [], [handle], "VarHandleOptions", Container="", SharedName=f"state_{i}")
        held = [
            g.tensor(f"state_{i}/held", "INT8", (1, state.past, 1, state.n), _scales(state.grid)) for i, state in enumerate(self.states)
        ]
        for handle, tensor in zip(handles, held, strict=True):
            g.run("READ_VARIABLE", [handle], [tensor])
        return handles, held

    def _known(self, name: str, layer: IntegerLayer, x: int, kept: dict[int, tuple[int, int]]) -> int:
        """Past frames and new ones, of which the latest are stored."""
        return self._pushed(name, *kept[id(layer)], x, layer.stride) if layer.past else x

    def _fallen_out(self, handle: int, held: int) -> int:
        """What falls out of the row of zeros into which a one is pushed."""
        one = self.graph.tensor("one", "INT8", (1, 1, 1, 1), _scales(_ONES), b"\x01")
        return self._cut("row/oldest", self._pushed("row", handle, held, one, 1), 0, 1)

    def _pushed(self, name: str, handle: int, held: int, x: int, n_new: int) -> int:
        """What a variable held and `n_new` frames after it; of these it then holds the latest."""
        g = self.graph
        _, past, _, n = g.tensors[held].shape
        known = g.tensor(f"{name}/known", "INT8", (1, past + n_new, 1, n), g.tensors[held].scales)
        g.run("CONCATENATION", [held, x], [known], "ConcatenationOptions", Axis=1, FusedActivationFunction=_PLAIN)
        g.run("ASSIGN_VARIABLE", [handle, self._cut(f"{name}/latest", known, n_new, past)], [])
        return known

    def _cut(self, name: str, known: int, first: int, n_frames: int) -> int:
        """Frames from `first` on."""
        g = self.graph
        n = g.tensors[known].shape[-1]
        cut = g.tensor(name, "INT8", (1, n_frames, 1, n), g.tensors[known].scales)
        places = [(0, first, 0, 0), (1, first + n_frames, 1, n), (1, 1, 1, 1)]
        g.run("STRIDED_SLICE", [known, *map(g.constant, places)], [cut], "StridedSliceOptions")
        return cut

    def _convolution(self, name: str, layer: IntegerLayer, known: int) -> int:
        g = self.graph
        if layer.depthwise:
            kernel, axis = layer.kernel[None, :, None], 3
        else:
            kernel, axis = layer.kernel.transpose(2, 0, 1)[:, :, None], 0
        made = g.tensor(f"{name}/made", "INT8", (1, 1, 1, layer.n_out), _scales(layer.made))
        op, table = ("DEPTHWISE_CONV_2D", "DepthwiseConv2DOptions") if layer.depthwise else ("CONV_2D", "Conv2DOptions")
        more = {"DepthMultiplier": 1} if layer.depthwise else {}
        g.run(
            op, [known, self._kernel(name, layer, kernel, axis), self._bias(name, layer)], [made], table, Padding=_VALID, StrideW=1,
            StrideH=layer.stride, FusedActivationFunction=_RELU if layer.relu else _PLAIN, DilationWFactor=1, DilationHFactor=1, **more,
        )  # fmt: skip
        return made

    def _kernel(self, name: str, layer: IntegerLayer, kernel: NDArray[np.int8], axis: int) -> int:
        scales = Scales(layer.scale.astype(np.float32), np.zeros(layer.n_out, np.int64), axis)
        return self.graph.tensor(f"{name}/kernel", "INT8", kernel.shape, scales, np.ascontiguousarray(kernel).tobytes())

    def _bias(self, name: str, layer: IntegerLayer) -> int:
        scales = Scales((layer.given.scale * layer.scale).astype(np.float32), np.zeros(layer.n_out, np.int64))
        return self.graph.tensor(f"{name}/bias", "INT32", (layer.n_out,), scales, layer.bias.astype("<i4").tobytes())

    def _reshaped(self, x: int, shape: tuple[int, ...], grid: Grid) -> int:
        g = self.graph
        made = g.tensor(f"{g.tensors[x].name}/reshaped", "INT8", shape, _scales(grid))
        g.run("RESHAPE", [x, g.constant(shape)], [made])
        return made


def _scales(grid: Grid) -> Scales:
    return Scales(np.array([grid.scale], np.float32), np.array([grid.zero], np.int64))
