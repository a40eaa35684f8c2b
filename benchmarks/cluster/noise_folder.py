"""A folder of equal files of log-mel, of noise: what is in them costs no more to read."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from kwsfeat import preset
from kwsfeat.dataset.columns import Columns
from kwsfeat.dataset.storage.facts import examine, index_of
from kwsfeat.dataset.storage.file import File
from kwsfeat.dataset.storage.index import INDEX
from kwsfeat.dataset.writer import Writer

CONFIG = preset("logmel")


def make_folder(root: Path, columns: Columns, n_files: int, again: Callable[[Path, Path], object]) -> None:
    """Write one file with these columns, and have `again` put it under the other names."""
    root.mkdir()
    rng = np.random.default_rng(0)
    labels = [f"word{i}" for i in range(10)]
    with Writer(root / "00000.h5", columns=columns, labels=labels, configs={"logmel": CONFIG}, audio=False) as writer:
        for index, rows in enumerate(writer.blocks):
            block = writer.empty_block(index)
            block.arrays["features/logmel"][:] = rng.standard_normal((rows.stop - rows.start, *CONFIG.shape), np.float32)
            block.arrays["length"][:] = CONFIG.n_samples
            writer.write(block)
        writer.finish()
    names = [f"{i:05}.h5" for i in range(n_files)]
    for name in names[1:]:
        again(root / names[0], root / name)
    file = File(root / names[0])
    index_of(file, names, [examine(file)] * n_files).write(root / INDEX)
    file.close()
