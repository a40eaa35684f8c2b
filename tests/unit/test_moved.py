"""Modules are found under the names that they had in version 0.1.0."""

from __future__ import annotations

import sys
from importlib import import_module

import pytest

from kwsfeat.moved import MOVED


@pytest.mark.parametrize("name", MOVED)
def test_an_earlier_name_gives_what_the_new_one_has(name, monkeypatch):
    if MOVED[name] == "kwstrain.recipes.tune":
        pytest.importorskip("optuna")
    monkeypatch.delitem(sys.modules, name, raising=False)
    with pytest.warns(DeprecationWarning, match=f"{name} is {MOVED[name]} now"):
        earlier = import_module(name)
    public = {one: value for part in MOVED[name].split(", ") for one, value in vars(import_module(part)).items() if not one.startswith("_")}
    assert public
    assert all(getattr(earlier, one) is value for one, value in public.items())


def test_a_name_that_never_was_is_not_found():
    with pytest.raises(ModuleNotFoundError, match=r"kwsfeat\.nothing"):
        import_module("kwsfeat.nothing")
