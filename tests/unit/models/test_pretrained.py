"""Keras's weight files: the same network, the same numbers; downloads from a server on this machine."""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import h5py
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import toy_features
from flax import nnx

from kwsfeat import ConfigError, FeatureConfig, KwsError, StoreError, VerificationError
from kwstrain import models
from kwstrain.config import TrainConfig
from kwstrain.inference.bundle import Bundle, weights_of
from kwstrain.models.imagenet import pretrained
from kwstrain.models.imagenet.transfer import preprocess_image
from kwstrain.training.fit import fit

os.environ.setdefault("KERAS_BACKEND", "jax")

KERAS_NAMES = {"vgg16": "VGG16", "resnet50": "ResNet50", "inception-v3": "InceptionV3"}


@pytest.fixture(scope="module", params=KERAS_NAMES)
def keras_network(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Any, Path]:
    """Our name, Keras's network with random weights, and the weight file that Keras wrote."""
    keras = pytest.importorskip("keras")
    from keras.src.legacy.saving.legacy_h5_format import save_weights_to_hdf5_group

    rng = np.random.default_rng(0)
    power = 0.4 if request.param == "resnet50" else 1.6  # keeps the signal near 1; sums of residuals would let it grow

    def kernel(_: Any, shape: tuple[int, ...], dtype: Any = None) -> np.ndarray:
        return rng.standard_normal(shape, np.float32) * np.sqrt(power / np.prod(shape[:-1]))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(keras.initializers.GlorotUniform, "__call__", kernel)  # Keras compiles its own for each shape: 20 s
        network = getattr(keras.applications, KERAS_NAMES[request.param])(weights=None, include_top=False, input_shape=(None, None, 3))
    for layer in network.layers:
        for variable in layer.weights:
            if variable.path.endswith(("gamma", "variance")):
                variable.assign(rng.uniform(0.7, 1.3, variable.shape))
            elif not variable.path.endswith("kernel"):
                variable.assign(0.1 * rng.standard_normal(variable.shape))
    path = tmp_path_factory.mktemp("keras") / f"{request.param}_notop.h5"
    with h5py.File(path, "w") as f:
        save_weights_to_hdf5_group(f, network)
    return request.param, network, path


def test_forward_equals_keras(keras_network: tuple[str, Any, Path]) -> None:
    name, network, path = keras_network
    size = {"vgg16": (75, 75), "resnet50": (96, 96), "inception-v3": (75, 75)}[name]
    model = models.create(name, input_shape=size, n_classes=12, head="A")
    pretrained.load_weights(model, path)
    model.eval()
    for rows, columns in (size, (99, 161)):
        image = np.random.default_rng(1).standard_normal((2, rows, columns, 3)).astype(np.float32)
        expected = np.asarray(jax.jit(lambda x: network(x, training=False))(image))
        got = np.asarray(nnx.jit(lambda m, x: m.backbone(x))(model, image))
        assert expected.std() > 0.01
        np.testing.assert_allclose(got, expected, atol=1e-4, rtol=0)


@pytest.mark.parametrize("keras_network", ["vgg16"], indirect=True)
def test_fit_trains_the_head_on_a_frozen_backbone(keras_network: tuple[str, Any, Path], tmp_path: Path) -> None:
    weights = keras_network[2]
    features = FeatureConfig.from_partial({"n_samples": 3200}, toy_features.CONFIG)  # 40 x 33: VGG16 needs 32 x 32
    data = toy_features.write_toy(tmp_path / "toy.h5", n_clips=30, config=features)
    config = TrainConfig(
        arch="vgg16", options={"head": "A"}, weights=str(weights), freeze="backbone", epochs=1, batch=9, gradient_histograms=False
    )  # fmt: skip
    trained = fit(data, config, tmp_path / "run").bundle
    start = models.create("vgg16", input_shape=features.shape, n_classes=3, seed=config.seed, head="A")
    pretrained.load_weights(start, weights)
    before, after = weights_of([nnx.state(start)]), weights_of([nnx.state(Bundle.load(tmp_path / "run").model)])
    assert before.keys() == after.keys()
    changed = {name for name in before if not np.array_equal(before[name], after[name])}
    learnt = {"head/dense/kernel", "head/dense/bias", "head/out/kernel", "head/out/bias"}
    assert changed == learnt | {"input_norm/mean", "input_norm/std"}, "the statistics of the input are the file's"
    assert trained.parameters["trainable"] == sum(before[name].size for name in learnt)


@pytest.mark.parametrize("name", KERAS_NAMES)
def test_preprocessing_equals_keras(name: str) -> None:
    keras = pytest.importorskip("keras")
    module = getattr(keras.applications, {"vgg16": "vgg16", "resnet50": "resnet50", "inception-v3": "inception_v3"}[name])
    image = np.random.default_rng(2).uniform(0, 255, (1, 5, 6, 3)).astype(np.float32)
    model = models.create(name, input_shape=(99, 161), n_classes=12, preprocess="keras")
    np.testing.assert_allclose(preprocess_image(jnp.asarray(image), model.preprocessing), module.preprocess_input(image.copy()), atol=1e-5)


def small_file(path: Path, layers: dict[str, list[np.ndarray]]) -> Path:
    """A weight file in Keras's layout."""
    with h5py.File(path, "w") as f:
        f.attrs["layer_names"] = [name.encode() for name in layers]
        for name, weights in layers.items():
            group = f.create_group(name)
            names = [f"{name}/weight_{i}:0" for i in range(len(weights))]
            group.attrs["weight_names"] = [n.encode() for n in names]
            for weight_name, weight in zip(names, weights, strict=True):
                group[weight_name] = weight
    return path


def vgg_layers(model: nnx.Module) -> dict[str, list[np.ndarray]]:
    return {name: [np.asarray(layer.kernel[...]), np.asarray(layer.bias[...])] for name, layer in model.backbone.layers.items()}


@pytest.fixture
def vgg() -> nnx.Module:
    return models.create("vgg16", input_shape=(32, 32), n_classes=3, head="A")


def test_only_the_backbone_changes(vgg: nnx.Module, tmp_path: Path) -> None:
    source = models.create("vgg16", input_shape=(32, 32), n_classes=3, head="A", seed=1)
    head = jax.tree.map(np.asarray, nnx.state(vgg.head, nnx.Param))
    pretrained.load_weights(vgg, small_file(tmp_path / "w.h5", vgg_layers(source)))
    for name, weights in vgg_layers(source).items():
        np.testing.assert_array_equal(vgg_layers(vgg)[name][0], weights[0])
    assert jax.tree.all(jax.tree.map(np.array_equal, head, jax.tree.map(np.asarray, nnx.state(vgg.head, nnx.Param))))


def test_wrong_files(vgg: nnx.Module, tmp_path: Path) -> None:
    layers = {name: [np.zeros(1), np.zeros(1)] for name in vgg_layers(vgg)}
    with pytest.raises(StoreError, match="no weight file"):
        pretrained.load_weights(vgg, tmp_path / "missing.h5")
    (tmp_path / "text.h5").write_text("not HDF5")
    with pytest.raises(StoreError, match="not a Keras weight file"):
        pretrained.load_weights(vgg, tmp_path / "text.h5")
    with h5py.File(tmp_path / "other.h5", "w") as f:
        f["x"] = 1
    with pytest.raises(StoreError, match="layer_names"):
        pretrained.load_weights(vgg, tmp_path / "other.h5")
    with pytest.raises(StoreError, match=r"14 layers with weights, not 13; first difference 'fc1'"):
        pretrained.load_weights(vgg, small_file(tmp_path / "top.h5", {**layers, "fc1": [np.zeros((2, 2)), np.zeros(2)]}))
    with pytest.raises(StoreError, match=r"'block1_conv1' has weights of shape \[\(1,\), \(1,\)\].*\(3, 3, 3, 64\)"):
        pretrained.load_weights(vgg, small_file(tmp_path / "shape.h5", layers))
    with pytest.raises(ConfigError, match="only vgg16"):
        pretrained.load_weights(models.create("cnn", input_shape=(40, 40), n_classes=3), "imagenet")


@pytest.fixture
def server(tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """A web server's address and the folder that it serves."""
    folder = tmp_path / "served"
    folder.mkdir()

    class Handler(SimpleHTTPRequestHandler):
        def __init__(self, *args: Any) -> None:
            super().__init__(*args, directory=str(folder))

        def log_message(self, *args: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as httpd:
        thread = threading.Thread(target=httpd.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{httpd.server_port}", folder
        httpd.shutdown()
        thread.join()


def test_download(server: tuple[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    url, folder = server
    monkeypatch.setenv("KWSTRAIN_CACHE", str(tmp_path / "cache"))
    (folder / "net").mkdir()
    (folder / "net" / "w.h5").write_bytes(b"weights")
    file = pretrained.WeightFile("net", "w.h5", hashlib.md5(b"weights").hexdigest())
    path = pretrained.fetch(file, base_url=url)
    assert path == tmp_path / "cache" / "w.h5"
    assert path.read_bytes() == b"weights"
    (folder / "net" / "w.h5").unlink()
    assert pretrained.fetch(file, base_url=url) == path, "the second time it comes from the cache"
    path.write_bytes(b"spoiled")
    with pytest.raises(VerificationError, match="delete it"):
        pretrained.fetch(file, base_url=url)


def test_download_of_other_content_leaves_nothing(server: tuple[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    url, folder = server
    monkeypatch.setenv("KWSTRAIN_CACHE", str(tmp_path / "cache"))
    (folder / "w.h5").write_bytes(b"an error page")
    with pytest.raises(VerificationError):
        pretrained.fetch(pretrained.WeightFile(".", "w.h5", hashlib.md5(b"weights").hexdigest()), base_url=url)
    assert list((tmp_path / "cache").iterdir()) == []


@pytest.mark.parametrize("problem", ["absent", "offline"])
def test_no_download_says_what_to_do(
    problem: str, server: tuple[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, vgg: nnx.Module
) -> None:
    monkeypatch.setenv("KWSTRAIN_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(pretrained.fetch, "__defaults__", (server[0] if problem == "absent" else "http://127.0.0.1:9", 5.0))
    with pytest.raises(KwsError, match=r"vgg16_weights_tf_dim_ordering_tf_kernels_notop\.h5 .* put it into") as error:
        pretrained.load_weights(vgg, "imagenet")
    assert str(tmp_path / "cache") in str(error.value)
