"""What `kwstrain models` counts: multiply-adds by hand, the receptive field by changing frames."""

from __future__ import annotations

import numpy as np
import pytest

jax = pytest.importorskip("jax")

import jax.numpy as jnp  # noqa: E402
from flax import nnx  # noqa: E402

from kwstrain.models import create, spec  # noqa: E402
from kwstrain.models.cost import Cost, cost  # noqa: E402
from kwstrain.models.layers.frames import FrameConv  # noqa: E402
from kwstrain.models.network import Network  # noqa: E402


class Stack(Network):
    """Convolutions (kernel, stride, dilation, padding) over frames, one behind the other, and a mean over time."""

    def __init__(self, layers: list[tuple[int, int, int, str]]) -> None:
        rngs = nnx.Rngs(0)
        self.layers = nnx.List(
            FrameConv(1, 1, (size, 1), stride=(stride, 1), dilation=(dilation, 1), time=time, dtype="float32", rngs=rngs)
            for size, stride, dilation, time in layers
        )

    def frames(self, x: jax.Array) -> jax.Array:
        x = x[..., None]
        for layer in self.layers:
            x = layer(x) + layer(x) * 0.5  # two ways to the same frames
        return x

    def forward(self, x: jax.Array, mask: jax.Array | None) -> jax.Array:
        return self.frames(x).swapaxes(1, 2).mean(axis=(2, 3))


def seen_by_trying(model: Stack, n_frames: int) -> tuple[int, int]:
    """Frames that an output in the middle depends on; how many frames behind the input's end the last output would see."""
    padded = 64  # frames before and after, so that nothing is hidden by the zeros at the ends
    x = np.random.default_rng(0).standard_normal((1, n_frames + 2 * padded, 1)).astype(np.float32)
    changed = np.concatenate([x, x + np.eye(x.shape[1], dtype=np.float32)[..., None]])  # first as it is, then each frame in turn
    outputs, *others = np.asarray(nnx.jit(lambda model, x: model.frames(x))(model, changed))[:, :, 0, 0]
    reached: dict[int, list[int]] = {}
    for frame, other in enumerate(others):
        for j in np.flatnonzero(np.abs(other - outputs) > 1e-6):
            reached.setdefault(int(j), []).append(frame)
    middle = reached[len(outputs) // 2]
    n_outputs = nnx.eval_shape(lambda: model.frames(jnp.zeros((1, n_frames, 1)))).shape[1]
    step = (reached[len(outputs) // 2 + 1][0] - middle[0]) or 1
    after = middle[-1] - step * (len(outputs) // 2)
    return middle[-1] - middle[0] + 1, max(0, step * (n_outputs - 1) + after - (n_frames - 1))


@pytest.mark.parametrize(
    "layers",
    [
        [(3, 1, 1, "same")],
        [(3, 1, 1, "same"), (3, 1, 4, "same")],
        [(5, 1, 2, "causal"), (3, 1, 1, "causal")],
        [(5, 1, 1, "valid"), (3, 1, 2, "valid")],
        [(5, 3, 1, "valid"), (9, 1, 1, "valid")],
        [(3, 1, 1, "causal"), (3, 1, 1, "same")],
    ],
)
def test_the_receptive_field_is_what_a_change_reaches(layers: list[tuple[int, int, int, str]]) -> None:
    model, n_frames = Stack(layers), 60
    counted = cost(model, (n_frames, 1))
    assert (counted.frames, counted.later) == seen_by_trying(model, n_frames)


def test_multiply_adds_by_hand() -> None:
    assert cost(Stack([(5, 1, 1, "same")]), (60, 1)).multiply_adds == 2 * 60 * 5
    lstm = nnx.eval_shape(lambda: create("lstm", input_shape=(35, 64), n_classes=10))
    assert cost(lstm, (35, 64)) == Cost(35 * (64 + 128) * 512 + 128 * 64 + 64 * 10, None, None)


@pytest.mark.parametrize(
    ("name", "millions", "where"),
    [
        ("ds-cnn-s", 5.4 / 2, "arXiv:1711.07128, table 6: operations, two a multiply-add"),
        ("tc-resnet8", 3.0 / 2, "arXiv:1904.03814, table 2: FLOPs"),
    ],
)
def test_multiply_adds_are_those_that_the_papers_give(name: str, millions: float, where: str) -> None:
    published = spec(name).published[0]
    model = nnx.eval_shape(lambda: create(name, input_shape=published.input_shape, n_classes=12))
    assert cost(model, published.input_shape).multiply_adds / 1e6 == pytest.approx(millions, rel=0.05), where
