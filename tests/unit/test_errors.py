"""One way to say that a name is not known."""

from __future__ import annotations

import pytest

from kwsfeat import ConfigError, UnknownNameError, unknown_name


@pytest.mark.parametrize(
    ("kind", "name", "message"),
    [
        ("split", "tset", "'tset' is not a split: did you mean test or best?"),
        ("augmentation", "xyz", "'xyz' is not an augmentation: there are train, test, best"),
        ("split", "est", "'est' is not a split: did you mean test or best?"),
        ("split", 7, "7 is not a split: there are train, test, best"),
    ],
)
def test_an_unknown_name_is_told_what_it_may_have_been(kind: str, name: object, message: str) -> None:
    error = unknown_name(kind, name, ["train", "test", "best"])
    assert str(error) == message
    assert isinstance(error, ConfigError | UnknownNameError)
    assert error.exit_code == 2
