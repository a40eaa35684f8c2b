"""``onnx-stream``: some samples and the states in, probabilities and the states after them out; for networks that stream."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np

from kwstrain.export.card import describe
from kwstrain.export.graph.write import Input, write
from kwstrain.export.stream.layers import state_shapes, step
from kwstrain.export.stream.samples import sample_step
from kwstrain.export.target import Job, Target
from kwstrain.export.targets.onnx import inputs_of
from kwstrain.inference.exported import STATE, STATE_OUT
from kwstrain.io import write_atomic
from kwstrain.streaming.find import streaming_program

STEP_S = 0.08  # about how much audio a step takes


def _write(job: Job) -> dict[str, Any]:
    bundle = job.bundle
    config = bundle.feature_config
    program = streaming_program(bundle.config.arch, bundle.config.options, bundle.weights, config.shape)
    n_frames = program.stride * max(1, round(STEP_S * config.sr / config.hop_length / program.stride))
    samples = sample_step(config, n_frames, lead=program.lead, stride=program.stride)
    first = samples.first + program.lead  # the place of the first frame that comes out
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
    warm_up = program.first - first // program.stride
    model = write(
        run,
        [
            Input("waveform", (samples.n_samples,)),
            Input(f"{STATE}samples", (samples.kept,)),
            Input(f"{STATE}frames", (1,), np.int32),
            *(Input(f"{STATE}{name}", shape) for name, shape in state_shapes(program, n_frames).items()),
        ],
        ["probabilities", *(f"{STATE_OUT}{name}" for name in ("samples", "frames", *names))],
        {**described.to_properties(), "warm_up_rows": str(warm_up), "row_s": str(program.stride * config.hop_length / config.sr)},
    )
    write_atomic(job.out, model.SerializeToString())
    return {
        "inputs": inputs_of(model), "labels": list(bundle.labels), "samples_a_step": samples.n_samples, "warm_up_rows": warm_up,
        "latency_s": samples.latency_s,
    }  # fmt: skip


TARGET = Target("onnx-stream", ".onnx", "samples and states in, probabilities and states out, step by step", _write)
