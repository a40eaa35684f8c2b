"""How much memory a model takes on a microcontroller of 32 bits: an estimate on the safe side.

TensorFlow Lite for microcontrollers keeps, in one block, what describes tensors and operations, the multipliers of every channel,
the states, and the values of a step, of which those that are needed at the same time lie side by side. ESP-NN, the kernels of ESP32,
copies kernel and input of a convolution once more, in 16 bits; its newer versions more than older ones, so that published models
need up to 1.3 times what their manifests say (esphome/esphome, pull request 15628).
"""

from __future__ import annotations

import math

from kwstrain.export.tflite.read import ReadGraph, ReadModel, ReadOperation, ReadTensor

_TENSOR, _OPERATION, _CHANNEL = 12, 76, 8  # bytes that describe each
_RUNTIME = 512  # what is there in any case
_MARGIN = 1.15
_STEP = 256  # bytes to which the estimate is rounded up
_CONVOLUTIONS = ("CONV_2D", "DEPTHWISE_CONV_2D")


def arena_bytes(model: ReadModel) -> int:
    """The estimate for `model`."""
    described = sum(_TENSOR * len(graph.tensors) + _OPERATION * len(graph.operations) for graph in model.graphs)
    channels = sum(_CHANNEL * one.outputs[0].shape[-1] for one in model.operations if one.op in _CONVOLUTIONS)
    states = sum(_aligned(one.inputs[1].bytes) for one in model.graphs[-1].operations if one.op == "ASSIGN_VARIABLE")
    total = _RUNTIME + described + channels + states + _most_at_once(model.graphs[0])
    return _STEP * math.ceil(_MARGIN * total / _STEP)


def _most_at_once(graph: ReadGraph) -> int:
    """Bytes of the values that are alive, with what a kernel needs besides, during the operation where they are most."""
    born: dict[ReadTensor, int] = dict.fromkeys(graph.inputs, 0)
    last: dict[ReadTensor, int] = dict.fromkeys(graph.outputs, len(graph.operations))
    for i, operation in enumerate(graph.operations):
        for tensor in operation.outputs:
            born[tensor] = i
        for tensor in operation.inputs:
            last[tensor] = max(i, last.get(tensor, 0))
    alive = [
        sum(_aligned(tensor.bytes) for tensor, first in born.items() if first <= i <= last.get(tensor, first) and tensor.kind != "RESOURCE")
        + _scratch(operation)
        for i, operation in enumerate(graph.operations)
    ]
    return max(alive)


def _scratch(operation: ReadOperation) -> int:
    if operation.op not in _CONVOLUTIONS:
        return 0
    given, kernel = operation.inputs[:2]
    transposed = 16 * given.shape[-1] + 32
    if operation.op == "CONV_2D" and kernel.shape[1:3] == (1, 1):
        return kernel.bytes + transposed
    return 2 * (kernel.bytes + given.bytes) + transposed


def _aligned(n: int) -> int:
    return -(-n // 16) * 16
