"""The API reference, as HTML: ``python tools/reference.py build/reference``.

Exits with 1 and a line for each fault when a public name has no docstring, or a docstring refers to something that is not there.
"""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from pkgutil import walk_packages
from types import ModuleType
from typing import Any

import pdoc
import pdoc.render

PUBLIC = ["kwsfeat", "kwsfeat.augment", "kwstrain", "kwstrain.models"]
ROLE = re.compile(r":(?:func|class|meth|mod|attr|data|exc):`~?([^`]+)`")


def main(folder: Path) -> None:
    """Write the reference into `folder`."""
    if faults := [*undocumented(), *broken_references()]:
        sys.exit("\n".join(faults))
    pdoc.render.configure(docformat="numpy", search=True, footer_text="kwsfeat and kwstrain")
    pdoc.pdoc(*PUBLIC, output_directory=folder)
    if faults := [*broken_links(folder)]:
        sys.exit("\n".join(faults))
    print(f"{folder / 'index.html'}: {len(PUBLIC)} modules")


def undocumented() -> Iterator[str]:
    """Public names, and public methods and properties of public classes, without a docstring."""
    for module_name in PUBLIC:
        module = import_module(module_name)
        for name in module.__all__:
            value = getattr(module, name)
            if (inspect.isclass(value) or inspect.isroutine(value)) and not inspect.getdoc(value):
                yield f"{module_name}.{name} has no docstring"
            if inspect.isclass(value):
                yield from (f"{module_name}.{name}.{member} has no docstring" for member in bare_members(value))


def bare_members(value: type) -> Iterator[str]:
    """Public methods and properties that a class of ours defines, without a docstring of their own or of a base."""
    for name, member in vars(value).items():
        documentable = inspect.isroutine(member) or isinstance(member, property)
        if not name.startswith("_") and documentable and not inspect.getdoc(getattr(value, name)):
            yield name


def broken_references() -> Iterator[str]:
    """What a docstring of any module refers to, ``:func:`x```, and is not there."""
    for package in ("kwsfeat", "kwstrain"):
        for found in walk_packages(import_module(package).__path__, f"{package}."):
            module = import_module(found.name)
            for owner, cls, text in docstrings(module):
                for target in ROLE.findall(text):
                    if not resolves(target, module, cls):
                        yield f"{found.name}: {target} in the docstring of {owner} is not there"


def docstrings(module: ModuleType) -> Iterator[tuple[str, type | None, str]]:
    """Every docstring of a module: whose it is, the class that it is in, and its text."""
    yield module.__name__, None, inspect.getdoc(module) or ""
    for name, value in list(vars(module).items()):
        if getattr(value, "__module__", None) == module.__name__ and (inspect.isclass(value) or inspect.isfunction(value)):
            cls = value if inspect.isclass(value) else None
            yield name, cls, inspect.getdoc(value) or ""
            for member_name, member in list(vars(value).items()) if cls else ():
                if inspect.isfunction(member) or isinstance(member, property):
                    yield f"{name}.{member_name}", cls, inspect.getdoc(member) or ""


def resolves(target: str, module: ModuleType, cls: type | None) -> bool:
    """Whether a dotted name can be reached from the class or the module that it stands in, or from the top."""
    if reaches(module, target) or (cls and (reaches(cls, target) or f"self.{target}" in inspect.getsource(cls))):
        return True
    return any(importable(head) and reaches(import_module(head), tail) for head, tail in splits(target))


def reaches(start: Any, dotted: str) -> bool:
    """Whether the attributes lie one in the other; a dataclass's field without a default counts."""
    for name in dotted.split(".") if dotted else []:
        if not hasattr(start, name) and name not in getattr(start, "__annotations__", {}):
            return False
        start = getattr(start, name, None)
    return True


def splits(target: str) -> Iterator[tuple[str, str]]:
    """``a.b.c`` as (a.b.c, ""), (a.b, c), (a, b.c)."""
    names = target.split(".")
    return ((".".join(names[:n]), ".".join(names[n:])) for n in range(len(names), 0, -1))


def importable(name: str) -> bool:
    """Whether `name` is a module."""
    try:
        import_module(name)
    except ImportError:
        return False
    return True


def broken_links(folder: Path) -> Iterator[str]:
    """Links of the pages to files or anchors that do not exist."""
    pages = {path.resolve(): path.read_text(encoding="utf-8") for path in folder.rglob("*.html")}
    anchors = {path: set(re.findall(r'id="([^"]+)"', text)) for path, text in pages.items()}
    for path, text in pages.items():
        for link in sorted(set(re.findall(r'href="([^":$]+)"', text))):
            file, _, anchor = link.partition("#")
            target = (path.parent / file).resolve() if file else path
            inherited = anchor and target.exists() and reaches(module_of(target, folder), anchor)  # shown, but without an anchor
            if not target.exists() or not (anchor in anchors[target] or not anchor or inherited):
                yield f"{path.name}: the link {link} leads nowhere"


def module_of(page: Path, folder: Path) -> Any:
    """The module that a page is about; None for the index."""
    name = ".".join(page.relative_to(folder.resolve()).with_suffix("").parts)
    return import_module(name) if importable(name) else None


if __name__ == "__main__":
    main(Path(sys.argv[1]))
