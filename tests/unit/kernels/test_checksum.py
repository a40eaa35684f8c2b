"""The checksum is CRC-32 whatever the length, the type and the processor."""

from __future__ import annotations

import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kwsfeat.dataset.checksum import checksum
from kwsfeat.kernels import crc


@settings(max_examples=200)
@given(st.binary(max_size=1000), st.integers(0, 20))
def test_it_is_zlibs(data: bytes, skipped: int) -> None:
    assert checksum(np.frombuffer(data, np.uint8)[skipped:]) == zlib.crc32(data[skipped:])


@pytest.mark.parametrize("n", [0, 1, 63, 64, 65, 127, 128, 129, 1_000_003])
@pytest.mark.parametrize("can_fold", [True, False])
def test_every_length(monkeypatch: pytest.MonkeyPatch, n: int, can_fold: bool) -> None:
    monkeypatch.setattr(crc, "CAN_FOLD", crc.CAN_FOLD and can_fold)
    data = np.random.default_rng(n).integers(0, 256, n, dtype=np.uint8)
    assert checksum(data) == zlib.crc32(data)


def test_any_array_in_c_order() -> None:
    x = np.random.default_rng(0).standard_normal((30, 7, 5)).astype(np.float32)
    assert checksum(x) == zlib.crc32(x.tobytes())
    assert checksum(x.transpose(2, 0, 1)) == zlib.crc32(x.transpose(2, 0, 1).tobytes())
    assert x.flags.writeable


def test_every_bit_counts() -> None:
    data = np.random.default_rng(0).integers(0, 256, 200, dtype=np.uint8)
    sums = {checksum(data)}
    for byte in range(data.size):
        for bit in range(8):
            changed = data.copy()
            changed[byte] ^= 1 << bit
            sums.add(checksum(changed))
    assert len(sums) == 1 + 8 * data.size
