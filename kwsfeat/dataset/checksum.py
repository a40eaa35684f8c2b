"""The checksum that a file keeps of each block of its arrays."""

from __future__ import annotations

import zlib
from typing import Any

import numpy as np
from numpy.typing import NDArray


def checksum(data: NDArray[Any]) -> int:
    """CRC-32 of an array's bytes in C order, as ``zlib.crc32`` gives it; three times as fast where the processor can."""
    from kwsfeat.kernels.crc import CAN_FOLD, N_FOLDED, fold

    view = np.ascontiguousarray(data).reshape(-1).view(np.uint8)
    whole = view.size // N_FOLDED * N_FOLDED if CAN_FOLD else 0
    if not whole:
        return zlib.crc32(view.data)
    folded, rest = view[:whole], np.empty(N_FOLDED, np.uint8)
    folded.flags.writeable = False  # Numba compiles for read-only and writable arrays apart: one of the two is enough
    fold(folded, rest)
    begun = 0xFFFFFFFF  # for zlib, which inverts this: a register of zeros, because `rest` holds the ones already
    return zlib.crc32(view[whole:].data, zlib.crc32(rest.data, begun))
