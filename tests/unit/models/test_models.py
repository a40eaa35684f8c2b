"""The networks: shapes, seeds, options, freezing."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx

from kwsfeat import ConfigError
from kwstrain import models
from kwstrain.models.imagenet.transfer import to_picture
from kwstrain.models.layers import operations as plain
from kwstrain.models.layers.common import BatchNorm
from kwstrain.operations.pool import max_pool

SMALL = {
    "cnn": (30, 28), "cnn-mnist": (16, 14), "cnn-deep": (12, 14), "vgg-160": (20, 30), "lstm": (9, 5), "lstm-raw": (200, 1),
    "vgg16": (32, 40), "resnet50": (32, 40), "inception-v3": (75, 80),
}  # fmt: skip


run = nnx.jit(lambda model, x, mask=None: model(x, mask))


def count(model: nnx.Module, kind: Any) -> int:
    return sum(leaf.size for leaf in jax.tree.leaves(nnx.state(model, kind)))


def test_system_c_count_is_exact() -> None:
    model = models.create("cnn", input_shape=(99, 81), n_classes=12)
    assert count(model, nnx.Param) == 313_854
    assert count(model, nnx.BatchStat) == 514


@pytest.mark.parametrize("name", SMALL)
def test_forward(name: str) -> None:
    model = models.create(name, input_shape=SMALL[name], n_classes=5)
    model.eval()
    x = np.random.default_rng(0).standard_normal((2, *SMALL[name])).astype(np.float32)
    mask = np.ones(x.shape[:2], bool)
    logits = run(model, x, mask)
    assert logits.shape == (2, 5)
    assert logits.dtype == jnp.float32
    assert np.isfinite(logits).all()
    np.testing.assert_array_equal(logits, run(model, x, mask))
    assert np.abs(np.asarray(logits[0] - logits[1])).max() > 1e-6, "the input matters"


@pytest.mark.parametrize("name", ["cnn", "lstm", "cnn-deep"])
def test_learns_a_batch(name: str) -> None:
    """Some steps on eight clips with random labels bring the loss down to a tenth."""
    model = models.create(name, input_shape=SMALL[name], n_classes=3, dropout=0.0)
    optimizer = nnx.Optimizer(model, optax.adam(1e-2), wrt=nnx.Param)
    rng = np.random.default_rng(0)
    x, label = rng.standard_normal((8, *SMALL[name])).astype(np.float32), rng.integers(0, 3, 8)

    @nnx.jit
    def step(model: nnx.Module, optimizer: nnx.Optimizer) -> jax.Array:
        def loss(model: nnx.Module) -> jax.Array:
            return optax.softmax_cross_entropy_with_integer_labels(model(x), label).mean()

        value, gradient = nnx.value_and_grad(loss)(model)
        optimizer.update(model, gradient)
        return value

    losses = [float(step(model, optimizer)) for _ in range(60)]
    assert losses[-1] < 0.1 * losses[0]


def test_seed() -> None:
    a, b, other = (models.create("cnn", input_shape=(30, 28), n_classes=3, seed=seed) for seed in (1, 1, 2))
    x = np.ones((4, 30, 28), np.float32)
    np.testing.assert_array_equal(run(a, x), run(b, x))  # dropout too
    assert np.abs(np.asarray(a.conv1.kernel[...] - other.conv1.kernel[...])).max() > 0.01


def test_dropout_in_training_only() -> None:
    model = models.create("cnn", input_shape=(30, 28), n_classes=3, dropout=0.5)
    x = np.random.default_rng(0).standard_normal((4, 30, 28)).astype(np.float32)
    assert np.abs(np.asarray(run(model, x) - run(model, x))).max() > 1e-3
    model.eval()
    np.testing.assert_array_equal(run(model, x), run(model, x))


@pytest.mark.parametrize("name", ["cnn", "lstm"])
def test_bfloat16_is_near(name: str) -> None:
    x = np.random.default_rng(0).standard_normal((4, *SMALL[name])).astype(np.float32)
    logits = []
    for dtype in ("float32", "bfloat16"):
        model = models.create(name, input_shape=SMALL[name], n_classes=3, dtype=dtype)
        model.eval()
        assert {v.dtype for v in jax.tree.leaves(nnx.state(model, nnx.Param))} == {jnp.dtype("float32")}
        logits.append(np.asarray(run(model, x)))
    assert logits[1].dtype == np.float32
    difference = np.abs(logits[0] - logits[1]).max()
    assert 0 < difference < 0.05 * np.abs(logits[0]).max()


@pytest.mark.parametrize("name", SMALL)
def test_every_network_has_a_gradient(name: str) -> None:
    """By shapes alone, so that the large ones need not be compiled."""
    shape = (500, 1) if name == "lstm-raw" else (99, 161)
    graph, params, rest = nnx.split(nnx.eval_shape(lambda: models.create(name, input_shape=shape, n_classes=3)), nnx.Param, ...)
    x = jax.ShapeDtypeStruct((2, *shape), jnp.float32)
    gradient = jax.eval_shape(jax.grad(lambda params, rest, x: nnx.merge(graph, params, rest, copy=True)(x).sum()), params, rest, x)
    assert jax.tree.map(jnp.shape, gradient) == jax.tree.map(jnp.shape, params)


def test_shapes_without_weights() -> None:
    model = nnx.eval_shape(lambda: models.create("resnet50", input_shape=(99, 161), n_classes=12))
    assert model.head.out.kernel.shape == (1024, 12)


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("resnet", {}, "'resnet' is not a network: did you mean resnet50"),
        ("cnn", {"pooling": "time"}, "'pooling' is not an option of cnn: there are dropout, dtype"),
        ("cnn", {"dropout": 1.0}, r"dropout=1.0 must be >= 0 and < 1"),
        ("cnn", {"dtype": "float16"}, "dtype='float16' must be one of float32, bfloat16"),
        ("cnn", {"n_classes": 1}, "n_classes=1 must be >= 2"),
        ("cnn", {"input_shape": (10, 10)}, "10 frames or features are too few"),
        ("lstm", {"pooling": "max"}, "pooling='max' must be one of time, units"),
        ("lstm", {"units": 0}, "units=0 must be >= 1"),
        ("vgg16", {"head": "C"}, "head='C' must be one of A, B"),
        ("vgg16", {"preprocess": "caffe"}, "preprocess='caffe' must be one of none, keras"),
        ("inception-v3", {"input_shape": (40, 40)}, "40 x 40 is too small"),
    ],
)
def test_wrong_choices(name: str, options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        models.create(name, **{"input_shape": (99, 161), "n_classes": 12, **options})


def test_head_a_of_resnet_pads_75_to_96() -> None:
    model = models.create("resnet50", input_shape=(75, 75), n_classes=11, head="A")
    seen = []
    model.backbone = lambda image: seen.append(image) or jnp.zeros((2, 3, 3, 2048))
    x = np.random.default_rng(0).standard_normal((2, 75, 75)).astype(np.float32)
    assert model(x).shape == (2, 11)
    expected = np.pad(x, ((0, 0), (11, 10), (11, 10)))
    for channel in range(3):
        np.testing.assert_array_equal(seen[0][..., channel], expected)


def test_picture_spans_0_to_255() -> None:
    image = np.random.default_rng(0).standard_normal((2, 4, 5, 3)).astype(np.float32)
    picture = np.asarray(to_picture(jnp.asarray(image)))
    np.testing.assert_allclose(picture.min(axis=(1, 2, 3)), 0, atol=1e-4)
    np.testing.assert_allclose(picture.max(axis=(1, 2, 3)), 255, atol=1e-4)
    assert np.isfinite(to_picture(jnp.zeros((1, 4, 5, 3)))).all()


def paths(model: nnx.Module, freeze: str | int) -> set[str]:
    """The trainable parameters' names."""
    state = nnx.state(model, models.trainable(model, freeze))
    return {".".join(map(str, path)) for path, _ in nnx.to_flat_state(state)}


def test_freeze_nothing_and_layers() -> None:
    model = models.create("cnn", input_shape=(30, 28), n_classes=3)
    everything = {".".join(map(str, path)) for path, _ in nnx.to_flat_state(nnx.state(model, nnx.Param))}
    assert paths(model, "none") == paths(model, 0) == everything
    frozen = everything - paths(model, "3")
    assert frozen == {"norm.scale", "norm.bias", "conv1.kernel", "conv1.bias", "conv2.kernel", "conv2.bias"}


@pytest.mark.parametrize("name", ["vgg16", "resnet50", "inception-v3"])
def test_freeze_backbone(name: str) -> None:
    model = nnx.eval_shape(lambda: models.create(name, input_shape=(99, 161), n_classes=3, head="A"))
    assert paths(model, "backbone") == {"head.dense.kernel", "head.dense.bias", "head.out.kernel", "head.out.bias"}


def test_frozen_batch_norm_keeps_its_statistics() -> None:
    model = models.create("cnn", input_shape=(30, 28), n_classes=3)
    models.trainable(model, 1)
    before = np.asarray(model.norm.mean[...]), np.asarray(model.norm1.mean[...])
    x = 5 + np.random.default_rng(0).standard_normal((4, 30, 28)).astype(np.float32)
    run(model, x)
    np.testing.assert_array_equal(model.norm.mean[...], before[0])
    assert np.abs(np.asarray(model.norm1.mean[...]) - before[1]).max() > 1e-4
    assert isinstance(model.norm, BatchNorm)
    np.testing.assert_allclose(model.norm(jnp.asarray(x[..., None])), x[..., None], rtol=1e-3)


@pytest.mark.parametrize(
    ("freeze", "message"),
    [("backbone", "no backbone"), ("head", "'none', 'backbone' or a number"), (11, "less than the 11"), (-1, ">= 0")],
)
def test_wrong_freeze(freeze: str | int, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        models.trainable(models.create("cnn", input_shape=(30, 28), n_classes=3), freeze)


@pytest.mark.parametrize("shape", [(2, 6, 8, 3), (2, 7, 9, 1), (1, 2, 3, 16)])
def test_max_pool_equals_a_windowed_reduction(shape: tuple[int, ...]) -> None:
    x = jnp.asarray(np.random.default_rng(0).standard_normal(shape), jnp.float32)
    results = []
    for pool in (max_pool, plain.max_pool, lambda x: nnx.max_pool(x, (2, 2), (2, 2))):
        y, pullback = jax.vjp(pool, x)
        results.append((y, pullback(jnp.arange(y.size, dtype=jnp.float32).reshape(y.shape))[0]))
    for y, gradient in results[1:]:
        np.testing.assert_array_equal(y, results[0][0])
        np.testing.assert_array_equal(gradient, results[0][1])


def test_max_pool_gives_equal_values_one_gradient() -> None:
    gradient = jax.grad(lambda x: max_pool(x).sum())(jnp.ones((1, 4, 4, 1)))
    expected = np.zeros((4, 4))
    expected[::2, ::2] = 1
    np.testing.assert_array_equal(gradient[0, ..., 0], expected)
