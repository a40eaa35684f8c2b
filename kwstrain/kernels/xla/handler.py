"""The function behind every kernel: it checks XLA's call against the kernel's declaration, and shares the parts among threads.

It is compiled once. What is compiled for each kernel besides its work is a call of this one, with what the kernel declares as words
in memory.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path

import llvmlite.binding as llvm
from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

from kwsfeat.kernels._jit import c_address, inlined
from kwstrain.kernels.xla import threads
from kwstrain.kernels.xla.frame import ARGS, EXECUTE, RETS, STAGE, answer_metadata, buffer_at, numbers_of, peek, peek_int, refuse
from kwstrain.kernels.xla.threads import TASK, call_later, n_threads, own_address, release, share, wait

_I64 = ir.IntType(64)
_CALL = 0x6B77735F63616C6C  # the first word of what a kernel's handler passes on; a call frame begins with its size
_FRAME, _KERNEL, _MESSAGE, _DECLARED = 1, 2, 3, 4  # further words: XLA's call, the kernel's handler, what to say of a wrong call, and
# where the words of the declaration are: how many arguments, results, numbers and rules, (dtype, rank) of each buffer, the rules
_N_COUNTS, _RULE = 4, 5
EQUAL, LEAST = -1, -2  # in the place of a rule's other buffer


def declared(
    arguments: Sequence[tuple[int, int]], results: Sequence[tuple[int, int]], n_numbers: int, rules: Sequence[tuple[int, ...]]
) -> list[int]:
    """The words of a declaration.

    Parameters
    ----------
    arguments, results : sequence of (int, int)
        XLA's number of the dtype, and the rank, of each.
    n_numbers : int
    rules : sequence of five int
        A buffer, its axis, and the buffer and axis of equal size; or EQUAL, 0 and the size, or LEAST, 0 and the least size.
    """
    words = [len(arguments), len(results), n_numbers, len(rules)]
    for part in (*arguments, *results, *rules):
        words += part
    return words


def passed_on(words: Sequence[int], message: str) -> Callable[[int], int]:
    """An intrinsic frame -> what to return to XLA, in the handler of a kernel that declares `words`."""

    @intrinsic
    def pass_on(typingctx, frame):
        def codegen(context, builder, sig, args):
            module = builder.module
            table = cgutils.global_constant(module, "kwstrain_declared", ir.Constant(ir.ArrayType(_I64, len(words)), list(words)))
            text = context.insert_const_string(module, message)
            own = cgutils.get_or_insert_function(module, ir.FunctionType(_I64, [_I64]), f"cfunc.{builder.function.name}")
            values = [ir.Constant(_I64, _CALL), args[0], *(builder.ptrtoint(place, _I64) for place in (own, text, table))]
            call = cgutils.alloca_once(builder, _I64, len(values))
            for i, value in enumerate(values):
                builder.store(value, builder.gep(call, [ir.Constant(ir.IntType(32), i)]))
            handler = cgutils.get_or_insert_function(module, ir.FunctionType(_I64, [_I64]), "kwstrain_handle")
            return builder.call(handler, [builder.ptrtoint(call, _I64)])

        return types.int64(types.int64), codegen

    return pass_on


@cache
def link() -> int:
    """The address of the function, which compiled kernels find by name from then on."""
    address = c_address(_handle)
    llvm.add_symbol("kwstrain_handle", address)
    return address


@cache
def digest(file: str) -> str:
    """Of all that a kernel in this file may be made of: part of the name under which its code is kept on disk."""
    paths = {Path(file), *Path(__file__).parents[1].rglob("*.py")}
    return hashlib.sha256(b"".join(path.read_bytes() for path in sorted(paths))).hexdigest()[:16]


def _handle(words):
    if peek(words, 0) == TASK:  # this is a helper
        _run(peek(words, threads.KERNEL), words)
        release(words, 1)
        return 0
    if peek(words, 0) != _CALL:  # a frame, for a kernel that is not compiled yet
        return 0 if answer_metadata(words) or peek_int(words, STAGE) != EXECUTE else refuse(words, _too_early())
    frame = peek(words, _FRAME)
    if answer_metadata(frame) or peek_int(frame, STAGE) != EXECUTE:
        return 0
    if not _fits(frame, peek(words, _DECLARED)):
        return refuse(frame, peek(words, _MESSAGE))
    kernel, parts = peek(words, _KERNEL), peek(peek(numbers_of(frame), 2), 0)
    helpers = max(0, min(parts, n_threads(frame)) - 1)
    shared = share(frame, parts, 1 + helpers, kernel)
    missing = 0
    for _ in range(helpers):
        if call_later(frame, own_address(), shared) != 0:
            missing += 1
    _run(kernel, shared)
    wait(shared)
    release(shared, 1 + missing)
    return 0


_handle.__qualname__ = f"handle.{digest(__file__)}"


@inlined
def _fits(frame, declared):
    n_arguments, n_results = peek(declared, 0), peek(declared, 1)
    if peek(frame, ARGS + 2) != n_arguments or peek(frame, RETS + 2) != n_results:
        return False
    place = declared + 8 * _N_COUNTS
    for i in range(n_arguments + n_results):
        buffer = buffer_at(frame, i)
        if peek_int(buffer, 2) != peek(place, 0) or peek(buffer, 4) != peek(place, 1):
            return False
        place += 16
    for _ in range(peek(declared, 3)):
        size, other, wanted = _size(frame, peek(place, 0), peek(place, 1)), peek(place, 2), peek(place, 4)
        if other >= 0:
            wanted = _size(frame, other, peek(place, 3))
        if size < wanted or (size > wanted and other != LEAST):
            return False
        place += 8 * _RULE
    numbers = numbers_of(frame)
    return numbers != 0 and peek(numbers, 1) == peek(declared, 2)


@inlined
def _size(frame, i, axis):
    """Of an axis of buffer i."""
    return peek(peek(buffer_at(frame, i), 5), axis)


@intrinsic
def _run(typingctx, kernel, words):
    """Call a kernel's handler with what threads share: it does parts until none is left."""

    def codegen(context, builder, sig, args):
        function = builder.inttoptr(args[0], ir.FunctionType(_I64, [_I64]).as_pointer())
        return builder.call(function, [args[1]])

    return types.int64(types.int64, types.int64), codegen


@intrinsic
def _too_early(typingctx):
    """The address of a sentence."""

    def codegen(context, builder, sig, args):
        return builder.ptrtoint(context.insert_const_string(builder.module, "a kernel was called before it was compiled"), _I64)

    return types.int64(), codegen
