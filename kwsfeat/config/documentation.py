"""What the fields of a configuration say of themselves, as text: for docstrings, TOML files and the pages of docs/."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterator
from dataclasses import MISSING, Field, fields
from types import NoneType
from typing import Any, get_args, get_type_hints

from kwsfeat.config.option import about, wanted

_WIDTH = 110


def parameters(cls: type[Any]) -> str:
    """The numpydoc section with every field, indented as in a class."""
    lines = ["    Parameters", "    ----------"]
    for one in fields(cls):
        lines.append(f"    {one.name} : {accepted(cls, one)}; default {default_of(one)!r}")
        lines += textwrap.wrap(about(one).doc, _WIDTH, initial_indent=" " * 8, subsequent_indent=" " * 8)
    return "\n".join(lines) + "\n"


def tables(cls: type[Any]) -> str:
    """A Markdown table for each group of fields, under its heading."""
    parts = []
    for group, members in grouped(cls):
        rows = [f"| `{one.name}` | {_code(toml_value(default_of(one)))} | {accepted(cls, one)} | {about(one).doc} |" for one in members]
        parts.append("\n".join([f"### {group}\n", "| field | default | is | meaning |", "|---|---|---|---|", *rows]))
    return "\n\n".join(parts) + "\n"


def grouped(cls: type[Any]) -> Iterator[tuple[str, list[Field[Any]]]]:
    """The fields by group, both in the order of their declaration."""
    groups: dict[str, list[Field[Any]]] = {}
    for one in fields(cls):
        groups.setdefault(about(one).group, []).append(one)
    yield from groups.items()


def accepted(cls: type[Any], one: Field[Any]) -> str:
    """What a field takes: its type in words, its bound and its unit."""
    hint = get_type_hints(cls)[one.name]
    unit = f"({about(one).unit})" if about(one).unit else ""
    return " ".join(filter(None, (wanted(hint), str(about(one).bound), unit, "or None" if NoneType in get_args(hint) else "")))


def default_of(one: Field[Any]) -> Any:
    """The value that a field has when none is given."""
    return one.default_factory() if one.default_factory is not MISSING else one.default


def toml_value(value: Any) -> str:
    """`value` as TOML writes it; None, which TOML cannot write, as nothing."""
    return "" if value is None else "{}" if value == {} else json.dumps(value)


def _code(text: str) -> str:
    return f"`{text}`" if text else "None"
