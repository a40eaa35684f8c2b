"""What a kernel takes and gives, declared once: Python checks it when a call is traced, and the compiled code when it is run."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numba.core import types

from kwsfeat.kernels._jit import LANES, c_address, inlined, is_kept, stage
from kwstrain.kernels import threads
from kwstrain.kernels.frame import (
    ARGS,
    EXECUTE,
    RETS,
    STAGE,
    answer_metadata,
    buffer_at,
    numbers_of,
    peek,
    peek_int,
    refusal,
    unpacker,
)

# Of a declaration: Numba's type, and XLA's number for it (XLA_FFI_DataType)
_TYPES = {"f32": (types.float32, 11), "i32": (types.int32, 4), "u32": (types.uint32, 8), "u8": (types.uint8, 6)}
_NUMPY = {"f32": "float32", "i32": "int32", "u32": "uint32", "u8": "uint8"}


@dataclass(frozen=True)
class Buffer:
    """An array of a kernel: ``f32[b, h, w, c, L]`` is float32 of five axes.

    L is LANES, a number is a size, other letters are sizes that are alike where they recur.
    """

    name: str
    dtype: str
    axes: tuple[str, ...]

    @classmethod
    def parse(cls, name: str, text: str) -> Buffer:
        """From the text of a declaration."""
        found = re.fullmatch(r"(\w+)\[([\w, ]*)\]", text)
        if found is None or found[1] not in _TYPES:
            raise ValueError(f"{name}: {text!r} must be like 'f32[b, h, w, c, L]' with one of {', '.join(_TYPES)}")
        return cls(name, found[1], tuple(found[2].replace(" ", "").split(",")))

    def __str__(self) -> str:
        return f"{_NUMPY[self.dtype]} ({', '.join(str(LANES) if axis == 'L' else axis for axis in self.axes)})"


class Kernel:
    """A function (part, arrays ..., results ..., numbers ...) that compiled code and XLA can call; made by :func:`kernel`."""

    def __init__(
        self,
        function: Callable[..., None],
        arguments: Mapping[str, str],
        results: Mapping[str, str],
        numbers: Sequence[str],
        at_least: Mapping[str, int],
    ) -> None:
        self.function = function
        self.arguments = tuple(Buffer.parse(*item) for item in arguments.items())
        self.results = tuple(Buffer.parse(*item) for item in results.items())
        self.numbers = ("parts", *numbers)
        self.at_least = dict(at_least)
        self.target = f"{function.__module__}.{function.__qualname__}"

    def check(self, arrays: Sequence[Any], results: Sequence[Any], numbers: Mapping[str, int]) -> None:
        """Raise ValueError unless shapes and dtypes of `arrays` and `results` and the names of `numbers` are those declared."""
        sizes: dict[str, int] = {"L": LANES}
        for what, buffers, given in (("arguments", self.arguments, arrays), ("results", self.results, results)):
            if len(given) != len(buffers):
                raise ValueError(f"{self.target} has {len(buffers)} {what} ({', '.join(b.name for b in buffers)}), not {len(given)}")
            for buffer, array in zip(buffers, given, strict=True):
                known = ", ".join(
                    f"{axis} = {n}" for axis, n in sizes.items() if axis in buffer.axes and axis != "L" and not axis.isdigit()
                )
                alike = len(array.shape) == len(buffer.axes) and np.dtype(array.dtype).name == _NUMPY[buffer.dtype]
                if not alike or any(sizes.setdefault(axis, _size(axis, n)) != n for axis, n in zip(buffer.axes, array.shape, strict=True)):
                    wanted = f"{buffer}, {known}" if known else f"{buffer}"
                    raise ValueError(f"{self.target}: {buffer.name} must be {wanted}, not {array.dtype} {array.shape}")
        for axis, least in self.at_least.items():
            if sizes[axis] < least:
                raise ValueError(f"{self.target}: {axis} must be at least {least}, not {sizes[axis]}")
        if set(numbers) != set(self.numbers):
            raise ValueError(f"{self.target} takes the numbers {', '.join(self.numbers)}, not {', '.join(numbers)}")

    @cached_property
    def address(self) -> int:
        """Of the compiled handler; compiled or read from the disk cache on first use."""
        return c_address(self._called)

    @property
    def kept(self) -> bool:
        """Whether the handler is in the disk cache."""
        return is_kept(self._called)

    @cached_property
    def _called(self) -> Callable[[int], int]:
        handler = _handler(self)
        handler.__module__ = self.function.__module__
        handler.__qualname__ = f"{self.function.__qualname__}.{_digest(self.function.__code__.co_filename)}"
        return handler


def kernel(
    *, results: Mapping[str, str], numbers: Sequence[str] = (), at_least: Mapping[str, int] | None = None, **arguments: str
) -> Callable[[Callable[..., None]], Kernel]:
    """Declare a kernel.

    Parameters
    ----------
    results, **arguments : str
        Name and kind of each array, like ``f32[b, h, w, c, L]``.
    numbers : sequence of str
        Names of the whole numbers that follow the arrays.
    at_least : mapping, optional
        What a size must at least be, by its letter.

    Returns
    -------
    callable
        A decorator of the function, which is called as ``function(part, *arguments, *results, parts, *numbers)`` once for each
        part, by several threads at a time: parts must not write the same values.
    """
    return lambda function: Kernel(function, arguments, results, numbers, at_least or {})


def _size(axis: str, n: int) -> int:
    """What an axis of this name must be, where nothing else says so than that one was `n`."""
    return int(axis) if axis.isdigit() else n


@cache
def _digest(file: str) -> str:
    """Of all that a kernel in this file may be made of: part of the name under which its code is kept on disk."""
    paths = {Path(file), *Path(__file__).parent.rglob("*.py")}
    return hashlib.sha256(b"".join(path.read_bytes() for path in sorted(paths))).hexdigest()[:16]


def _handler(kernel: Kernel) -> Callable[[int], int]:
    """The function that XLA calls with a call frame: it checks, and shares the parts among threads."""
    body = stage(kernel.function)
    kinds = [[types.Array(_TYPES[b.dtype][0], len(b.axes), "C") for b in buffers] for buffers in (kernel.arguments, kernel.results)]
    unpack = unpacker(*kinds, len(kernel.numbers))
    buffers = (*kernel.arguments, *kernel.results)
    n_arguments, n_results, n_numbers = len(kernel.arguments), len(kernel.results), len(kernel.numbers)
    declared = tuple((_TYPES[b.dtype][1], len(b.axes)) for b in buffers)
    alike, least = _alike(buffers), _least(buffers, kernel.at_least)
    declared_text = ", ".join([*(f"{b.name}: {b}" for b in buffers), *(f"{axis} >= {n}" for axis, n in kernel.at_least.items())])
    refuse = refusal(f"{kernel.target} was called with other arrays than ({declared_text}): use kernel_call")
    own_address, share, add, release, wait = threads.own_address, threads.share, threads.add, threads.release, threads.wait
    call_later, n_threads = threads.call_later, threads.n_threads
    TASK, FRAME, NEXT, DONE, PARTS = threads.TASK, threads.FRAME, threads.NEXT, threads.DONE, threads.PARTS

    @inlined
    def fits(frame):
        if peek(frame, ARGS + 2) != n_arguments or peek(frame, RETS + 2) != n_results:
            return False
        for i in range(n_arguments + n_results):
            buffer = buffer_at(frame, i)
            if peek_int(buffer, 2) != declared[i][0] or peek(buffer, 4) != declared[i][1]:
                return False
        for i, axis, j, other, size in alike:
            wanted = size if j < 0 else peek(peek(buffer_at(frame, j), 5), other)
            if peek(peek(buffer_at(frame, i), 5), axis) != wanted:
                return False
        for i, axis, size in least:
            if peek(peek(buffer_at(frame, i), 5), axis) < size:
                return False
        numbers = numbers_of(frame)
        return numbers != 0 and peek(numbers, 1) == n_numbers

    @inlined
    def work(words):
        part = add(words, NEXT, 1)
        while part < peek(words, PARTS):
            body(*unpack(peek(words, FRAME), part))
            add(words, DONE, 1)
            part = add(words, NEXT, 1)

    def handler(frame):
        if peek(frame, 0) == TASK:  # this is a helper
            work(frame)
            release(frame, 1)
            return 0
        if answer_metadata(frame) or peek_int(frame, STAGE) != EXECUTE:
            return 0
        if not fits(frame):
            return refuse(frame)
        parts = peek(peek(numbers_of(frame), 2), 0)
        helpers = min(parts, n_threads(frame)) - 1
        if helpers < 1:
            for part in range(parts):
                body(*unpack(frame, part))
            return 0
        words = share(frame, parts, 1 + helpers)
        missing = 0
        for _ in range(helpers):
            if call_later(frame, own_address(), words) != 0:
                missing += 1
        work(words)
        wait(words)
        release(words, 1 + missing)
        return 0

    return handler


def _alike(buffers: Sequence[Buffer]) -> tuple[tuple[int, int, int, int, int], ...]:
    """(buffer, axis, the buffer and axis of equal size or -1, the size where it is known) of each axis that is bound to something."""
    first: dict[str, tuple[int, int]] = {}
    found = []
    for i, buffer in enumerate(buffers):
        for axis, name in enumerate(buffer.axes):
            if name == "L":
                found.append((i, axis, -1, -1, LANES))
            elif name.isdigit():
                found.append((i, axis, -1, -1, int(name)))
            elif name in first:
                found.append((i, axis, *first[name], 0))
            else:
                first[name] = i, axis
    return (*found, (0, 0, 0, 0, 0))  # never empty, which Numba could not type


def _least(buffers: Sequence[Buffer], at_least: Mapping[str, int]) -> tuple[tuple[int, int, int], ...]:
    """(buffer, axis, the least size) of each size that has one, where it first occurs."""
    found = []
    for name, size in at_least.items():
        i, axis = next((i, buffer.axes.index(name)) for i, buffer in enumerate(buffers) if name in buffer.axes)
        found.append((i, axis, size))
    return (*found, (0, 0, 0))  # never empty
