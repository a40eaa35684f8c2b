"""The architecture, read from the imports: arrows point one way, heavy libraries stay out of `import kwsfeat`, folders stay small."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from functools import cache
from importlib import import_module
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

# A package imports only itself and what stands before it; docs/architecture.md shows the same order.
ORDER = {
    "kwsfeat": [
        "errors",
        "renamed",
        "moved",
        "threads",
        "kernels",
        "design",
        "config",
        "audio",
        "features",
        "stream",
        "augment",
        "dataset",
        "corpus",
        "detection",
        "pipeline",
        "report",
        "cli",
    ],
    "kwstrain": [
        "io",
        "devices",
        "processes",
        "kernels",
        "models",
        "streaming",
        "operations",
        "config",
        "data",
        "inference",
        "evaluation",
        "detection",
        "listening",
        "report",
        "training",
        "teaching",
        "export",
        "recipes",
        "studio",
        "cli",
    ],
}
# Folders inside a package that have an order of their own.
INNER = {
    "kwsfeat/kernels": [
        "_cache",
        "_jit",
        "simd",
        "simd_int",
        "simd_exp",
        "simd_sum",
        "pointer_table",
        "crc",
        "statistics",
        "fft",
        "spectrum",
        "micro",
        "waveform",
    ],
    "kwstrain/kernels": [
        "frame",
        "threads",
        "declaration",
        "together",
        "call",
        "stream",
        "registers",
        "conv",
        "pooled",
        "weight_gradient",
        "broadcast",
        "depthwise",
    ],
}
# What the commands of both programs have in common, which kwstrain's may import.
SHARED = ("cli.boundary", "cli.console", "cli.options")
# What the kernels of both packages have in common: how they are compiled, and the vector type.
FOR_KERNELS = ("kernels._jit", "kernels.simd", "kernels.simd_exp")
MOST_FILES = 12
MOST_LINES = 400
COMMENTED = ("kwsfeat", "kwstrain", "tests", "benchmarks", "docs", "examples")


def modules(package: str) -> list[Path]:
    return sorted((ROOT / package).rglob("*.py"))


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


@cache
def imports(path: Path) -> set[str]:
    """Dotted names that a file imports anywhere in it, `from a import b` as a.b."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def upward(path: Path, inside: str, order: list[str]) -> list[str]:
    """The imports of `path` that point to a later part of `inside` than its own."""
    prefix = inside.replace("/", ".") + "."
    mine = path.relative_to(ROOT / inside).parts[0].removesuffix(".py")
    parts = {name: name.removeprefix(prefix).split(".")[0] for name in imports(path) if name.startswith(prefix)}
    return [name for name, part in parts.items() if part in order and order.index(part) > order.index(mine)]


@pytest.mark.parametrize("package", ORDER)
def test_every_part_has_its_place_in_the_order(package: str) -> None:
    """A new folder or file at the top of a package is written into the order, or this fails."""
    parts = {p.name.removesuffix(".py") for p in (ROOT / package).iterdir() if p.suffix == ".py" or (p.is_dir() and any(p.glob("*.py")))}
    assert parts - {"__init__"} == set(ORDER[package])


@pytest.mark.parametrize("path", [p for package in ORDER for p in modules(package)], ids=name_of)
def test_imports_point_one_way(path: Path) -> None:
    package = path.relative_to(ROOT).parts[0]
    if path.parent != ROOT / package or path.name != "__init__.py":
        assert not upward(path, package, ORDER[package])


@pytest.mark.parametrize(
    ("folder", "path"), [(f, p) for f in INNER for p in modules(f)], ids=lambda x: x if isinstance(x, str) else name_of(x)
)
def test_imports_inside_a_package_point_one_way(folder: str, path: Path) -> None:
    if path.parent != ROOT / folder or path.name != "__init__.py":
        assert not upward(path, folder, INNER[folder])


@pytest.mark.parametrize("path", modules("kwsfeat"), ids=name_of)
def test_kwsfeat_never_imports_the_trainer_or_jax(path: Path) -> None:
    assert not {n for n in imports(path) if n.split(".")[0] in ("kwstrain", "jax", "flax", "optax")}


@pytest.mark.parametrize("path", modules("kwstrain"), ids=name_of)
def test_kwstrain_uses_only_what_kwsfeat_exports(path: Path) -> None:
    import kwsfeat

    public = {*kwsfeat.__all__, "__version__"}
    if "cli" in path.relative_to(ROOT).parts:
        public |= {f"{module}.{name}" for module in SHARED for name in vars(import_module(f"kwsfeat.{module}"))}
    if path.relative_to(ROOT).parts[:2] == ("kwstrain", "kernels"):
        public |= {f"{module}.{name}" for module in FOR_KERNELS for name in vars(import_module(f"kwsfeat.{module}"))}
    assert not {n for n in imports(path) if n.startswith("kwsfeat.") and n.removeprefix("kwsfeat.") not in public}


@pytest.mark.parametrize("path", modules("kwsfeat/kernels") + modules("kwstrain/kernels"), ids=name_of)
def test_kernels_import_numpy_numba_and_each_other_only(path: Path) -> None:
    """Except for the one file by which JAX calls them."""
    allowed = {"numpy", "numba", "llvmlite", *sys.stdlib_module_names} | ({"jax"} if path.name == "call.py" else set())
    mine = ("kwsfeat.kernels", "kwstrain.kernels")
    assert not {n for n in imports(path) if n.split(".")[0] not in allowed and not n.startswith(mine)}


@pytest.mark.parametrize("path", modules("kwsfeat") + modules("kwstrain"), ids=name_of)
def test_click_appears_in_the_command_lines_only(path: Path) -> None:
    if "cli" not in path.relative_to(ROOT).parts:
        assert not {n for n in imports(path) if n.split(".")[0] == "click"}


@pytest.mark.parametrize("path", modules("kwsfeat/kernels") + modules("kwstrain/kernels"), ids=name_of)
def test_one_decorator_compiles_everything(path: Path) -> None:
    if path.name != "_jit.py":
        assert "njit" not in path.read_text()
        assert "fastmath" not in path.read_text()


def test_importing_kwsfeat_loads_nothing_heavy() -> None:
    heavy = ("numba", "h5py", "scipy", "soundfile", "matplotlib", "jax")
    code = f"import sys, kwsfeat, kwsfeat.cli, kwstrain, kwstrain.cli; print([m for m in {heavy} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=os.environ)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("package", ["kwsfeat", "kwstrain"])
def test_the_files_stay_readable(package: str) -> None:
    long = {name_of(p): n for p in modules(package) if (n := len(p.read_text().splitlines())) > MOST_LINES}
    assert not long


@pytest.mark.parametrize("root", [root for root in COMMENTED if (ROOT / root).is_dir()])
def test_no_folder_has_more_than_a_dozen_files(root: str) -> None:
    """What lies side by side can be read as a list; more than that needs folders."""
    folders = [ROOT / root, *(p for p in (ROOT / root).rglob("*") if p.is_dir())]
    counted = {name_of(f): sum(p.is_file() and p.suffix not in (".pyc", ".nbi", ".nbc") for p in f.iterdir()) for f in folders}
    assert not {name: n for name, n in counted.items() if n > MOST_FILES}


@pytest.mark.parametrize("package", ORDER)
def test_the_page_shows_the_same_order(package: str) -> None:
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    section = page.split(f"\n## {package}\n")[1].split("\n## ")[0]
    assert re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE) == ORDER[package]


def test_the_way_of_a_clip_is_the_one_that_the_page_shows() -> None:
    """Every call is there, and each half takes at most six."""
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    halves = [re.findall(r"^(kws[\w.]+)\(", half, re.MULTILINE) for half in page.split("```")[1].split("\n\n")]
    assert [1 < len(half) <= 6 for half in halves] == [True, True]
    for call in (call for half in halves for call in half):
        names = call.split(".")
        depth = next(n for n in range(len(names) - 1, 0, -1) if is_module(".".join(names[:n])))
        value = import_module(".".join(names[:depth]))
        for name in names[depth:]:
            value = getattr(value, name)
        assert callable(value)


def is_module(name: str) -> bool:
    """Whether `name` is a module."""
    try:
        import_module(name)
    except ModuleNotFoundError:
        return False
    return True
