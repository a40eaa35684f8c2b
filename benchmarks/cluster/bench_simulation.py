"""The simulated cluster is the measured machine where it has its one or two cores."""

from __future__ import annotations

from dataclasses import astuple, replace

import pytest
from simulate_cluster import CLUSTER, MEASURED, simulate


@pytest.mark.parametrize(("cores", "clips_per_s"), [(1, 12_078), (2, 15_002)])
def test_the_measured_machine(cores: int, clips_per_s: float) -> None:
    found = simulate(replace(MEASURED, cores=cores), 100_000, 10_000)
    assert 100_000 / (found.seconds - found.planning) == pytest.approx(clips_per_s, rel=0.05)


def test_a_slow_coordinator_starves_many_nodes() -> None:
    found = simulate(replace(CLUSTER, nodes=64, cores=16, hand_us=10, storage_gb_s=1000), 10_000_000, 10_000)
    assert found.coordinator > 0.5
    assert sum(astuple(found)[2:]) == pytest.approx(1)
    assert found.seconds - found.planning == pytest.approx(10_000_000 * 10e-6, rel=0.2)  # it is busy all the time
