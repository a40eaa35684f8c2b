"""``onnx-stream``: samples and states in, probabilities and the next states out; for networks that can stream."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import jax
import numpy as np

from kwsfeat import front_end_tables
from kwstrain.export.card import describe
from kwstrain.export.graph.write import Input, write
from kwstrain.export.stream.layers import state_shapes, step
from kwstrain.export.stream.samples import sample_step
from kwstrain.export.target import Job, Target
from kwstrain.export.targets.onnx import inputs_of
from kwstrain.inference.exported import STATE, STATE_OUT
from kwstrain.io import write_atomic
from kwstrain.streaming.find import streaming_program

if TYPE_CHECKING:
    import onnx

STEP_S = 0.08  # approximate length of a step


def stream_model(job: Job) -> tuple[onnx.ModelProto, dict[str, Any]]:
    """The run as an ONNX model of a stream, and what there is to report.

    Raises
    ------
    ConfigError
        If the network or its features cannot be computed step by step in a graph, with the reason.
    """
    bundle = job.bundle
    config = bundle.feature_config
    program = streaming_program(bundle.config.arch, bundle.config.options, bundle.weights, config.shape)
    n_frames = program.stride * max(1, round(STEP_S * config.sr / config.hop_length / program.stride))
    samples = sample_step(config, n_frames, lead=program.lead, stride=program.stride)
    first = samples.first + program.lead  # the number of the first frame that is computed
    last = jax.nn.softmax if bundle.config.loss == "softmax" else jax.nn.sigmoid
    names = [*state_shapes(program, n_frames)]

    def run(y: jax.Array, kept: jax.Array, frames: jax.Array, *states: jax.Array) -> tuple[jax.Array, ...]:
        with jax.named_scope("front_end"):
            x, kept_after = samples(y, kept)
        with jax.named_scope("network"):
            logits, after = step(program, x, dict(zip(names, states, strict=True)), frames + first)
        with jax.named_scope("probabilities"):
            return last(logits), kept_after, frames + n_frames, *(after[name] for name in names)

    described = describe(bundle, "stream", license=job.license, latency_s=samples.latency_s)
    row_s = program.stride * config.hop_length / config.sr
    (first_row,) = program.newest(program.first, 1).tolist()  # the newest frame in it
    ready_s = (config.frame_length - front_end_tables(config).pad_left + first_row * config.hop_length) / config.sr
    about_rows = {
        "warm_up_rows": program.first - first // program.stride, "row_s": row_s, "first_row_s": ready_s, "first_frame": first_row,
        "stride": program.stride, "warm_up_s": ready_s + (program.n_mean - 1) * row_s,
    }  # fmt: skip
    model = write(
        run,
        [
            Input("waveform", (samples.n_samples,)),
            Input(f"{STATE}samples", (samples.kept,)),
            Input(f"{STATE}frames", (1,), np.int32),
            *(Input(f"{STATE}{name}", shape) for name, shape in state_shapes(program, n_frames).items()),
        ],
        ["probabilities", *(f"{STATE_OUT}{name}" for name in ("samples", "frames", *names))],
        {**described.to_properties(), **{name: str(value) for name, value in about_rows.items()}},
    )
    return model, {
        "inputs": inputs_of(model), "labels": list(bundle.labels), "samples_a_step": samples.n_samples,
        "warm_up_rows": about_rows["warm_up_rows"], "latency_s": samples.latency_s,
    }  # fmt: skip


def _write(job: Job) -> dict[str, Any]:
    model, said = stream_model(job)
    write_atomic(job.out, model.SerializeToString())
    return said


TARGET = Target("onnx-stream", ".onnx", "samples and states in, probabilities and states out, step by step", _write)
