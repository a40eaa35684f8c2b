"""ImageNet weights: the public Keras ``*_notop.h5`` files into the backbones of ``kwstrain.models``.

A file in the cache is used; otherwise it is downloaded there and checked. Nothing needs Keras or TensorFlow.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np
from flax import nnx
from numpy.typing import NDArray

from kwsfeat import ConfigError, KwsError, StoreError, VerificationError
from kwstrain.models.imagenet.transfer import Backbone, WeightFile
from kwstrain.models.layers.common import BatchNorm

BASE_URL = "https://storage.googleapis.com/tensorflow/keras-applications"


def load_weights(model: nnx.Module, weights: str | Path) -> None:
    """Give the backbone of `model` the weights of a Keras file; its head keeps its own.

    Parameters
    ----------
    model
        ``vgg16``, ``resnet50`` or ``inception-v3`` from :func:`kwstrain.models.create`.
    weights
        ``imagenet`` (:func:`fetch`) or the path of a file in that format.

    Raises
    ------
    ConfigError
        When the model has no backbone.
    KwsError
        When the file is not there and cannot be downloaded; the message says where to put it.
    StoreError
        When the file is not a weight file of this network.
    """
    backbone = getattr(model, "backbone", None)
    if not isinstance(backbone, Backbone):
        raise ConfigError("only vgg16, resnet50 and inception-v3 take pretrained weights: choose one of them, or leave weights out")
    load_file(backbone, fetch(backbone.weight_file) if weights == "imagenet" else Path(weights))


def cache_dir() -> Path:
    """``$KWSTRAIN_CACHE``, or ``kwstrain`` in the user's cache folder."""
    if "KWSTRAIN_CACHE" in os.environ:
        return Path(os.environ["KWSTRAIN_CACHE"])
    return Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "kwstrain"


def fetch(file: WeightFile, base_url: str = BASE_URL, timeout_s: float = 30.0) -> Path:
    """The path of `file` in the cache, downloaded first when it is not there; its MD5 is checked either way.

    Raises
    ------
    KwsError
        When it cannot be downloaded.
    VerificationError
        When its content is not what Keras publishes.
    """
    path = cache_dir() / file.name
    if path.exists():
        _check(path, file)
        return path
    url = f"{base_url}/{file.folder}/{file.name}"
    part = path.with_suffix(f".{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with urllib.request.urlopen(url, timeout=timeout_s) as response, part.open("wb") as out:
            shutil.copyfileobj(response, out)
        _check(part, file)
        part.replace(path)
    except (urllib.error.URLError, OSError) as error:
        reason = getattr(error, "reason", error)
        raise KwsError(
            f"cannot download {file.name} from {url} ({reason}): "
            f"get it elsewhere and put it into {path.parent}, or give its path as the weights"
        ) from None
    finally:
        part.unlink(missing_ok=True)
    return path


def _check(path: Path, file: WeightFile) -> None:
    with path.open("rb") as f:
        found = hashlib.file_digest(f, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
    if found != file.md5:
        raise VerificationError(f"{path} has MD5 {found}, not {file.md5}: delete it and try again")


def load_file(backbone: Backbone, path: Path) -> None:
    """Give `backbone` (a network with `layers` named as in Keras) the weights of the file `path`.

    Layers are matched by name; those that Keras only numbers (``conv2d_7``) by their rank, because Keras goes on counting
    from one model to the next.
    """
    read = _read(path)
    layers = backbone.layers
    ours, theirs = sorted(layers.keys(), key=_kind_and_number), sorted(read, key=_kind_and_number)
    if [_kind_and_number(name)[0] for name in ours] != [_kind_and_number(name)[0] for name in theirs]:
        different = sorted(set(theirs) ^ set(ours))
        raise StoreError(
            f"{path} is not a *_notop.h5 file of this network: "
            f"it has {len(theirs)} layers with weights, not {len(ours)}; first difference {different[0]!r}"
        )
    for name, source in zip(ours, theirs, strict=True):
        variables = _variables(layers[name])
        shapes, wanted = [a.shape for a in read[source]], [v.shape for v in variables]
        if shapes != wanted:
            raise StoreError(f"{path}: layer {source!r} has weights of shape {shapes}, this network has {wanted}")
        for variable, array in zip(variables, read[source], strict=True):
            variable.set_value(jnp.asarray(array, jnp.float32))


def _kind_and_number(name: str) -> tuple[str, int]:
    """``conv2d_12`` as (conv2d, 12), ``conv2d`` as (conv2d, 0), ``block1_conv1`` as itself."""
    match = re.fullmatch(r"(conv2d|batch_normalization)(?:_(\d+))?", name)
    return (match[1], int(match[2] or 0)) if match else (name, 0)


def _variables(layer: Any) -> list[nnx.Variable[Any]]:
    """The variables of a layer in Keras's order."""
    candidates = [layer.scale, layer.bias, layer.mean, layer.var] if isinstance(layer, BatchNorm) else [layer.kernel, layer.bias]
    return [variable for variable in candidates if variable is not None]


def _read(path: Path) -> dict[str, list[NDArray[np.float32]]]:
    """The weights of each layer that has any, of a file that Keras's ``save_weights`` or ``save`` wrote as HDF5."""
    import h5py

    try:
        with h5py.File(path, "r") as f:
            root = f.get("model_weights", f)
            layers = {}
            for name in _names(root, "layer_names"):
                if weights := _names(root[name], "weight_names"):
                    layers[name] = [np.asarray(root[name][weight]) for weight in weights]
            return layers
    except FileNotFoundError:
        raise StoreError(f"no weight file {path}") from None
    except (OSError, KeyError) as error:
        raise StoreError(f"{path} is not a Keras weight file in HDF5 format: {error}") from None


def _names(group: Any, attribute: str) -> list[str]:
    """A list of names in the attributes of `group`; Keras cuts one that is too long into numbered parts."""
    if attribute in group.attrs:
        parts = [group.attrs[attribute]]
    else:
        parts = [group.attrs[key] for i in range(len(group.attrs)) if (key := f"{attribute}{i}") in group.attrs]
        if not parts:
            raise KeyError(f"no attribute {attribute}")
    return [name.decode() if isinstance(name, bytes) else str(name) for part in parts for name in part]
