"""``onnx``: waveform in, probabilities out, the front end inside; any number of clips at once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from kwstrain.export.card import describe
from kwstrain.export.clip import clip_function
from kwstrain.export.graph.value import BATCH
from kwstrain.export.graph.write import Input, write
from kwstrain.export.target import Job, Target
from kwstrain.inference.digest import with_digest
from kwstrain.io import write_atomic

if TYPE_CHECKING:
    import onnx


def clip_model(job: Job) -> onnx.ModelProto:
    """The run as an ONNX model of whole clips.

    `length`, the number of real samples of each clip, is an input only if the network uses it; by default all samples are real.

    Raises
    ------
    ConfigError
        If the features or an operation of the network cannot be exported.
    """
    config = job.bundle.feature_config
    n_samples = config.n_samples
    described = describe(job.bundle, "clip", license=job.license, latency_s=n_samples / config.sr)
    return write(
        clip_function(job.bundle),
        [Input("waveform", (BATCH, n_samples)), Input("length", (BATCH,), np.int32, np.array([n_samples], np.int32))],
        ["probabilities"],
        described.to_properties(),
    )


def inputs_of(model: onnx.ModelProto) -> list[str]:
    """Names of the inputs of a model."""
    return [one.name for one in model.graph.input]


def _write(job: Job) -> dict[str, Any]:
    model = clip_model(job)
    write_atomic(job.out, with_digest(model.SerializeToString()))
    return {"inputs": inputs_of(model), "labels": list(job.bundle.labels)}


TARGET = Target("onnx", ".onnx", "waveform in, probabilities out; runs wherever onnxruntime does", _write)
