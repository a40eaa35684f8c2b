"""``dataset.json``, the table of contents of a folder of files: what they have in common, and one line for each of them.

The columns and features stay in the files. A digest seals the text, the seal of each file stands in its line: so it is found out
when a line or a file was changed, exchanged or forgotten.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from kwsfeat.config.clip import ClipConfig
from kwsfeat.config.features import FeatureConfig
from kwsfeat.dataset.seal import check_version
from kwsfeat.errors import ConfigError, StoreError

INDEX = "dataset.json"
BEGUN = "build.json"  # in its place while the folder is in the making
FORMAT = "kwsfeat data set"
VERSION = 1

_TUPLES = ("labels", "feature_names", "fingerprints")
_ARRAYS = ("mean", "std")


@dataclass(frozen=True)
class Shard:
    """A line: the file's name in the folder, its rows and its seal."""

    file: str
    rows: int
    seal: str


@dataclass(frozen=True)
class Index:
    """The description that a folder of files carries.

    `attrs` and `features` are those of a file's root and feature sets (``docs/reference/file-format.md``), over all rows, and ``splits``,
    the number of rows of each; `dtype` is that of the features.
    """

    attrs: Mapping[str, Any]
    features: Mapping[str, Mapping[str, Any]]
    audio: bool
    dtype: str
    shards: Sequence[Shard]

    @property
    def clip(self) -> ClipConfig:
        """What a clip of these files is."""
        return ClipConfig.from_json(self.attrs["clip"])

    @property
    def configs(self) -> dict[str, FeatureConfig]:
        """The configuration of each feature set."""
        return {name: FeatureConfig.from_json(attrs["config"]) for name, attrs in self.features.items()}

    @property
    def seal(self) -> str:
        """Digest of all of it, and so of every byte of the files."""
        return hashlib.blake2b("\n".join(self._lines()).encode(), digest_size=32).hexdigest()

    def write(self, path: Path) -> None:
        """Write the file and flush it."""
        with open(path, "w", encoding="utf-8") as file:
            file.write("\n".join([*self._lines(), f'  "seal": {json.dumps(self.seal)}', "}", ""]))
            file.flush()
            os.fsync(file.fileno())

    def _lines(self) -> list[str]:
        """The text up to the seal: a line for each entry, a line for each file."""
        head = {
            "format": FORMAT,
            "version": VERSION,
            "attributes": self.attrs,
            "features": {name: _plain(attrs) for name, attrs in self.features.items()},
            "audio": self.audio,
            "dtype": self.dtype,
        }
        entries = [f"  {json.dumps(name)}: {json.dumps(value)}," for name, value in head.items()]
        lines = [f"    {json.dumps({'file': one.file, 'rows': one.rows, 'seal': one.seal})}" for one in self.shards]
        return ["{", *entries, '  "shards": [', ",\n".join(lines), "  ],"]


def read_index(folder: Path) -> Index:
    """The index of a folder.

    Raises
    ------
    StoreError
        If there is none, or it is damaged, changed, or of a newer version.
    """
    path = folder / INDEX
    if (folder / BEGUN).is_file():
        raise StoreError(f"{folder}: a folder in the making: repeat the command that makes it, it goes on where it stopped")
    if not path.is_file():
        raise StoreError(f"{folder}: a folder without {INDEX}: not made by kwsfeat build --shard-clips or kwsfeat merge")
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        if values["format"] != FORMAT:
            raise StoreError(f"{path}: not the table of contents of a data set")
        if values["version"] != VERSION:
            raise StoreError(f"{path}: version {values['version']}, this program reads version {VERSION}: update kwsfeat")
        attrs = {name: tuple(value) if name in _TUPLES else value for name, value in values["attributes"].items()}
        features = {
            name: {key: np.array(value, np.float32) if key in _ARRAYS else value for key, value in one.items()}
            for name, one in values["features"].items()
        }
        shards = [Shard(str(one["file"]), int(one["rows"]), str(one["seal"])) for one in values["shards"]]
        index = Index(attrs, features, bool(values["audio"]), str(values["dtype"]), shards)
        intact = values["seal"] == index.seal and bool(shards)
        check_version(attrs["format_version"])
        _ = index.configs, index.clip, np.dtype(index.dtype)
    except OSError as error:
        raise StoreError(f"{path}: {error.strerror}: check its permissions") from None
    except ConfigError as error:  # of a newer version, with an unknown field, out of bounds
        raise StoreError(f"{path}: {error}") from None
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        intact = False
    if not intact or any(Path(one.file).name != one.file or one.rows < 1 for one in shards):
        raise StoreError(f"{path} was damaged or changed: restore it, or make it again: kwsfeat merge {folder}/*.h5 NEW/")
    return index


def _plain(attrs: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value.tolist() if isinstance(value, np.ndarray) else value for name, value in attrs.items()}
