"""The public names of both packages: there, typed, documented."""

from __future__ import annotations

import inspect
from importlib import import_module
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("kwsfeat", "kwstrain")


@pytest.mark.parametrize("package", PACKAGES)
def test_every_name_exists(package: str) -> None:
    module = import_module(package)
    assert module.__all__ == sorted(set(module.__all__))
    assert dir(module) == module.__all__
    for name in module.__all__:
        value = getattr(module, name)
        assert value.__name__ == name if callable(value) else value
    with pytest.raises(AttributeError, match="spectogram"):
        module.spectogram  # noqa: B018


def test_the_trainer_exports_what_it_is_made_of() -> None:
    assert {"fit", "evaluate", "predict", "load", "create", "TrainConfig"} <= set(import_module("kwstrain").__all__)


@pytest.mark.parametrize("package", PACKAGES)
def test_a_path_may_be_a_text(package: str) -> None:
    """Wherever a public function takes a path."""
    module = import_module(package)
    values = [getattr(module, name) for name in module.__all__]
    methods = [method for value in values if inspect.isclass(value) for _, method in inspect.getmembers(value, inspect.isfunction)]
    asked = {
        f"{f.__qualname__}({parameter})"
        for f in [*filter(inspect.isfunction, values), *methods] if f.__module__.startswith(package)
        for parameter in inspect.signature(f).parameters.values()
        if "Path" in str(parameter.annotation) and "str" not in str(parameter.annotation) and "Callable" not in str(parameter.annotation)
    }  # fmt: skip
    assert asked <= {"StreamFile.__init__(audio: 'Path')"}, "what has a Path as an attribute shows what it was given"


@pytest.mark.slow
def test_type_checkers_see_through_the_border(tmp_path: Path) -> None:
    """Right use passes under --strict, wrong use is an error, and nothing is Any."""
    mypy = pytest.importorskip("mypy.api")
    (tmp_path / "use.py").write_text(USE)
    config = ROOT / "pyproject.toml"
    out, err, _ = mypy.run([str(tmp_path / "use.py"), f"--config-file={config}", "--follow-imports=silent", f"--cache-dir={tmp_path}"])
    assert err == ""
    errors = [line.split(": error: ")[1] for line in out.splitlines() if ": error: " in line]
    assert errors == ['Argument 1 to "preset" has incompatible type "int"; expected "str"  [arg-type]'], out


USE = """
from typing import assert_type
import kwsfeat, kwstrain, numpy as np
from numpy.typing import NDArray

assert_type(kwsfeat.FrontEnd(kwsfeat.preset("logmel")).extract([0.0]), NDArray[np.float32])
assert_type(kwstrain.TrainConfig().epochs, int)
assert_type(kwstrain.fit("a.h5", kwstrain.TrainConfig(), "run").best_epoch, int)
class Mine(kwsfeat.KwsError): ...
kwsfeat.preset(3)
"""


@pytest.mark.parametrize("package", PACKAGES)
def test_the_wheel_says_that_it_is_typed(package: str) -> None:
    assert (ROOT / package / "py.typed").is_file()
    assert (ROOT / package / "__init__.pyi").is_file()
