"""``onnx-stream``: samples and states in, probabilities and the next states out; for networks that can stream."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np

from kwsfeat import StreamFrontEnd
from kwstrain.export.card import describe
from kwstrain.export.graph.write import Input, write
from kwstrain.export.stream.front_end import front_end_step
from kwstrain.export.stream.layers import state_shapes, step
from kwstrain.export.target import Job, Target
from kwstrain.export.targets.onnx import inputs_of
from kwstrain.inference.digest import with_digest
from kwstrain.inference.exported import STATE, STATE_OUT
from kwstrain.io import write_atomic
from kwstrain.streaming.find import streaming_program

if TYPE_CHECKING:
    import onnx

MOST_FRAMES = 1 << 30  # that are counted: nothing depends on more, and the count must not overflow


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
    front_end = front_end_step(config, lead=program.lead, stride=program.stride)
    n_frames, first = front_end.n_frames, front_end.first + program.lead  # the number of the first frame that comes out
    last = jax.nn.softmax if bundle.config.loss == "softmax" else jax.nn.sigmoid
    shapes = {**front_end.state_shapes(), **state_shapes(program, n_frames)}

    def run(y: jax.Array, frames: jax.Array, *states: jax.Array) -> tuple[jax.Array, ...]:
        state = dict(zip(shapes, states, strict=True))
        with jax.named_scope("front_end"):
            x, heard = front_end(y, state, frames)
        with jax.named_scope("network"):
            logits, after = step(program, x, state, frames + first)
        with jax.named_scope("probabilities"):
            after = {**heard, **after}
            return last(logits), jnp.minimum(frames + n_frames, MOST_FRAMES // n_frames * n_frames), *(after[name] for name in shapes)

    described = describe(bundle, "stream", license=job.license, latency_s=front_end.latency_s)
    row_s = program.stride * config.hop_length / config.sr
    (first_row,) = program.newest(program.first, 1).tolist()  # the newest frame in it
    ready_s = StreamFrontEnd(config).latency + first_row * config.hop_length / config.sr
    about_rows = {
        "warm_up_rows": program.first - first // program.stride, "row_s": row_s, "first_row_s": ready_s, "first_frame": first_row,
        "stride": program.stride, "warm_up_s": ready_s + (program.n_mean - 1) * row_s,
    }  # fmt: skip
    model = write(
        run,
        [
            Input("waveform", (front_end.n_samples,)),
            Input(f"{STATE}frames", (1,), np.int32),
            *(Input(f"{STATE}{name}", shape) for name, shape in shapes.items()),
        ],
        ["probabilities", *(f"{STATE_OUT}{name}" for name in ("frames", *shapes))],
        {**described.to_properties(), **{name: str(value) for name, value in about_rows.items()}},
    )
    return model, {
        "inputs": inputs_of(model), "labels": list(bundle.labels), "samples_a_step": front_end.n_samples,
        "warm_up_rows": about_rows["warm_up_rows"], "latency_s": front_end.latency_s,
    }  # fmt: skip


def _write(job: Job) -> dict[str, Any]:
    model, said = stream_model(job)
    write_atomic(job.out, with_digest(model.SerializeToString()))
    return said


TARGET = Target("onnx-stream", ".onnx", "samples and states in, probabilities and states out, step by step", _write)
