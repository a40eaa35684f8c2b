"""From a traced JAX function to the nodes of a graph: every operation of our networks and front ends.

A network is traced, not written a second time: a new network can be exported as long as its operations have rules. Whatever
depends only on constants is computed here.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from functools import cache
from importlib import import_module
from typing import Any

import jax
import numpy as np
from jax.extend.core import ClosedJaxpr, Jaxpr, JaxprEqn, Literal, Var

from kwsfeat import ConfigError
from kwstrain.export.graph.builder import Builder
from kwstrain.export.graph.value import BATCH, Array, Shape, Value

Known = Value | Array
Rule = Callable[["Translator", JaxprEqn, list[Known]], Sequence[Known]]
_RULES: dict[str, Rule] = {}
_INLINED = ("jit", "pjit", "closed_call", "custom_jvp_call", "custom_vjp_call", "remat", "checkpoint")


def rule(*primitives: str) -> Callable[[Rule], Rule]:
    """Register the decorated function as the rule for JAX's `primitives`."""

    def register(function: Rule) -> Rule:
        _RULES.update(dict.fromkeys(primitives, function))
        return function

    return register


@cache
def rules() -> dict[str, Rule]:
    """Name of a JAX primitive -> its rule."""
    for name in ("elementwise", "movement", "reduction", "products", "loops", "generated"):
        import_module(f"kwstrain.export.graph.rules.{name}")
    return _RULES


class Translator:
    """Writes the equations of a jaxpr into `graph`."""

    def __init__(self, graph: Builder) -> None:
        self.graph = graph

    def run(self, closed: ClosedJaxpr, arguments: Sequence[Known]) -> list[Known]:
        """The results of a jaxpr for `arguments`."""
        constants = [np.asarray(one) for one in closed.consts]
        return self._equations(closed.jaxpr, [*constants, *arguments])

    def _equations(self, jaxpr: Jaxpr, arguments: Sequence[Known]) -> list[Known]:
        uses = Counter(v for e in jaxpr.eqns for v in e.invars if not isinstance(v, Literal))
        uses.update(v for v in jaxpr.outvars if not isinstance(v, Literal))
        known: dict[Var, Known] = {}

        def bind(variables: Sequence[Var], values: Iterable[Known]) -> None:
            for variable, value in zip(variables, values, strict=True):
                known[variable] = self._shared(value) if isinstance(value, Value) and uses[variable] > 1 else value

        def read(one: Var | Literal) -> Known:
            return np.asarray(one.val, dtype_of(one)) if isinstance(one, Literal) else known[one]

        bind([*jaxpr.constvars, *jaxpr.invars], arguments)
        for equation in jaxpr.eqns:
            bind(equation.outvars, self._equation(equation, [read(one) for one in equation.invars]))
        return [read(one) for one in jaxpr.outvars]

    def _shared(self, value: Value) -> Value:
        """A value that several nodes use, so that its node must not be changed for one of them."""
        return replace(self.graph.applied(value), exclusive=False)

    def _equation(self, equation: JaxprEqn, operands: list[Known]) -> Sequence[Known]:
        name = equation.primitive.name
        outer = self.graph.scope
        self.graph.scope = outer.split("/")[0] if outer else str(equation.source_info.name_stack).split("/")[0]
        try:
            if name in _INLINED:
                inner = equation.params["jaxpr" if "jaxpr" in equation.params else "call_jaxpr"]
                return self.run(inner if isinstance(inner, ClosedJaxpr) else ClosedJaxpr(inner, ()), operands)
            if not any(isinstance(one, Value) for one in operands) and name not in ("scan", "waves"):
                return _computed(equation, operands)
            if name not in rules():
                raise ConfigError(f"the network computes {name!r}, which has no rule in kwstrain/export/graph/rules: add one there")
            return rules()[name](self, equation, operands)
        finally:
            self.graph.scope = outer


def shape_of(variable: Any) -> Shape:
    """The shape that JAX says a variable has."""
    return tuple(variable.aval.shape)


def dtype_of(variable: Any) -> np.dtype[Any]:
    """The type that JAX says a variable has."""
    dtype: np.dtype[Any] = variable.aval.dtype
    return dtype


def _computed(equation: JaxprEqn, operands: list[Known]) -> list[Known]:
    """The results of an equation between constants, which are the same for all clips: computed for a batch of one."""
    params = {name: _one_clip(value) for name, value in equation.params.items()}
    with jax.ensure_compile_time_eval():
        given = equation.primitive.bind(*map(jax.numpy.asarray, operands), **params)
    return [np.asarray(one) for one in (given if equation.primitive.multiple_results else [given])]


def _one_clip(param: Any) -> Any:
    if isinstance(param, tuple) and type(param) is tuple:
        return tuple(_one_clip(one) for one in param)
    return 1 if isinstance(param, int) and param == BATCH else param
