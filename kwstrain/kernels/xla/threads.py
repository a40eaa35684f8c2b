"""The parts of one call shared among XLA's own threads: whoever is free takes the next part, the caller too.

The caller never waits for a helper to begin, only for one to finish the part that it has taken, so no number of calls at the same time can
block each other. A helper that begins late finds nothing left; the last of them frees what they share.
"""

import ctypes
import os

import llvmlite.binding as llvm
from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

from kwsfeat.kernels._jit import inlined
from kwstrain.kernels.xla.frame import CONTEXT, THREAD_POOL_NUM_THREADS, THREAD_POOL_SCHEDULE, call_api, peek, word

_I32, _I64 = ir.IntType(32), ir.IntType(64)

TASK = 0x6B77735F7461736B  # the first word of what is shared; a call frame begins with its size
# further words: the call, the next part, parts done, parts in all, who still looks at it, and the kernel
FRAME, NEXT, DONE, PARTS, HOLDERS, KERNEL = 1, 2, 3, 4, 5, 6

_library = ctypes.cdll.msvcrt if os.name == "nt" else ctypes.CDLL(None)
_yield = ctypes.windll.kernel32.SwitchToThread if os.name == "nt" else _library.sched_yield
for _name, _function in (("malloc", _library.malloc), ("free", _library.free), ("yield", _yield)):
    llvm.add_symbol(f"kwstrain_{_name}", ctypes.cast(_function, ctypes.c_void_p).value)


def _call(builder, name, result, *args):
    """Code that calls a function of the C library or the system."""
    kind = ir.FunctionType(result, [arg.type for arg in args])
    return builder.call(cgutils.get_or_insert_function(builder.module, kind, f"kwstrain_{name}"), args)


@intrinsic
def own_address(typingctx):
    """The address at which C calls the function that this stands in."""

    def codegen(context, builder, sig, args):
        function = cgutils.get_or_insert_function(builder.module, ir.FunctionType(_I64, [_I64]), f"cfunc.{builder.function.name}")
        return builder.ptrtoint(function, _I64)

    return types.int64(), codegen


@intrinsic
def n_threads(typingctx, frame):
    """Threads that XLA has for work."""

    def codegen(context, builder, sig, args):
        answer = cgutils.alloca_once_value(builder, ir.Constant(_I64, 1))
        call_api(builder, args[0], THREAD_POOL_NUM_THREADS, [word(builder, args[0], CONTEXT), builder.ptrtoint(answer, _I64)])
        return builder.load(answer)

    return types.int64(types.int64), codegen


@intrinsic
def call_later(typingctx, frame, function, argument):
    """Let one of XLA's threads call function(argument); not 0 where there are no threads."""

    def codegen(context, builder, sig, args):
        frame, function, argument = args
        return call_api(builder, frame, THREAD_POOL_SCHEDULE, [word(builder, frame, CONTEXT), function, argument])

    return types.int64(types.int64, types.int64, types.int64), codegen


@intrinsic
def share(typingctx, frame, n_parts, n_holders, kernel):
    """The address of the words that the threads of one call share."""

    def codegen(context, builder, sig, args):
        frame, n_parts, n_holders, kernel = args
        values = [ir.Constant(_I64, TASK), frame, ir.Constant(_I64, 0), ir.Constant(_I64, 0), n_parts, n_holders, kernel]
        words = _call(builder, "malloc", _I64, ir.Constant(_I64, 8 * len(values)))
        for i, value in enumerate(values):
            builder.store(value, builder.inttoptr(builder.add(words, ir.Constant(_I64, 8 * i)), _I64.as_pointer()))
        return words

    return types.int64(types.int64, types.int64, types.int64, types.int64), codegen


@intrinsic
def add(typingctx, words, i, value):
    """Add to a shared word, and return what it was before."""

    def codegen(context, builder, sig, args):
        place = builder.gep(builder.inttoptr(args[0], _I64.as_pointer()), [args[1]])
        return builder.atomic_rmw("add", place, args[2], "seq_cst")

    return types.int64(types.int64, types.int64, types.int64), codegen


@intrinsic
def _free(typingctx, words):
    def codegen(context, builder, sig, args):
        _call(builder, "free", ir.VoidType(), args[0])
        return context.get_dummy_value()

    return types.void(types.int64), codegen


@intrinsic
def _let_others_run(typingctx):
    def codegen(context, builder, sig, args):
        _call(builder, "yield", _I32)
        return context.get_dummy_value()

    return types.void(), codegen


@inlined
def release(words, n):
    """So many holders less; the last one frees the words."""
    if add(words, HOLDERS, -n) == n:
        _free(words)


@inlined
def wait(words):
    """Until every part is done."""
    while add(words, DONE, 0) < peek(words, PARTS):
        _let_others_run()
