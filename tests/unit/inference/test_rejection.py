"""The threshold keeps what it promises, and a run without one rejects nothing."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("jax")

from kwsfeat import StoreError
from kwstrain.inference.bundle import Bundle
from kwstrain.inference.rejection import rejection_threshold

GOLDEN = Path(__file__).resolve().parents[2] / "golden" / "lstm"


@pytest.mark.parametrize(("n", "k"), [(20, 1), (48, 1), (98, 1), (99, 2), (149, 3), (1000, 20)])
def test_the_threshold_is_the_probability_of_the_kth_least_certain_clip(n: int, k: int) -> None:
    given = np.random.default_rng(n).random(n)
    threshold = rejection_threshold(given)
    assert threshold is not None
    assert np.sum(given < threshold) == k - 1
    assert np.mean(given >= threshold) >= 0.98


def test_too_few_clips_give_none() -> None:
    assert rejection_threshold(np.full(19, 0.9)) is None
    assert rejection_threshold(np.zeros(0)) is None


@pytest.mark.parametrize("n", [20, 60, 300])
def test_so_many_new_clips_stay_as_promised(n: int) -> None:
    """Whatever the distribution: here most are certain and some are not."""
    rng = np.random.default_rng(0)
    lost = [np.mean(rng.beta(8, 1, 500) < (rejection_threshold(rng.beta(8, 1, n)) or 0.0)) for _ in range(400)]
    assert np.mean(lost) == pytest.approx(max(1, int(0.02 * (n + 1))) / (n + 1), abs=0.004)


def test_a_run_without_a_threshold_rejects_nothing_and_a_damaged_one_is_named(tmp_path: Path) -> None:
    run = tmp_path / "run"
    shutil.copytree(GOLDEN, run)
    assert Bundle.load(run).threshold is None
    summary = json.loads((run / "summary.json").read_text())
    for value in ("high", 7.5, -0.1, float("nan"), [0.5]):
        (run / "summary.json").write_text(json.dumps({**summary, "threshold": value}))
        with pytest.raises(StoreError, match=r"summary\.json is damaged: threshold"):
            Bundle.load(run).threshold  # noqa: B018
    (run / "summary.json").write_text(json.dumps({**summary, "threshold": 0.5}))
    assert Bundle.load(run).threshold == 0.5
    (run / "summary.json").unlink()
    assert Bundle.load(run).threshold is None
