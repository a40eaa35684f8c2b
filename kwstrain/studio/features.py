"""What an embedding hears, for the pictures of the page: its front end as a graph that the page's runtime computes."""

from __future__ import annotations

from functools import cache

import jax
import numpy as np

from kwsfeat import FeatureConfig
from kwstrain.export.graph.write import Input, write
from kwstrain.export.stream.front_end import front_end_step
from kwstrain.inference.exported import STATE, STATE_OUT


@cache
def front_end_graph(config: FeatureConfig) -> bytes:
    """An ONNX file: the next samples and the states after those before them in, frames out.

    Raises
    ------
    ConfigError
        If the features cannot be computed step by step in a graph.
    """
    front_end = front_end_step(config, lead=0, stride=1)
    shapes = front_end.state_shapes()

    def run(y: jax.Array, done: jax.Array, *states: jax.Array) -> tuple[jax.Array, ...]:
        x, after = front_end(y, dict(zip(shapes, states, strict=True)), done)
        return x, done + front_end.n_frames, *(after[name] for name in shapes)

    inputs = [
        Input("waveform", (front_end.n_samples,)), Input(f"{STATE}frames", (1,), np.int32),
        *(Input(f"{STATE}{name}", shape) for name, shape in shapes.items()),
    ]  # fmt: skip
    return bytes(write(run, inputs, ["frames", *(f"{STATE_OUT}{name}" for name in ("frames", *shapes))], {}).SerializeToString())
