"""What an embedding hears, for the pictures of the page: its front end as a graph that the page's runtime computes."""

from __future__ import annotations

from functools import cache

import jax

from kwsfeat import FeatureConfig
from kwstrain.export.graph.write import Input, write
from kwstrain.export.stream.samples import sample_step
from kwstrain.inference.exported import STATE, STATE_OUT

N_FRAMES = 2  # of a step: 20 ms, as the page's microphone gives them


@cache
def front_end_graph(config: FeatureConfig) -> bytes:
    """An ONNX file: the next samples and the last ones before them in, frames out.

    Raises
    ------
    ConfigError
        If the features cannot be computed step by step in a graph.
    """
    step = sample_step(config, N_FRAMES, lead=0, stride=1)

    def run(y: jax.Array, kept: jax.Array) -> tuple[jax.Array, jax.Array]:
        return step(y, kept)

    inputs = [Input("waveform", (step.n_samples,)), Input(f"{STATE}samples", (step.kept,))]
    return bytes(write(run, inputs, ["frames", f"{STATE_OUT}samples"], {}).SerializeToString())
