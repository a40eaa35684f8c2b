"""References: what is written is read, Audacity's labels, and lines that cannot be right."""

from __future__ import annotations

from pathlib import Path

import pytest

from kwsfeat import CorpusError, Interval, UnknownNameError, read_reference
from kwsfeat.detection.reference import write_reference

NAN = float("nan")


def same(a: Interval, b: Interval) -> bool:
    return repr(a) == repr(b)


def test_what_is_written_is_read(tmp_path: Path) -> None:
    intervals = [Interval(0.0, 60.0, source="music"), Interval(1.25, 1.75, "yes, sir", "", 12.5, -23.0), Interval(9.0, 9.5, '"no"\t', "x")]
    write_reference(tmp_path / "a.csv", intervals)
    given = read_reference(tmp_path / "a.csv")
    assert [repr(one) for one in given] == [repr(one) for one in [*intervals[:2], Interval(9.0, 9.5, '"no"', "x")]]


def test_a_table_needs_three_columns_in_any_order(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("\ufeffword,end_s,start_s\nno,3,2\nyes,1.5,1\n", encoding="utf-8")
    assert all(map(same, read_reference(tmp_path / "a.csv"), [Interval(1.0, 1.5, "yes"), Interval(2.0, 3.0, "no")]))


def test_empty_cells_beyond_the_columns_are_nothing(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("start_s,end_s,word\n1,2,yes,, \n")
    (tmp_path / "b.txt").write_text("1\t2\tyes\t\t\n")
    for name in ("a.csv", "b.txt"):
        assert [repr(one) for one in read_reference(tmp_path / name)] == [repr(Interval(1.0, 2.0, "yes"))]


def test_labels_of_audacity(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("0.5\t1.0\tyes\n\\\t100.0\t900.0\n\n2\t60\t[music]\n3.0\t3.0\ttree\n")
    given = read_reference(tmp_path / "a.txt")
    assert all(map(same, given, [Interval(0.5, 1.0, "yes"), Interval(2.0, 60.0, "", "music"), Interval(3.0, 3.0, "tree")]))


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.csv", "", "lacks the column start_s"),
        ("a.csv", "start_s,end_s\n", "lacks the column word"),
        ("a.csv", "start_s,end_s,word\n1,x,yes\n", "a.csv, line 2: end_s is 'x', not a number"),
        ("a.csv", "start_s,end_s,word\n1,2,yes\n3,2,yes\n", "line 3: 3 to 2 s is no interval"),
        ("a.csv", "start_s,end_s,word\nnan,2,yes\n", "line 2: nan to 2 s is no interval"),
        ("a.csv", "start_s,end_s,word\n1,inf,yes\n", "line 2: 1 to inf s is no interval"),
        ("a.csv", "start_s,end_s,word\n-1,2,yes\n", "line 2: -1 to 2 s is no interval"),
        ("a.csv", "start_s,end_s,word\n,2,yes\n", "line 2: start_s is '', not a number"),
        ("a.csv", "start_s,end_s,word\n1\n", "line 2: end_s is '', not a number"),
        ("a.csv", "start_s,end_s,word,snr_db\n1,2,yes,loud\n", "line 2: snr_db is 'loud'"),
        ("a.csv", "start_s,end_s,word\n1,4,no\n1,4,snow,boy\n", "line 3: 'boy' is in no column: write a word that has a comma in q"),
        ("a.csv", f"start_s,end_s,word\n1,2,no\n1,2,{'x' * 140_000}\n", "a.csv, line 3: field larger than field limit"),
        ("a.csv", f"start_s,end_s,{'x' * 140_000}\n", "a.csv, line 1: field larger than field limit"),
        ("a.txt", "1\t4\tsnow\tboy\n", "a.txt, line 1: 'boy' is not in the label"),
        ("a.txt", "1.0 2.0 yes\n", "line 1: '1.0 2.0 yes' is not a label"),
        ("a.txt", "one\ttwo\tyes\n", "line 1: start_s is 'one', not a number"),
    ],
)
def test_lines_that_cannot_be_right_are_named(tmp_path: Path, name: str, text: str, message: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(CorpusError, match=message) as caught:
        read_reference(tmp_path / name)
    assert "\n" not in str(caught.value)


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match=r"a\.csv: cannot be read: No such file"):
        read_reference(tmp_path / "a.csv")
    (tmp_path / "b.csv").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(CorpusError, match="not text in UTF-8"):
        read_reference(tmp_path / "b.csv")
    (tmp_path / "c.csv").write_text("start_s,end_s,word,sorce\n")
    with pytest.raises(UnknownNameError, match="did you mean source"):
        read_reference(tmp_path / "c.csv")
