"""An exported file instead of a run: recordings in, labels out, by onnxruntime."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kwsfeat import AudioError, MissingExtraError, StoreError, as_clip, as_float32
from kwstrain.inference.description import Description
from kwstrain.inference.digest import check_digest
from kwstrain.inference.group import Group, Prediction

SUFFIX = ".onnx"
STATE = "state_"  # what the names of a stream's states begin with, and STATE_OUT those of the states after a step
STATE_OUT = "next_state_"


def is_exported(run: str | os.PathLike[str]) -> bool:
    """Whether `run` names an exported file and not a run folder."""
    return Path(run).suffix == SUFFIX and not Path(run).is_dir()


@dataclass(frozen=True)
class ExportedFile:
    """An ONNX file that ``kwstrain export`` wrote, ready to run.

    `properties` are all of its metadata, `description` the part that every file must have; `fingerprint` are 16 digits of its content.
    """

    path: Path
    session: Any
    properties: dict[str, str]
    description: Description
    fingerprint: str


def open_exported(path: str | os.PathLike[str]) -> ExportedFile:
    """Read an exported file, of clips or of a stream.

    Raises
    ------
    StoreError
        If it is missing, damaged, not an ONNX file, or not written by kwstrain.
    MissingExtraError
        If onnxruntime is not installed.
    """
    path = Path(path)
    session = _open_session(path)
    content = path.read_bytes()
    check_digest(path, content)
    properties = dict(session.get_modelmeta().custom_metadata_map)
    digest = hashlib.sha256(content).hexdigest()
    return ExportedFile(path, session, properties, Description.from_properties(properties, where=str(path)), digest[:16])


class ExportedClassifier:
    """An ONNX file that ``kwstrain export`` wrote. May be used by several threads at once.

    Parameters
    ----------
    path : path or ExportedFile
        The file.

    Raises
    ------
    StoreError
        If it is missing, not an ONNX file, or not written by kwstrain; or if it takes a stream, not clips.
    MissingExtraError
        If onnxruntime is not installed.
    """

    def __init__(self, path: str | os.PathLike[str] | ExportedFile) -> None:
        file = path if isinstance(path, ExportedFile) else open_exported(path)
        self.path, self.description, self._session = file.path, file.description, file.session
        if self.description.kind != "clip":
            raise StoreError(f"{self.path} takes a stream and its states: export the run --to onnx for recordings")
        self._inputs = {one.name for one in [*self._session.get_inputs(), *self._session.get_overridable_initializers()]}

    @property
    def labels(self) -> tuple[str, ...]:
        """The classes, in the order of the probabilities."""
        return self.description.labels

    def probabilities(self, y: NDArray[np.float32 | np.int16], length: NDArray[np.integer] | None = None) -> NDArray[np.float32]:
        """Of clips.

        Parameters
        ----------
        y : ndarray, shape (n_clips, n_samples)
            Waveforms, float in [-1, 1] or int16, at the rate of the run.
        length : ndarray of int, shape (n_clips,), optional
            Samples of each clip that are real and not padding; all of them without it.

        Returns
        -------
        ndarray, float32, shape (n_clips, n_classes)

        Raises
        ------
        AudioError
            If `y` has another scale, another type or another length.
        """
        config = self.description.features
        if y.ndim != 2 or y.shape[1] != config.n_samples:
            cure = f"clips of {config.n_samples / config.sr:g} s, resampled to {config.sr} Hz, padded or cropped"
            raise AudioError(f"waveforms have shape {y.shape}, and must be (n, {config.n_samples}): {cure}")
        given: dict[str, Any] = {"waveform": as_float32(y, "waveforms")}
        if length is not None and "length" in self._inputs:
            given["length"] = np.asarray(length, np.int32)
        found: NDArray[np.float32] = self._session.run(["probabilities"], given)[0]
        return found

    def predict(self, clips: Any) -> Prediction | list[Prediction]:
        """As :meth:`kwstrain.inference.classifier.Classifier.predict`."""
        if not isinstance(clips, (list, tuple)):
            return self.predict_group([clips])[0]
        return self.predict_group(clips)

    def predict_group(self, clips: Sequence[Any], *, n_clips: int = 0) -> list[Prediction]:
        """Classify recordings and waveforms; `n_clips`, how many there are in all, changes nothing here."""
        config = self.description.features
        group = Group.read(clips, config)
        y = as_float32(group.audio)
        for i, clip in group.arrays.items():
            try:
                samples, group.length[i] = as_clip(clip, config, remark=group.remarks.setdefault(i, []).append)
                y[i] = as_float32(samples)
            except AudioError as error:
                group.errors[i] = str(error)
        return group.answers(self.probabilities(y, group.length), self.labels, self.description.threshold)


def _open_session(path: Path) -> Any:
    runtime = needed("onnxruntime")
    if not path.is_file():
        raise StoreError(f"{path}: no such file")
    options = runtime.SessionOptions()
    options.log_severity_level = 3
    try:
        return runtime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime's own classes share no base
        reason = (str(error).splitlines() or ["unknown"])[0][:160]
        raise StoreError(f"{path} cannot be run by onnxruntime {runtime.__version__}: {reason}") from None


def needed(library: str, extra: str = "export") -> Any:
    """A library of an extra."""
    try:
        return import_module(library)
    except ImportError:
        raise MissingExtraError(f"{library} is not installed: pip install 'kwsfeat[{extra}]'") from None
