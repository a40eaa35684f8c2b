"""A policy of one's own that makes no sense is refused in one line, which names the policy, the field and the value."""

from __future__ import annotations

from pathlib import Path

import pytest

from kwsfeat.augment import load_policy
from kwsfeat.errors import ConfigError

PART = "[[chain.parts]]\nkind = "


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[chain]\nparts = 'x'", "parts='x' must be a list of tables"),
        ("[chain]\nparts = ['x']", r"parts=\['x'\] must be a list of tables"),
        ("[chain]\np = 'x'", "p='x' must be a finite number"),
        ("chain = 'x'", r"chain='x' must be a table, \[chain\]"),
        ("grid = 1", r"grid=1 must be a table, \[grid\]"),
        ("[grid]\nrates = 1\nsteps = [0]", "rates=1 must be a list of numbers"),
        ("[grid]\nrates = [1]\nsteps = ['x']", r"steps=\['x'\] must be a list of numbers"),
        (PART + "'gain'\np = 'x'", "p='x' must be a finite number"),
        (PART + "'gain'\ngain_db = true", "gain: gain_db=True: "),
        (PART + "'filter'\norder = nan", "order=nan must be a whole number"),
        (PART + "'one_of'\nparts = 'x'", "parts='x' must be a list of tables"),
        (PART + "'one_of'\nparts = [{kind = 'gain'}]\nweights = 1", "weights=1 must be a list of numbers"),
        (PART + "'one_of'\nparts = [{kind = 'gain'}]\nweigths = [1]", "'weigths' is not a field of one_of: did you mean weights"),
        (PART + "'compose'\nparts = [[1]]", r"parts=\[\[1\]\] must be a list of tables"),
        (PART + "'time_stretch'\nmethod = 'x'", "method='x' must be one of wsola, vocoder, vocoder-locked, speed"),
        (PART + "'pitch_shift'\nmethod = 'speed'", "method='speed' must be one of wsola, vocoder, vocoder-locked"),
    ],
)
def test_a_value_of_the_wrong_kind_is_refused_by_name(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=f"^policy mine: {message}") as caught:
        load_policy(path)
    assert "\n" not in str(caught.value)


def test_a_policy_that_is_no_text_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigError, match=r"mine\.toml: not a text in UTF-8"):
        load_policy(path)
