"""How many threads there are where the caller does not say."""

from __future__ import annotations

import os

import pytest

from kwsfeat import ConfigError, thread_count


def test_what_is_asked_for_is_not_limited() -> None:
    assert thread_count(1) == 1
    assert thread_count(100) == 100
    with pytest.raises(ConfigError, match="threads=0 must be >= 1"):
        thread_count(0)


def test_the_processors_of_this_process_count_and_not_those_of_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: 64)
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {1, 5, 7}, raising=False)
    assert thread_count() == 3


@pytest.mark.parametrize(("processors", "threads"), [(4, 4), (64, 16), (None, 1)])
def test_systems_without_affinity(processors: int | None, threads: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: processors)
    assert thread_count() == threads
