"""What the table of a folder needs to know of each file, and how the tables of several files become one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kwsfeat.config.splits import SPLITS
from kwsfeat.dataset.block import Block, Receipt, receipt_for
from kwsfeat.dataset.format import Layout
from kwsfeat.dataset.reader import Reader
from kwsfeat.dataset.statistics import Moments
from kwsfeat.dataset.storage.file import File
from kwsfeat.dataset.storage.index import Index, Shard
from kwsfeat.errors import VerificationError


@dataclass(frozen=True)
class Facts:
    """A file in numbers: small, and enough for the table of the folder that it lies in.

    `splits` are the rows of each split, `moments` those of the training rows of each feature set, `float16_error` the error of each
    that is stored as float16, `prints` tell recordings apart as :class:`~kwsfeat.dataset.block.Receipt` does (zeros without audio).
    """

    rows: int
    seal: str
    n_skipped: int
    splits: dict[str, int]
    moments: dict[str, Moments]
    float16_error: dict[str, float]
    prints: NDArray[np.uint64]

    @classmethod
    def of(cls, file: File, receipts: Sequence[Receipt]) -> Facts:
        """The facts of a finished file, with the receipts of all its blocks in order."""
        split = np.asarray(file.map("split"))
        return cls(
            rows=file.n_clips,
            seal=file.seal,
            n_skipped=int(file.attrs["n_skipped"]),
            splits={name: int(np.count_nonzero(split == name.encode())) for name in SPLITS},
            moments={name: reduce(Moments.merge, [receipt.moments[name] for receipt in receipts]) for name in file.configs},
            float16_error={name: attrs["float16_error"] for name, attrs in file.feature_attrs.items() if "float16_error" in attrs},
            prints=np.concatenate([receipt.prints for receipt in receipts]),
        )


def examine(file: File, progress: Callable[[int, int], None] | None = None) -> Facts:
    """Read a finished file from its first to its last block, and compare it with its checksums.

    Raises
    ------
    VerificationError
        If a block is not what was written.
    StoreError
        If a feature is not finite.
    """
    layout = Layout(file.places, file.n_clips, file.block_rows)
    with Reader(file.path) as reader:
        columns = reader.columns()
    receipts = []
    for rows in layout.blocks:
        clips = np.arange(rows.start, rows.stop)
        block = Block(rows, clips, columns.take(clips), {name: np.asarray(file.map(name, rows)) for name in layout.stored})
        receipt = receipt_for(layout, block)
        for name, found in receipt.checksums.items():
            if found != file.map(f"checksum/{name}")[receipt.index]:
                raise VerificationError(f"{file.path}: /{name} is damaged near row {rows.start}: kwsfeat verify says more")
        receipts.append(receipt)
        if progress:
            progress(rows.stop, file.n_clips)
    return Facts.of(file, receipts)


def index_of(first: File, names: Sequence[str], facts: Sequence[Facts]) -> Index:
    """The table of files that are called `names`, in their order; what they have in common is taken from the `first`."""
    attrs: dict[str, Any] = {
        **first.attrs,
        "n_skipped": sum(one.n_skipped for one in facts),
        "splits": {name: sum(one.splits[name] for one in facts) for name in SPLITS},
    }
    features = {}
    for name, described in first.feature_attrs.items():
        moments = reduce(Moments.merge, [one.moments[name] for one in facts])
        errors = [one.float16_error[name] for one in facts if name in one.float16_error]
        features[name] = {
            **described,
            "mean": moments.mean.astype(np.float32),
            "std": moments.std.astype(np.float32),
            **({"float16_error": max(errors)} if errors else {}),
        }
    dtype = first.places[f"features/{next(iter(features))}"].dtype.str
    shards = [Shard(name, one.rows, one.seal) for name, one in zip(names, facts, strict=True)]
    return Index(attrs, features, first.has("audio"), dtype, shards)
