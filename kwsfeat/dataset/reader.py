"""The dataset file: HDF5 whose large arrays are contiguous, so that every reader can map them into memory.

``docs/reference/file-format.md`` describes it field by field. :class:`Reader` maps a finished file, or a folder of such files.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from kwsfeat.config.algorithm import FIRST
from kwsfeat.config.clip import ClipConfig, check_same_clip
from kwsfeat.config.features import FeatureConfig
from kwsfeat.config.splits import SPLITS
from kwsfeat.dataset.columns import Columns, Cut
from kwsfeat.dataset.format import Extent, release
from kwsfeat.dataset.seal import reopened
from kwsfeat.dataset.storage.open import open_storage
from kwsfeat.dataset.storage.rows import Rows
from kwsfeat.errors import StoreError, unknown_name

if TYPE_CHECKING:
    from types import TracebackType


class Reader:
    """A finished file, read-only; the large arrays are memory maps and take no memory until they are used.

    The file is opened once and needs no lock; the HDF5 library is used only while the constructor runs: the maps may be shared by
    threads and by forked processes. A folder of files is read as one: its samples and features are gathered from the maps of its
    files when they are indexed by rows, and each file is opened when it is first needed.

    Parameters
    ----------
    path : str or path
        A file or a folder written by ``kwsfeat build``.

    Attributes
    ----------
    attrs : dict
        The attributes of the file's root.
    labels : tuple of str
        Class names; ``label`` indexes them.
    feature_names : tuple of str
        The feature sets, the first is the default.
    seal : str
        Hexadecimal digest of everything but the large arrays, and of their checksums: equal files have equal seals.
    n_clips, n_samples, sr, block_rows : int
        Rows; samples in a row of ``audio``; their rate in Hz; rows that share a checksum.

    Raises
    ------
    StoreError
        If the file is missing, unfinished, of another format or a newer version, has another layout, or was damaged or changed
        in anything but the large arrays.

    Examples
    --------
    >>> with Reader("words.h5") as reader:
    ...     print(reader.labels, reader.n_clips, reader.feature_names)
    ...     print(reader.features("small")[reader.rows("train")].dtype)
    ('high', 'low', 'noise') 24 ('small', 'mfcc')
    float32
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        self._stored = open_storage(self.path)
        self.attrs, self.seal, self.n_clips = self._stored.attrs, self._stored.seal, self._stored.n_clips
        self._feature_attrs, self._configs = self._stored.feature_attrs, self._stored.configs
        self.labels: tuple[str, ...] = self.attrs["labels"]
        self.feature_names: tuple[str, ...] = tuple(self._feature_attrs)
        self.sr, self.n_samples, self.block_rows = (int(self.attrs[name]) for name in ("sr", "n_samples", "block_rows"))

    def __enter__(self) -> Reader:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def __reduce__(self) -> tuple[Any, ...]:
        return reopened, (Reader, self.path.absolute(), self.seal)

    def close(self) -> None:
        """Close what is open; arrays that were handed out stay valid."""
        self._stored.close()

    @property
    def has_audio(self) -> bool:
        """Whether the file holds the recordings themselves."""
        return self._stored.has("audio")

    @cached_property
    def audio(self) -> NDArray[np.int16]:
        """Samples, int16, shape (n_clips, n_samples)."""
        if not self.has_audio:
            raise StoreError(f"{self.path} holds no audio: it was built with --no-audio")
        return self.map("audio")

    @cached_property
    def length(self) -> NDArray[np.int32]:
        """Real samples of each clip before padding, int32, shape (n_clips,)."""
        length = self.checked("length", slice(0, self.n_clips))
        return self._within("length", length, 0, self.n_samples)

    @cached_property
    def cut(self) -> NDArray[np.uint8]:
        """What each clip lacks of its recording, uint8, shape (n_clips,): 0 nothing, 1 a part, 2 the loudest part, too, 3 not known."""
        if self._stored.has("cut"):
            return self._within("cut", self.checked("cut", slice(0, self.n_clips)), Cut.WHOLE, Cut.UNKNOWN)
        return np.full(self.n_clips, Cut.UNKNOWN, np.uint8)

    @cached_property
    def label(self) -> NDArray[np.int32]:
        """Index into ``labels`` of each clip, -1 is unlabelled; int32, shape (n_clips,)."""
        return self._within("label", self.map("label"), -1, len(self.labels) - 1)

    @cached_property
    def split(self) -> NDArray[np.str_]:
        """``train``, ``validation`` or ``test`` for each clip, shape (n_clips,)."""
        split = self._strings("split")
        if wrong := sorted(set(split.tolist()) - set(SPLITS)):
            raise StoreError(f"{self.path}: /split holds {wrong[0]!r}: the file was changed, build it again")
        return split

    @cached_property
    def speaker(self) -> NDArray[np.str_]:
        """Speaker of each clip, empty where it is not known; shape (n_clips,)."""
        return self._strings("speaker")

    @cached_property
    def source(self) -> NDArray[np.str_]:
        """Path of each clip's recording, relative to the corpus; shape (n_clips,)."""
        return self._strings("source")

    @cached_property
    def start(self) -> NDArray[np.int64]:
        """First sample of each clip in its recording, at the recording's rate; int64, shape (n_clips,)."""
        return self._within("start", self.map("start"), 0, None)

    @cached_property
    def variant(self) -> NDArray[np.int32]:
        """Augmented copy that each row is, 0 is the recording itself; int32, shape (n_clips,)."""
        return self._within("variant", self.map("variant"), 0, None)

    @cached_property
    def augmentation(self) -> NDArray[np.str_]:
        """Parameters that each row was augmented with, as JSON; empty for a recording itself; shape (n_clips,)."""
        return self._strings("augmentation")

    @cached_property
    def noise(self) -> NDArray[np.bool_]:
        """Whether each clip is recorded silence or noise, bool, shape (n_clips,)."""
        if self._stored.has("noise"):
            return self._within("noise", self.map("noise"), 0, 1).astype(bool)
        return np.array([_NOISE_FOLDER in source for source in self.source], bool)

    @cached_property
    def skipped(self) -> tuple[str, ...]:
        """Recordings that the build could not read, each ``NAME: REASON``."""
        return tuple(self._strings("skipped").tolist()) if self._stored.has("skipped") else ()

    def columns(self) -> Columns:
        """All columns, checked."""
        checked = {name: getattr(self, name) for name in ("label", "start", "variant", "noise")}
        _ = self.split
        texts = {name: self.map(name) for name in ("split", "speaker", "source", "augmentation")}
        kinds = {"noise": np.uint8}
        return Columns(**{name: np.array(values, kinds.get(name)) for name, values in (checked | texts).items()})

    def rows(self, split: str) -> NDArray[np.int64]:
        """Row numbers of one split.

        Parameters
        ----------
        split : {"train", "validation", "test"}
            A part of the corpus.

        Returns
        -------
        ndarray, int64, shape (n_rows,)
            Ascending.

        Raises
        ------
        UnknownNameError
            If `split` is none of them.
        """
        if split not in SPLITS:
            raise unknown_name("split", split, SPLITS)
        return np.flatnonzero(self.split == split)

    def features(self, name: str | None = None) -> NDArray[Any]:
        """The features of all rows, as a memory map.

        Parameters
        ----------
        name : str, optional
            A feature set of the file; the first without it.

        Returns
        -------
        ndarray, float32 or float16, shape (n_clips, n_frames, n_features)
            Read-only.

        Raises
        ------
        UnknownNameError
            If the file has no such feature set.
        """
        return self.map(f"features/{self._feature_name(name)}")

    def config(self, name: str | None = None) -> FeatureConfig:
        """The configuration that the feature set was computed with.

        Parameters
        ----------
        name : str, optional
            A feature set of the file; the first without it.

        Returns
        -------
        FeatureConfig
            With it a :class:`kwsfeat.FrontEnd` computes the same features.

        Raises
        ------
        UnknownNameError
            If the file has no such feature set.
        StoreError
            If the configuration differs from its fingerprint.
        """
        name = self._feature_name(name)
        if self._configs[name].fingerprint != self._feature_attrs[name]["fingerprint"]:
            raise StoreError(f"{self.path}: the configuration of {name!r} does not match its fingerprint: the file is damaged")
        return self._configs[name]

    def algorithm(self, name: str | None = None) -> int:
        """Version of the algorithm that computed the feature set."""
        return int(self._feature_attrs[self._feature_name(name)].get("algorithm", FIRST))

    @cached_property
    def clip(self) -> ClipConfig:
        """What a clip of this file is."""
        clip = self._stored.clip
        if clip is None:  # of a file that is older than ClipConfig
            return self.config().clip
        check_same_clip(clip, self.config(), names=(f"{self.path}", "its features"), cure="the file is damaged, build it again")
        return clip

    def statistics(self, name: str | None = None) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """What features are standardised with: their mean and deviation over the frames of the training rows.

        Parameters
        ----------
        name : str, optional
            A feature set of the file; the first without it.

        Returns
        -------
        mean, std : ndarray, float32, shape (n_features,)
            Of each feature.

        Raises
        ------
        UnknownNameError
            If the file has no such feature set.
        StoreError
            If they are not finite, or not one of each for a feature.
        """
        name = self._feature_name(name)
        mean, std = (self._feature_attrs[name][which] for which in ("mean", "std"))
        shape = self._configs[name].shape[1:]
        if mean.shape != shape or std.shape != shape or not np.isfinite([mean, std]).all() or (std < 0).any():
            raise StoreError(f"{self.path}: the statistics of {name!r} are not usable: the file was changed, build it again")
        return mean, std

    def feature_attrs(self, name: str | None = None) -> dict[str, Any]:
        """All attributes of a feature set's dataset.

        Parameters
        ----------
        name : str, optional
            A feature set of the file; the first without it.

        Returns
        -------
        dict
            By name.

        Raises
        ------
        UnknownNameError
            If the file has no such feature set.
        """
        return dict(self._feature_attrs[self._feature_name(name)])

    def _feature_name(self, name: str | None) -> str:
        if name is None:
            return self.feature_names[0]
        if name not in self.feature_names:
            raise unknown_name(f"feature set of {self.path}", name, self.feature_names)
        return name

    @property
    def files(self) -> list[Path]:
        """The files on the disk that it reads."""
        return self._stored.files

    @property
    def extents(self) -> Mapping[str, Extent]:
        """Where each array lies in the file; of a folder, its files know that."""
        return self._stored.places

    @property
    def n_files(self) -> int:
        """How many files hold its rows."""
        return self._stored.n_parts

    def map(self, path: str, rows: slice | None = None) -> NDArray[Any]:
        """A memory map of the dataset at `path` (without the leading slash), or of some consecutive `rows` of it.

        Slices are NumPy's: their ends may be negative, open or beyond the last row.

        Raises
        ------
        UnknownNameError
            If there is no such dataset.
        ConfigError
            If the step of `rows` is not 1.
        """
        return self._stored.map(path, rows)

    def checked(self, path: str, rows: slice) -> NDArray[Any]:
        """As :meth:`map` for ``audio``, ``length``, ``cut`` or ``features/<name>``, after comparing the checksums of the blocks it touches.

        Raises
        ------
        StoreError
            If the data are not what was written.
        UnknownNameError
            If there is no such dataset, or it has no checksums of its own.
        ConfigError
            If the step of `rows` is not 1.
        """
        return self._stored.checked(path, rows)

    def read_ahead(self, path: str, rows: slice) -> None:
        """Have the system read some consecutive rows of the dataset at `path` into its page cache, without waiting for them."""
        self._stored.read_ahead(path, rows)

    def release(self) -> None:
        """Give back the memory that :attr:`audio` took as it was used: a memory map holds all that was ever read of it."""
        audio = self.__dict__.get("audio")
        if isinstance(audio, Rows):
            audio.release()
        elif audio is not None:
            release(audio)

    def _strings(self, path: str) -> NDArray[np.str_]:
        values = self.map(path)
        try:
            return np.asarray(values).astype(np.str_)  # several times as fast, where all is ASCII
        except UnicodeDecodeError:
            return np.array([os.fsdecode(value) for value in values], dtype=np.str_)

    def _within(self, path: str, values: NDArray[Any], least: int, most: int | None) -> NDArray[Any]:
        """A column, after making sure that its values are among those that the format allows."""
        low, high = int(values.min()), int(values.max())
        if low < least or (most is not None and high > most):
            bounds = f"be >= {least}" if most is None else f"lie between {least} and {most}"
            raise StoreError(f"{self.path}: /{path} must {bounds}, it runs from {low} to {high}: the file was changed, build it again")
        return values


_NOISE_FOLDER = "_background_noise_"  # told noise from words in version 1, which had no column for it
