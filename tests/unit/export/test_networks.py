"""Every network as a graph: the logits that JAX gives, with and without frames that are not real."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from kwsfeat import ConfigError
from kwstrain.export.graph.translate import rules
from kwstrain.export.graph.value import BATCH
from kwstrain.export.graph.write import Input, write
from kwstrain.models import Network, create, names
from kwstrain.models.imagenet.inception import neighbour_mean
from kwstrain.models.layers.common import window_max

pytest.importorskip("onnx", reason="the extra export is not installed")

LARGE = ("vgg16", "resnet50", "inception-v3")
# One of each family, as small as it goes; the others differ in the numbers of these.
SMALL: dict[str, tuple[tuple[int, int], dict[str, Any]]] = {
    "cnn-deep": ((20, 18), {}),
    "cnn": ((40, 33), {}),
    "cnn-mnist": ((12, 13), {}),
    "lstm-raw": ((150, 1), {"units": 5}),
    "lstm": ((21, 10), {"units": 6}),
    "bcresnet-1": ((31, 40), {}),
    "ds-cnn-s": ((25, 10), {}),
    "ds-cnn-tiny": ((25, 10), {"filters": 8}),
    "kwt-1": ((12, 20), {"depth": 2}),
    "matchboxnet-3x1x64": ((33, 16), {"channels": 8}),
    "mhatt-rnn": ((20, 12), {"units": 8}),
    "mixednet": ((194, 10), {"filters": 8}),
    "res8": ((33, 20), {"filters": 6}),
    "res15": ((33, 20), {"filters": 6}),
    "tc-resnet8": ((40, 20), {}),
}


def seeded(name: str, shape: tuple[int, int], **options: Any) -> Network:
    """A network whose every weight and statistic counts."""
    model = create(name, input_shape=shape, n_classes=3, seed=1, **options)
    rng = np.random.default_rng(5)
    for path, variable in nnx.to_flat_state(nnx.state(model, nnx.Any(nnx.Param, nnx.BatchStat))):
        value = rng.standard_normal(variable[...].shape).astype(np.float32)
        variable[...] = np.abs(value) + 0.5 if path[-1] == "var" else value * (0.2 if value.ndim > 1 else 0.3)
    model.eval()
    return model


def graph(model: Network, shape: tuple[int, int]) -> Any:
    return write(model, [Input("x", (BATCH, *shape)), Input("mask", (BATCH, shape[0]), bool, np.ones((1, shape[0]), bool))], ["logits"], {})


@pytest.mark.parametrize("name", SMALL)
def test_logits_are_those_of_jax(name: str, run_graph: Callable[..., list[np.ndarray]]) -> None:
    shape, options = SMALL[name]
    model = seeded(name, shape, **options)
    written = graph(model, shape)
    x = np.random.default_rng(0).standard_normal((3, *shape)).astype(np.float32)
    mask = np.arange(shape[0]) < np.array([[shape[0]], [shape[0] // 2], [2]])
    takes_mask = "mask" in {one.name for one in written.graph.input}
    wanted = np.asarray(model(jnp.asarray(x), jnp.asarray(mask)))
    (given,) = run_graph(written, x=x, **({"mask": mask} if takes_mask else {}))
    np.testing.assert_allclose(given, wanted, rtol=1e-4, atol=1e-5 * np.abs(wanted).max())
    for rows in (slice(0, 1), slice(0, 0)):  # any number of clips, none too
        (given,) = run_graph(written, x=x[rows])
        assert given.shape == (len(x[rows]), 3)
    assert takes_mask == (name in ("lstm", "lstm-raw", "kwt-1", "mhatt-rnn"))
    (unmasked,) = run_graph(written, x=x[:1])
    np.testing.assert_allclose(unmasked, np.asarray(model(jnp.asarray(x[:1]), jnp.asarray(np.ones_like(mask[:1])))), rtol=1e-4, atol=1e-4)


def test_every_family_is_tried() -> None:
    from kwstrain.models import spec

    assert {spec(name).network for name in names()} == {spec(name).network for name in [*SMALL, "vgg-160", *LARGE]}


def primitives(jaxpr: Any) -> Iterator[str]:
    for equation in jaxpr.eqns:
        inner = [one for one in equation.params.values() if hasattr(one, "eqns") or hasattr(one, "jaxpr")]
        if not inner:
            yield equation.primitive.name
        for one in inner:
            yield from primitives(getattr(one, "jaxpr", one))


@pytest.mark.parametrize("name", ["vgg-160", *LARGE])
def test_large_networks_consist_of_what_has_a_rule(name: str) -> None:
    """Traced without weights; their layers are tried by themselves."""
    shape = (75, 75)
    model = nnx.eval_shape(lambda: create(name, input_shape=shape, n_classes=3))
    model.eval()
    structure, state = nnx.split(model)
    traced = jax.make_jaxpr(lambda state, x: nnx.merge(structure, state)(x))(state, jax.ShapeDtypeStruct((2, *shape), np.float32))
    assert set(primitives(traced.jaxpr)) <= {*rules(), "iota", "rem", "shift_right_logical"}  # these of constants only


@pytest.mark.parametrize("function", [neighbour_mean, lambda x: window_max(jnp.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0))), 3, stride=2)])
def test_poolings_of_large_networks(function: Callable[..., Any], run_graph: Callable[..., list[np.ndarray]]) -> None:
    x = np.random.default_rng(0).standard_normal((2, 7, 9, 4)).astype(np.float32)
    (given,) = run_graph(write(function, [Input("x", (BATCH, 7, 9, 4))], ["y"], {}), x=x)
    np.testing.assert_allclose(given, np.asarray(function(jnp.asarray(x))), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    "function",
    [
        lambda x: (x.swapaxes(1, 2).reshape(len(x), 2, -1) * np.arange(1, 11, dtype=np.float32)).reshape(len(x), -1),
        lambda x: x[:, ::-1, 1:3].transpose(0, 2, 1) - np.arange(5, dtype=np.float32),
        lambda x: jnp.einsum("st,btf->bsf", np.arange(15, dtype=np.float32).reshape(3, 5), x) + 1,
        lambda x: 2 - x / np.array([1, 2, 4, 8], np.float32),
        lambda x: jnp.concatenate([x, jnp.ones_like(x)], axis=1).sum(axis=(1, 2)),
        lambda x: jnp.where(x > 0, x, 0.1 * x) + x.mean(axis=1, keepdims=True),
        lambda x: jnp.split(x, 2, axis=2)[1] ** 3,
        lambda x: jnp.pad(x[:, 1:], ((0, 0), (2, 1), (0, 0)), constant_values=3.0),
    ],
)
def test_views_and_constants_cancel_into_the_right_values(function: Callable[..., Any], run_graph: Callable[..., list[np.ndarray]]) -> None:
    x = np.random.default_rng(0).standard_normal((2, 5, 4)).astype(np.float32)
    traced = write(lambda x: function(x.reshape(x.shape[0], 5, 4)), [Input("x", (BATCH, 20))], ["y"], {})
    (given,) = run_graph(traced, x=x.reshape(2, 20))
    np.testing.assert_allclose(given, np.asarray(function(jnp.asarray(x))), rtol=1e-5, atol=1e-6)


def test_batch_norm_disappears_into_the_convolutions() -> None:
    """BC-ResNet keeps scale and shift of its sub-bands, which no convolution can take."""
    shape, _ = SMALL["tc-resnet8"]
    ops = [node.op_type for node in graph(seeded("tc-resnet8", shape), shape).graph.node]
    assert ops.count("Conv") == 10
    assert ops.count("Mul") + ops.count("Add") <= 3 + 2 + 1  # three residuals, the input's statistics, the mean


def test_an_operation_without_a_rule_is_named() -> None:
    with pytest.raises(ConfigError, match="'cumsum', which has no rule"):
        write(lambda x: jnp.cumsum(x, axis=1), [Input("x", (BATCH, 4))], ["y"], {})
