"""What a kernel takes and gives, declared once: Python checks it when a call is traced, and the compiled code when it is run."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numba.core import types

from kwsfeat.kernels._jit import LANES, c_address, inlined, is_kept
from kwstrain.kernels.xla import threads
from kwstrain.kernels.xla.frame import peek, unpacker
from kwstrain.kernels.xla.handler import EQUAL, LEAST, declared, digest, link, passed_on

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
        link()
        return c_address(self._called)

    @property
    def kept(self) -> bool:
        """Whether the handler is in the disk cache."""
        return is_kept(self._called)

    @cached_property
    def _called(self) -> Callable[[int], int]:
        called = _handler(self)
        called.__module__ = self.function.__module__
        called.__qualname__ = f"{self.function.__qualname__}.{digest(self.function.__code__.co_filename)}"
        return called


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


def _handler(kernel: Kernel) -> Callable[[int], int]:
    """The function that XLA calls with a call frame; with what the threads of a call share, it does parts until none is left."""
    body, add = inlined(kernel.function), threads.add  # a call for each part would cost a fifth of the time
    kinds = [[types.Array(_TYPES[b.dtype][0], len(b.axes), "C") for b in buffers] for buffers in (kernel.arguments, kernel.results)]
    unpack = unpacker(*kinds, len(kernel.numbers))
    pass_on = passed_on(_words(kernel), f"{kernel.target} was called with other arrays than ({_text(kernel)}): use kernel_call")
    TASK, FRAME, NEXT, DONE, PARTS = threads.TASK, threads.FRAME, threads.NEXT, threads.DONE, threads.PARTS

    def handler(words):
        if peek(words, 0) != TASK:
            return pass_on(words)
        part = add(words, NEXT, 1)
        while part < peek(words, PARTS):
            body(*unpack(peek(words, FRAME), part))
            add(words, DONE, 1)
            part = add(words, NEXT, 1)
        return 0

    return handler


def _text(kernel: Kernel) -> str:
    buffers = (*kernel.arguments, *kernel.results)
    return ", ".join([*(f"{b.name}: {b}" for b in buffers), *(f"{axis} >= {n}" for axis, n in kernel.at_least.items())])


def _words(kernel: Kernel) -> list[int]:
    """What the compiled code checks: dtypes, ranks, and each size that is known, is alike where its letter recurs, or has a bound."""
    first: dict[str, tuple[int, int]] = {}
    rules: list[tuple[int, ...]] = []
    for i, buffer in enumerate((*kernel.arguments, *kernel.results)):
        for axis, name in enumerate(buffer.axes):
            if name == "L" or name.isdigit():
                rules.append((i, axis, EQUAL, 0, LANES if name == "L" else int(name)))
            elif name in first:
                rules.append((i, axis, *first[name], 0))
            else:
                first[name] = i, axis
    rules += [(*first[name], LEAST, 0, size) for name, size in kernel.at_least.items()]
    kinds = [[(_TYPES[b.dtype][1], len(b.axes)) for b in buffers] for buffers in (kernel.arguments, kernel.results)]
    return declared(*kinds, len(kernel.numbers), rules)
