"""What a file says of each of its rows beside samples and features: one small array per question."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, fields
from enum import IntEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kwsfeat.config.splits import SPLITS
from kwsfeat.errors import StoreError


class Cut(IntEnum):
    """What a clip lacks of its recording: the values of ``/cut``."""

    WHOLE = 0
    CUT = 1  # the recording is longer than the clip
    LOUDEST_CUT = 2  # and its loudest part is outside
    UNKNOWN = 3  # from a file of version 2 or older, which did not say


@dataclass(frozen=True)
class Columns:
    """What is known of each row before its samples are read; every field has shape (n_clips,)."""

    label: NDArray[np.int32]
    split: NDArray[np.bytes_]
    speaker: NDArray[np.bytes_]
    source: NDArray[np.bytes_]
    start: NDArray[np.int64]
    variant: NDArray[np.int32]
    augmentation: NDArray[np.bytes_]
    noise: NDArray[np.uint8]

    @classmethod
    def of(
        cls,
        label: Sequence[int] | NDArray[Any],
        split: Sequence[str] | NDArray[np.str_],
        *,
        speaker: Sequence[str] | None = None,
        source: Sequence[str] | None = None,
        start: Sequence[int] | None = None,
        variant: Sequence[int] | None = None,
        augmentation: Sequence[str] | None = None,
        noise: Sequence[bool] | None = None,
    ) -> Columns:
        """Columns from plain sequences of equal length; what is not given is empty or 0."""
        n = len(label)
        if wrong := sorted(set(split) - set(SPLITS)):
            raise StoreError(f"split {wrong[0]!r} must be one of {', '.join(SPLITS)}")
        columns = cls(
            label=np.asarray(label, "<i4"),
            split=fixed_strings(split),
            speaker=fixed_strings([""] * n if speaker is None else speaker),
            source=fixed_strings([""] * n if source is None else source),
            start=np.asarray([0] * n if start is None else start, "<i8"),
            variant=np.asarray([0] * n if variant is None else variant, "<i4"),
            augmentation=fixed_strings([""] * n if augmentation is None else augmentation),
            noise=np.asarray([False] * n if noise is None else noise, np.uint8),
        )
        for f in fields(cls):
            if len(getattr(columns, f.name)) != n:
                raise StoreError(f"{f.name} has {len(getattr(columns, f.name))} values for {n} clips")
        return columns

    def take(self, rows: NDArray[np.int64]) -> Columns:
        """The columns of some rows."""
        return Columns(**{f.name: getattr(self, f.name)[rows] for f in fields(self)})


def fixed_strings(values: Sequence[str] | NDArray[np.str_]) -> NDArray[np.bytes_]:
    """UTF-8 in fields of one width; a file name that is not UTF-8 keeps its bytes."""
    encoded = [os.fsencode(value) for value in values]
    return np.array(encoded, dtype=f"S{max(1, max(map(len, encoded), default=1))}")
