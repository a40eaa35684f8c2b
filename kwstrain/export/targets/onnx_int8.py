"""``onnx-int8``: the weights and activations of the network in 8 bits, between QuantizeLinear and DequantizeLinear.

Ranges are measured once, on training clips (static quantisation). Weights have one scale per channel and 7 bits, for processors that
add two products in 16 bits. The front end and the last layer stay in float32, because their rounding costs the most accuracy.
"""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from kwsfeat import ConfigError
from kwstrain.export.calibration import calibration_clips, judged_clips
from kwstrain.export.graph.compact import compact
from kwstrain.export.target import Job, Target
from kwstrain.export.targets.onnx import clip_model, inputs_of
from kwstrain.inference.digest import with_digest
from kwstrain.inference.exported import ExportedClassifier, needed
from kwstrain.io import write_atomic

if TYPE_CHECKING:
    import onnx

_WITH_WEIGHTS = ("Conv", "Gemm", "MatMul")
_AT_ONCE = 32  # clips


def _write(job: Job) -> dict[str, Any]:
    needed("onnxruntime")
    model = clip_model(job)
    left_out = _in_float(job, model)
    y, length = calibration_clips(job.bundle)
    job.note(f"measuring ranges on {len(y)} clips")
    with tempfile.TemporaryDirectory() as folder:
        before, after = Path(folder) / "float.onnx", Path(folder) / "int8.onnx"
        before.write_bytes(model.SerializeToString())
        _quantise(before, after, left_out, _fed(model, y, length))
        quantised = _finished(after, model)
        after.write_bytes(quantised)
        scores = _scores(job, before, after)
    write_atomic(job.out, quantised)
    return {"bytes_float": model.ByteSize(), **scores, "inputs": inputs_of(model), "labels": list(job.bundle.labels)}


def _in_float(job: Job, model: onnx.ModelProto) -> list[str]:
    """Names of the nodes that are not quantised: all outside the network, and the last one that has weights."""
    if any(node.op_type == "Scan" for node in model.graph.node):
        raise ConfigError(
            f"{job.bundle.config.arch} cannot be exported to onnx-int8: it is recurrent, and onnxruntime does not quantise "
            "loops; export it --to onnx"
        )
    network = [node.name for node in model.graph.node if node.name.startswith("network/")]
    with_weights = [node.name for node in model.graph.node if node.name in set(network) and node.op_type in _WITH_WEIGHTS]
    if len(with_weights) < 2:
        raise ConfigError(
            f"{job.bundle.config.arch} cannot be exported to onnx-int8: it has only one layer with weights; export it --to onnx"
        )
    return [node.name for node in model.graph.node if node.name not in set(network)] + with_weights[-1:]


def _quantise(before: Path, after: Path, left_out: list[str], clips: Iterator[dict[str, NDArray[Any]]]) -> None:
    from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static

    class Clips(CalibrationDataReader):  # type: ignore[misc]
        def get_next(self) -> dict[str, NDArray[Any]] | None:
            return next(clips, None)

    with _without_advice():
        quantize_static(
            str(before), str(after), Clips(), quant_format=QuantFormat.QDQ, op_types_to_quantize=list(_WITH_WEIGHTS), per_channel=True,
            reduce_range=True, activation_type=QuantType.QUInt8, weight_type=QuantType.QInt8, nodes_to_exclude=left_out,
        )  # fmt: skip


@contextmanager
def _without_advice() -> Iterator[None]:
    """Silence the advice of onnxruntime's quantiser, which does not apply here."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    needed("onnxruntime").set_default_logger_severity(3)
    try:
        yield
    finally:
        logging.disable(before)
        needed("onnxruntime").set_default_logger_severity(2)


def _finished(path: Path, model: onnx.ModelProto) -> bytes:
    """The quantised model, small, with the metadata of `model`, and its digest."""
    import onnx

    quantised = onnx.load(str(path))
    compact(quantised)
    del quantised.metadata_props[:]
    quantised.metadata_props.extend(model.metadata_props)
    quantised.ir_version = model.ir_version
    return with_digest(quantised.SerializeToString())


def _fed(model: onnx.ModelProto, y: NDArray[np.float32], length: NDArray[np.int32]) -> Iterator[dict[str, NDArray[Any]]]:
    has_length = "length" in inputs_of(model)
    for start in range(0, len(y), _AT_ONCE):
        part = slice(start, start + _AT_ONCE)
        yield {"waveform": y[part], **({"length": length[part]} if has_length else {})}


def _scores(job: Job, before: Path, after: Path) -> dict[str, Any]:
    """Accuracy before and after quantisation, on test clips where there are any (see ``judged_clips``)."""
    y, length, label, split = judged_clips(job.bundle)
    job.note(f"comparing both on {len(y)} {split} clips")
    right = []
    for path in (before, after):
        classifier = ExportedClassifier(path)
        given = [classifier.probabilities(y[i : i + _AT_ONCE], length[i : i + _AT_ONCE]) for i in range(0, len(y), _AT_ONCE)]
        right.append(float((np.concatenate(given).argmax(axis=1) == label).mean()))
    return {"judged_on": f"{len(y):,} {split} clips", "accuracy_float": right[0], "accuracy": right[1]}


TARGET = Target("onnx-int8", ".onnx", "the same with a network of 8 bits, calibrated on the training clips", _write)
