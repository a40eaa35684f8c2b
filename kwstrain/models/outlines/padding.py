"""Where "same" padding puts its zeros."""

from __future__ import annotations


def same(n: int, size: int, stride: int, dilation: int = 1) -> tuple[int, int]:
    """Zeros before and after `n` values for ``ceil(n / stride)`` outputs, the odd one at the end."""
    zeros = max(0, (-(-n // stride) - 1) * stride + dilation * (size - 1) + 1 - n)
    return zeros // 2, zeros - zeros // 2
