"""Tables that the runtime computes when it loads the graph."""

from __future__ import annotations

import numpy as np
from jax.extend.core import JaxprEqn

from kwstrain.export.graph.translate import Known, Translator, rule, shape_of
from kwstrain.export.graph.value import Value
from kwstrain.export.waves import phases, tables


@rule("waves")
def waves(t: Translator, equation: JaxprEqn, operands: list[Known]) -> list[Known]:
    p = equation.params
    (product,) = t.graph.emit("Mul", *phases(p["first"], p["n_bins"], p["length"]))
    (phase,) = t.graph.emit("Mod", product, np.array(p["n_fft"], np.int64))
    parts = [t.graph.emit("Gather", table, phase)[0] for table in tables(p["n_fft"])]
    (name,) = t.graph.emit("Concat", *parts, axis=0)
    return [Value(name, shape_of(equation.outvars[0]), np.dtype(np.float32))]
