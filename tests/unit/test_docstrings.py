"""The docstrings of the public names: complete by numpydoc's own checks, and their examples run."""

from __future__ import annotations

import ast
import doctest
import inspect
import shutil
import textwrap
from dataclasses import is_dataclass
from importlib import import_module
from pathlib import Path
from types import FunctionType
from typing import Any

import numpy as np
import pytest
import soundfile
from tones import tone_clip

validate = pytest.importorskip("numpydoc.validate", reason="numpydoc checks the docstrings").validate

GOLDEN = Path(__file__).resolve().parents[1] / "golden"
# What numpydoc must not find. Types stand in the signatures, so PR04 (a parameter without a type) is allowed for "as for stft".
OF_EVERYTHING = {
    "GL07",  # sections in another order than numpydoc's
    "GL08",  # no docstring
    "SS01",  # no summary
    "SS03",  # a summary without a full stop
    "PR02",  # a parameter that does not exist
    "PR10",  # no space before the colon
}
OF_PUBLIC_NAMES = OF_EVERYTHING | {
    "PR01",  # a parameter that is not described
    "RT01",  # no section Returns
    "YD01",  # no section Yields
    "EX01",  # no examples
}
# Configurations describe their fields where they declare them; errors and the writer's block protocol need no example.
FIELDS_TELL = ("FeatureConfig", "TrainConfig", "ClipConfig")
NO_EXAMPLE = ("Writer",)


def public(package: str) -> list[Any]:
    module = import_module(package)
    return [pytest.param(getattr(module, name), id=f"{package}.{name}") for name in module.__all__ if callable(getattr(module, name))]


PUBLIC = public("kwsfeat") + public("kwstrain")


def problems(value: Any, checks: set[str]) -> list[str]:
    found = validate(f"{value.__module__}.{value.__qualname__}")["errors"]
    return [f"{value.__qualname__}: {code} {text}" for code, text in found if code in checks]


@pytest.mark.parametrize("value", PUBLIC)
def test_public_names_are_described_completely(value: Any) -> None:
    checks = OF_PUBLIC_NAMES
    if (inspect.isclass(value) and issubclass(value, Exception)) or value.__name__ in FIELDS_TELL:
        checks = OF_EVERYTHING
    elif value.__name__ in NO_EXAMPLE:
        checks = OF_PUBLIC_NAMES - {"EX01"}
    assert problems(value, checks) == []


@pytest.mark.parametrize("value", [value for value in PUBLIC if inspect.isclass(value.values[0])])
def test_methods_are_described(value: type) -> None:
    methods = [m for name, m in vars(value).items() if not name.startswith("_") and isinstance(m, FunctionType)]
    assert [problem for method in methods for problem in problems(method, OF_EVERYTHING)] == []


@pytest.mark.parametrize("value", PUBLIC)
def test_what_is_raised_is_listed(value: Any) -> None:
    """A name that raises an error itself has a section Raises, which names each error of its own that it raises by name."""
    source = inspect.unwrap(value.__init__ if inspect.isclass(value) else value)
    if inspect.isclass(value) and (issubclass(value, Exception) or is_dataclass(value)):
        return  # what dataclasses make has no source; errors raise nothing
    raises = [node.exc for node in ast.walk(ast.parse(textwrap.dedent(inspect.getsource(source)))) if isinstance(node, ast.Raise)]
    names = {call.func.id for call in raises if isinstance(call, ast.Call) and isinstance(call.func, ast.Name)}
    raised = {"UnknownNameError" if name == "unknown_name" else name for name in names if name.endswith("Error") or name == "unknown_name"}
    _, _, section = (inspect.getdoc(value) or "").partition("\nRaises\n------\n")
    assert not {name for name in raised if name not in section}


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The files that examples name: some recordings, a file and a run."""
    for i, word in enumerate(("yes", "no")):
        (tmp_path / "recordings" / word).mkdir(parents=True)
        for take, speaker in enumerate(("ann", "bob", "cid", "dee")):
            y = (tone_clip(i, take)[:12000] * 32767).astype(np.int16)
            soundfile.write(tmp_path / "recordings" / word / f"{speaker}_nohash_0.wav", y, 16000)
    shutil.copy(GOLDEN / "words.h5", tmp_path / "words.h5")
    shutil.copytree(GOLDEN / "cnn", tmp_path / "runs" / "words")
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize(
    "value", [pytest.param(p.values[0], id=p.id, marks=[pytest.mark.slow] if p.id.startswith("kwstrain") else []) for p in PUBLIC]
)
@pytest.mark.usefixtures("world")
def test_examples_run(value: Any, capsys: pytest.CaptureFixture[str]) -> None:
    module = import_module(value.__module__)
    runner = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS)
    for test in doctest.DocTestFinder(recurse=inspect.isclass(value)).find(value, value.__name__, module, globs={value.__name__: value}):
        runner.run(test)
    assert runner.failures == 0, capsys.readouterr().out
