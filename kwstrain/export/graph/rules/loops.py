"""Loops over time: ONNX's Scan, whose body is a separate graph."""

from __future__ import annotations

from jax.extend.core import ClosedJaxpr, JaxprEqn

from kwstrain.export.graph.builder import Builder
from kwstrain.export.graph.translate import Known, Translator, dtype_of, rule, shape_of
from kwstrain.export.graph.value import Value


@rule("scan")
def scan(t: Translator, equation: JaxprEqn, operands: list[Known]) -> list[Known]:
    p = equation.params
    n_consts, n_carry = p["num_consts"], p["num_carry"]
    body: ClosedJaxpr = p["jaxpr"]
    consts = [t.graph.full(one, one.shape) if isinstance(one, Value) else one for one in operands[:n_consts]]
    rest = [t.graph.full(one, shape_of(of)) for one, of in zip(operands[n_consts:], equation.invars[n_consts:], strict=True)]
    if p["length"] == 1:
        steps = [one.reshaped(one.shape[1:]) for one in rest[n_carry:]]
        after = t.run(body, [*consts, *rest[:n_carry], *steps])
        outputs = [t.graph.full(one, shape_of(of)) for one, of in zip(after[n_carry:], body.jaxpr.outvars[n_carry:], strict=True)]
        return [*after[:n_carry], *(one.reshaped((1, *one.shape)) for one in outputs)]
    inner = Builder(t.graph)
    inputs = [Value(inner.new_name("in"), shape_of(of), dtype_of(of)) for of in body.jaxpr.invars[n_consts:]]
    given = Translator(inner).run(body, [*consts, *inputs])
    outputs = []
    for one, of in zip(given, body.jaxpr.outvars, strict=True):
        value = inner.full(one, shape_of(of))
        (name,) = inner.emit("Identity", value.name)
        outputs.append(Value(name, value.stored, value.dtype))
    n_scanned = len(rest) - n_carry
    backwards = {"scan_input_directions": [1] * n_scanned, "scan_output_directions": [1] * (len(outputs) - n_carry)} if p["reverse"] else {}
    names = t.graph.emit(
        "Scan", *(one.name for one in rest), n_outputs=len(outputs), body=(inner, inputs, outputs), num_scan_inputs=n_scanned,
        **{name: of for name, of in backwards.items() if of},
    )  # fmt: skip
    return [Value(name, shape_of(of), dtype_of(of)) for name, of in zip(names, equation.outvars, strict=True)]
