"""One way to say that a name is not known, or that one path is not a list."""

from __future__ import annotations

from pathlib import Path

import pytest

from kwsfeat import ConfigError, UnknownNameError, merge_files, read_negatives, refuse_one_path, unknown_name
from kwstrain import predict


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


@pytest.mark.parametrize("given", ["a.wav", Path("a.wav")], ids=["text", "path"])
def test_one_path_is_no_list(given: object, tmp_path: Path) -> None:
    """A text is a sequence too: of its letters, each of which would be a file that there is not."""
    for call in (
        lambda: next(predict(tmp_path, given)),
        lambda: merge_files(given, tmp_path / "set"),
        lambda: next(read_negatives(given, 16000)),
    ):
        with pytest.raises(ConfigError, match=r"=.*a\.wav.* is one path: put it into a list, \["):
            call()
    refuse_one_path("paths", [given])
