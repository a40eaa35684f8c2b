"""Embeddings: what turns sound into vectors in which words lie apart, also words that nobody trained it on.

An embedding is a network that streams, without its last layer. A word is taught to it by another last layer, so that what comes
out is a run as any other.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kwsfeat import FeatureConfig, FrontEnd, StoreError, StreamFrontEnd, preset, unknown_name
from kwstrain.inference.bundle import Bundle
from kwstrain.models.outlines.speech_embedding import RECEPTIVE_FIELD
from kwstrain.streaming.compiled import CompiledStep
from kwstrain.streaming.find import check_streams, streaming_program
from kwstrain.streaming.program import Program
from kwstrain.teaching.embeddings.google import CREDIT, google_file, mean_vector, read_weights
from kwstrain.teaching.embeddings.stored import ours_file, read_stored

Vectors = NDArray[np.float32]
_TOGETHER = 20  # vectors that are computed at once


@dataclass(frozen=True, kw_only=True)
class Embedding:
    """A network without its last layer.

    Parameters
    ----------
    name : str
        What ``--embedding`` takes, or where it lies.
    arch, options
        The network, and those of its options that are not the default ones.
    features : FeatureConfig
        What it hears, with clips as long as one vector sees.
    arrays : dict of str to ndarray
        Its weights by name, without those of the last layer.
    credit : str
        Whose it is.
    """

    name: str
    arch: str
    options: dict[str, Any]
    features: FeatureConfig
    arrays: dict[str, NDArray[Any]]
    credit: str

    @property
    def sr(self) -> int:
        """Rate of what it hears, in Hz."""
        return self.features.sr

    @cached_property
    def hop_s(self) -> float:
        """From vector to vector."""
        return self._program.stride * self._front_end.hop_s

    @property
    def dim(self) -> int:
        """Numbers of a vector."""
        return self._program.n_classes

    @cached_property
    def has_window(self) -> bool:
        """Whether the last layer can see several vectors at once."""
        return hasattr(check_streams(self.arch, self.options), "window")

    def context_s(self, window: int = 1) -> float:
        """Audio that the last layer sees: the longest word, with some silence before it."""
        return self.clip(window).n_samples / self.sr

    def clip(self, window: int, n: int = 1) -> FeatureConfig:
        """The features of a run whose last layer sees `window` vectors, in clips with `n` such windows."""
        n_samples = self.features.n_samples + round((window + n - 2) * self.hop_s * self.sr)
        return replace(self.features, n_samples=n_samples)

    def embed(self, y: NDArray[np.float32]) -> Vectors:
        """The vectors of a waveform.

        Parameters
        ----------
        y : ndarray, float32, shape (n_samples,)
            At :attr:`sr`, in [-1, 1].

        Returns
        -------
        ndarray, float32, shape (n, dim)
            Vector i has seen the sound up to ``times(i + 1)[i]``.
        """
        program, n = self._program, _TOGETHER * self._program.stride
        frames = np.asarray(FrontEnd(self.features).extract_recording(y), np.float32)
        lead = np.zeros((program.lead, frames.shape[1]), np.float32)
        n_out = (program.lead + len(frames)) // program.stride
        frames = np.concatenate([lead, frames, np.zeros((-(program.lead + len(frames)) % n, frames.shape[1]), np.float32)])
        step = CompiledStep(program, n)
        state, given = step.start(), [np.zeros((0, self.dim), np.float32)]
        for i in range(0, len(frames), n):
            part, state = step(frames[i : i + n], state, i // program.stride)
            given.append(part)
        return np.concatenate(given)[:n_out][program.first :]

    def times(self, n: int) -> NDArray[np.float64]:
        """When the newest samples of the first `n` vectors are heard, in s."""
        newest = self._program.newest(self._program.first, n)
        return np.asarray(self._front_end.latency + newest * self._front_end.hop_s, np.float64)

    def weights(self, kernel: NDArray[np.floating], bias: NDArray[np.floating]) -> dict[str, NDArray[Any]]:
        """The arrays of a network whose last layer gives the largest ``sum(x * kernel[t]) + bias`` of all templates t.

        Parameters
        ----------
        kernel : ndarray, float, shape (n_templates, window, dim, n_classes)
            For the latest `window` vectors.
        bias : ndarray, float, shape (n_classes,)
        """
        n_classes = kernel.shape[-1]
        laid = np.moveaxis(kernel, 0, 1) if self.has_window else kernel.reshape(*self.arrays["out/kernel"].shape[:-1], n_classes)
        last = {"out/kernel": np.ascontiguousarray(laid, np.float32), "out/bias": np.asarray(bias, np.float32)}
        return {**self.arrays, **last}

    @cached_property
    def _front_end(self) -> StreamFrontEnd:
        return StreamFrontEnd(self.features)

    @cached_property
    def _program(self) -> Program:
        """The network whose classes are the numbers of a vector."""
        dim = self.arrays["out/kernel"].shape[-2]
        arrays = self.weights(np.eye(dim)[None, None], np.zeros(dim))
        return streaming_program(self.arch, self.options, arrays, self.features.shape, where=self.name)


EVENED = 0.7  # power of a vector's length that it is divided by, so that noise, which shortens vectors, costs a word less


def google() -> Embedding:
    """Google's, of the extra ``teach``, its vectors evened about their mean."""
    e = _of_file(google_file())
    return replace(
        e, name="google", credit=CREDIT, options={**e.options, "evened": EVENED}, arrays={**e.arrays, "last/bias": -mean_vector()}
    )


def ours() -> Embedding:
    """The one that comes with the package."""
    return replace(_stored(ours_file()), name="ours")


EMBEDDINGS: dict[str, Callable[[], Embedding]] = {"google": google, "ours": ours}


def embedding(name: str | os.PathLike[str]) -> Embedding:
    """The embedding `name`.

    Parameters
    ----------
    name : str or path
        A key of :data:`EMBEDDINGS`, a run folder, a file of ``kwstrain distil``, or an ONNX file with the layers of Google's embedding.

    Raises
    ------
    UnknownNameError
        If it is none of these.
    ConfigError
        If it is the run of a network that does not stream.
    StoreError
        If the run or the file is damaged, or the file is of another network.
    MissingExtraError
        If it needs a library that is not installed.
    """
    path = Path(name)
    if str(name) in EMBEDDINGS:
        return EMBEDDINGS[str(name)]()
    if path.is_dir():
        return _of_run(path)
    if path.suffix == ".npz":
        return _stored(path)
    if path.suffix == ".onnx":
        return _of_file(path)
    raise unknown_name("embedding, run folder, .npz or .onnx file", str(name), EMBEDDINGS)


def _stored(path: Path) -> Embedding:
    fields = read_stored(path)
    check_streams(fields["arch"], fields["options"])
    return Embedding(name=str(path), **fields)


def _of_run(path: Path) -> Embedding:
    bundle = Bundle.load(path)
    check_streams(bundle.config.arch, bundle.config.options)
    if "out/kernel" not in bundle.weights:
        raise StoreError(f"{path} is damaged: its weights lack out/kernel; copy it again, or train again")
    options = {name: value for name, value in bundle.config.options.items() if name not in ("window", "templates", "dropout")}
    n_samples = _speech_features().n_samples if bundle.config.arch == "speech-embedding" else bundle.feature_config.n_samples
    return Embedding(
        name=str(path), arch=bundle.config.arch, options=options, features=replace(bundle.feature_config, n_samples=n_samples),
        arrays=dict(bundle.weights), credit=f"the run {path.name}",
    )  # fmt: skip


def _of_file(path: Path) -> Embedding:
    arrays = read_weights(path)
    width, dim = arrays["convolutions/0/kernel"].shape[-1], arrays["last/kernel"].shape[-1]
    return Embedding(
        name=str(path), arch="speech-embedding", options={} if width == 24 else {"width": width}, features=_speech_features(),
        arrays={**arrays, "out/kernel": np.zeros((1, 1, dim, 1), np.float32)}, credit=f"the file {path.name}",
    )  # fmt: skip


def _speech_features() -> FeatureConfig:
    """The front end of Google's embedding, for clips of one vector."""
    c = preset("speech-embedding")
    return replace(c, n_samples=(RECEPTIVE_FIELD - 1) * c.hop_length + c.frame_length)
