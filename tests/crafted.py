"""Files that were changed on purpose, and made to agree with their seal again."""

from __future__ import annotations

from pathlib import Path

import h5py

from kwsfeat.dataset.format import is_block_array
from kwsfeat.dataset.seal import sealed_page


def reseal(path: Path) -> None:
    """Seal what HDF5 can tell of a file, as a faulty writer or an attacker would."""
    spans: list[tuple[int, int]] = []

    def visit(name: str, item: h5py.Group | h5py.Dataset) -> None:
        if isinstance(item, h5py.Dataset) and is_block_array(name) and item.chunks is None and not item.is_virtual:
            offset = item.id.get_offset()
            if offset is not None and item.size:
                spans.append((offset, offset + item.id.get_storage_size()))

    with h5py.File(path, "r") as file:
        file.visititems(visit)
    with open(path, "r+b") as file:
        page = sealed_page(file.fileno(), spans)
        file.write(page)
