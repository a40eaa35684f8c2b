"""Every network as a graph: the logits that JAX gives, with and without frames that are not real."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from small_networks import SMALL, graph, seeded, small

from kwsfeat import ConfigError
from kwstrain.export.graph.translate import rules
from kwstrain.export.graph.value import BATCH
from kwstrain.export.graph.write import Input, write
from kwstrain.models import create_shapes, names
from kwstrain.models.imagenet.inception import neighbour_mean
from kwstrain.models.layers.common import window_max

pytest.importorskip("onnx", reason="the extra export is not installed")

LARGE = ("vgg16", "resnet50", "inception-v3")
# Together they have every kind of layer: loops forwards and backwards, attention, all poolings, separable convolutions.
IN_NODE = ("cnn-mnist", "lstm-raw", "kwt-1", "matchboxnet-3x1x64", "mhatt-rnn", "res8", "bcresnet-1")


@pytest.mark.parametrize("name", SMALL)
def test_logits_are_those_of_jax(name: str, run_graph: Callable[..., list[np.ndarray]]) -> None:
    shape, _ = SMALL[name]
    model, written = small(name)
    x = np.random.default_rng(0).standard_normal((3, *shape)).astype(np.float32)
    mask = np.arange(shape[0]) < np.array([[shape[0]], [shape[0] // 2], [2]])
    takes_mask = "mask" in {one.name for one in written.graph.input}
    logits = jax.jit(lambda x, mask: model(x, mask))  # by itself, every operation is compiled for itself
    wanted = np.asarray(logits(x, mask))
    (given,) = run_graph(written, x=x, **({"mask": mask} if takes_mask else {}))
    np.testing.assert_allclose(given, wanted, rtol=1e-4, atol=1e-5 * np.abs(wanted).max())
    for rows in (slice(0, 1), slice(0, 0)):  # any number of clips, none too
        (given,) = run_graph(written, x=x[rows])
        assert given.shape == (len(x[rows]), 3)
    assert takes_mask == (name in ("lstm", "lstm-raw", "kwt-1", "mhatt-rnn"))
    (unmasked,) = run_graph(written, x=x[:1])
    np.testing.assert_allclose(unmasked, np.asarray(logits(x[:1], np.ones_like(mask[:1]))), rtol=1e-4, atol=1e-4)


def test_the_page_gives_the_logits_of_onnxruntime(
    node: Callable[..., Any], run_graph: Callable[..., list[np.ndarray]], tmp_path: Path
) -> None:
    wanted = {}
    for name in IN_NODE:
        (shape, _), (_, written) = SMALL[name], small(name)
        x = np.random.default_rng(0).standard_normal((1, *shape)).astype(np.float32)
        (wanted[name],) = run_graph(written, x=x)
        (tmp_path / f"{name}.onnx").write_bytes(written.SerializeToString())
        x.tofile(tmp_path / f"{name}.f32")
    given = node("graphs", tmp_path)
    assert set(given) == set(IN_NODE)
    for name in IN_NODE:
        np.testing.assert_allclose(given[name], wanted[name][0], rtol=1e-4, atol=1e-5 * np.abs(wanted[name]).max(), err_msg=name)


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
    model = create_shapes(name, input_shape=shape, n_classes=3)
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
