"""What runs that are put side by side have in common, and what not."""

from __future__ import annotations

from typing import Any

import pytest

pytest.importorskip("jax")

from kwsfeat import UnknownNameError
from kwstrain.config import changed, defaults
from kwstrain.evaluation.compare import Row, differences


def a_run(name: str, labels: tuple[str, ...] = ("no", "yes"), **changes: Any) -> Row:
    values = {"run": name, "file": "/data/words.h5", "classes": len(labels), "val_clips": 20, "test_clips": 30, **changes}
    return Row(values, [], labels, {})


def test_runs_on_the_same_data_are_compared_without_a_word() -> None:
    assert differences([a_run("a"), a_run("b", test_clips=None), a_run("c")]) == []
    assert differences([a_run("a")]) == []


def test_what_differs_is_named_with_the_runs_that_differ() -> None:
    rows = [a_run("a"), a_run("b", file="/data/other.h5", val_clips=25), a_run("c", ("no", "up", "yes"))]
    assert differences(rows) == [
        "the runs were trained on different files: a /data/words.h5, b /data/other.h5",
        "the validation accuracies are of different numbers of clips: a 20, b 25",
        "the runs know different classes: c alone has up",
    ]
    assert differences([a_run("a", ("go", "no")), a_run("b", ("no", "yes"), test_clips=31)]) == [
        "the test accuracies are of different numbers of clips: a 30, b 31",
        "the runs know different classes: a alone has go; b alone has yes",
    ]


@pytest.mark.parametrize(
    ("arch", "name", "meant"),
    [
        ("lstm", "unit", "options.units"),
        ("lstm", "units", "options.units"),
        ("cnn", "dropuot", "options.dropout"),
        ("cnn", "epoch", "epochs"),
        ("cnn", "dtypes", "dtype"),
    ],
)
def test_an_unknown_choice_suggests_fields_and_options_of_the_network(arch: str, name: str, meant: str) -> None:
    with pytest.raises(UnknownNameError, match=f"{name!r} is not a field of TrainConfig: did you mean .*{meant}") as error:
        changed(defaults(arch), {name: 3})
    assert "options.dtype" not in str(error.value)


def test_an_unknown_choice_that_is_like_nothing_lists_both() -> None:
    with pytest.raises(UnknownNameError, match=r"there are .*options\.units, .*arch, "):
        changed(defaults("lstm"), {"qqqqqq": 3})
