"""Handlers that XLA can be told of before they are compiled: each jumps to where its slot says."""

from __future__ import annotations

import llvmlite.binding as llvm
import numpy as np
from llvmlite import ir

from kwstrain.kernels.xla.handler import link

_I64 = ir.IntType(64)
_HANDLER = ir.FunctionType(_I64, [_I64])


class StandIns:
    """`n` of them; until its slot is filled, one answers what XLA asks at registration, and refuses to be called."""

    def __init__(self, n: int) -> None:
        self._slots = np.full(n, link(), np.int64)
        module = ir.Module()
        for i in range(n):
            function = ir.Function(module, _HANDLER, f"stand_in_{i}")
            builder = ir.IRBuilder(function.append_basic_block())
            slot = ir.Constant(_I64, self._slots[i:].ctypes.data).inttoptr(_HANDLER.as_pointer().as_pointer())
            builder.ret(builder.call(builder.load(slot), function.args))
        machine = llvm.Target.from_default_triple().create_target_machine(jit=True)
        self._engine = llvm.create_mcjit_compiler(llvm.parse_assembly(str(module)), machine)
        self._engine.finalize_object()
        self.addresses = [self._engine.get_function_address(f"stand_in_{i}") for i in range(n)]

    def fill(self, i: int, address: int) -> None:
        """Let the i-th be the handler at `address`."""
        self._slots[i] = address
