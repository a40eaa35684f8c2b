"""The architecture, read from the imports: arrows point one way, heavy libraries stay out of `import kwsfeat`."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
LIGHT = {"kwsfeat/__init__.py", "kwsfeat/errors.py", "kwstrain/__init__.py"}


def modules(package: str) -> list[Path]:
    return sorted((ROOT / package).rglob("*.py"))


def imports(path: Path, *, top_level_only: bool = False) -> set[str]:
    """Dotted names of the modules that a file imports, `from a import b` as a.b."""
    tree = ast.parse(path.read_text())
    nodes = tree.body if top_level_only else list(ast.walk(tree))
    names: set[str] = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


@pytest.mark.parametrize("path", modules("kwsfeat"), ids=lambda p: str(p.relative_to(ROOT)))
def test_kwsfeat_never_imports_the_trainer_or_jax(path):
    assert not {n for n in imports(path) if n.split(".")[0] in ("kwstrain", "jax", "flax", "optax")}


@pytest.mark.parametrize("path", modules("kwstrain"), ids=lambda p: str(p.relative_to(ROOT)))
def test_kwstrain_uses_only_what_kwsfeat_exports(path):
    import kwsfeat

    deep = {n for n in imports(path) if n.startswith("kwsfeat.") and n.removeprefix("kwsfeat.") not in {*kwsfeat.__all__, "__version__"}}
    assert not deep


@pytest.mark.parametrize("path", modules("kwsfeat/kernels"), ids=lambda p: str(p.relative_to(ROOT)))
def test_kernels_import_numpy_numba_and_each_other_only(path):
    allowed = {"numpy", "numba", "llvmlite", "__future__", "collections", "typing", "functools", "hashlib", "math", "operator", "os",
               "pathlib", "platform", "sys", "warnings"}  # fmt: skip
    foreign = {n for n in imports(path) if n.split(".")[0] not in allowed and not n.startswith("kwsfeat.kernels")}
    assert not foreign


@pytest.mark.parametrize("path", modules("kwsfeat") + modules("kwstrain"), ids=lambda p: str(p.relative_to(ROOT)))
def test_click_appears_in_the_command_lines_only(path):
    if "cli" not in path.relative_to(ROOT).parts:
        assert not {n for n in imports(path) if n.split(".")[0] == "click"}


@pytest.mark.parametrize("path", modules("kwsfeat/kernels"), ids=lambda p: str(p.relative_to(ROOT)))
def test_one_decorator_compiles_everything(path):
    if path.name != "_jit.py":
        assert "njit" not in path.read_text()
        assert "fastmath" not in path.read_text()


def test_kernels_do_not_import_upwards_through_the_package():
    below = ["errors", "mel", "config", "presets", "kernels", "windows", "audio", "filters", "plan", "frontend", "spectral", "cepstral"]
    for i, name in enumerate(below):
        if name == "kernels":
            continue
        for imported in imports(ROOT / "kwsfeat" / f"{name}.py"):
            parts = imported.split(".")
            if parts[0] == "kwsfeat" and len(parts) > 1 and parts[1] in below:
                assert below.index(parts[1]) < i, f"{name} imports {imported}"


def test_importing_kwsfeat_loads_nothing_heavy():
    heavy = ("numba", "h5py", "scipy", "soundfile", "matplotlib", "jax")
    code = f"import sys, kwsfeat, kwsfeat.cli; print([m for m in {heavy} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=os.environ)
    assert done.stdout.strip() == "[]"


def test_every_public_name_exists_and_is_documented():
    import kwsfeat

    for name in kwsfeat.__all__:
        value = getattr(kwsfeat, name)
        assert name in dir(kwsfeat)
        if callable(value):
            assert value.__doc__
    with pytest.raises(AttributeError, match="no attribute 'spectogram'"):
        kwsfeat.spectogram  # noqa: B018


def test_the_files_stay_readable():
    long = {str(p.relative_to(ROOT)): n for p in modules("kwsfeat") + modules("kwstrain") if (n := len(p.read_text().splitlines())) > 480}
    assert not long
