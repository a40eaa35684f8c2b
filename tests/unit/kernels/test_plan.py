"""Plan and Scratch: two arrays in each other's place are an error when the table is made, never wrong memory."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from kwsfeat import FeatureConfig
from kwsfeat.features.plan import make_plan
from kwsfeat.kernels.spectrum.plan import Plan, build_scratch, clips_at_once, plan_handle, scratch_handle

# Every table has values: MFCC with deltas and frames that are prepared.
CONFIG = FeatureConfig(output="mfcc", deltas=2, remove_dc=True, lifter=22.0)
PLAN = make_plan(CONFIG)
SCRATCH = build_scratch(PLAN, 200)
ARRAYS = [name for name, value in PLAN._asdict().items() if isinstance(value, np.ndarray)]
FFT = [name for name, value in PLAN.fft._asdict().items() if isinstance(value, np.ndarray)]


def exchanged(values, a, b):
    return values._replace(**{a: getattr(values, b), b: getattr(values, a)})


@pytest.mark.parametrize(("a", "b"), [pair for pair in combinations(ARRAYS, 2) if pair != ("mean", "gain")])
def test_two_tables_of_a_plan_cannot_be_exchanged(a, b):
    with pytest.raises(ValueError, match=r"Plan\."):
        plan_handle(exchanged(PLAN, a, b))


def test_mean_and_gain_are_the_same_memory_but_not_the_same_numbers():
    """Nothing in their type or size tells these two apart; that they are right is for the values of features to show."""
    assert PLAN.mean.size == PLAN.gain.size
    assert not np.array_equal(PLAN.mean, PLAN.gain)


@pytest.mark.parametrize(("a", "b"), list(combinations(FFT, 2)))
def test_two_tables_of_the_transform_cannot_be_exchanged(a, b):
    with pytest.raises(ValueError, match=r"Plan\.fft"):
        plan_handle(PLAN._replace(fft=exchanged(PLAN.fft, a, b)))


@pytest.mark.parametrize(("a", "b"), list(combinations(SCRATCH._fields, 2)))
def test_two_arrays_of_scratch_memory_cannot_be_exchanged_unless_they_are_alike(a, b):
    alike = {a, b} in ({"re", "im"}, {"energy", "peaks"})  # either holds what the other does
    if alike:
        assert getattr(SCRATCH, a).size == getattr(SCRATCH, b).size
        scratch_handle(PLAN, exchanged(SCRATCH, a, b))
        return
    with pytest.raises(ValueError, match=r"Scratch\."):
        scratch_handle(PLAN, exchanged(SCRATCH, a, b))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("mel_first", PLAN.mel_first + 300),
        ("mel_first", PLAN.mel_first - 100),
        ("mel_weights", PLAN.mel_weights[:-1].copy()),
        ("mel_count", PLAN.mel_count * np.array([2, 0] * 20)),
        ("sources", PLAN.sources + 1),
        ("window", PLAN.window[:-1].copy()),
        ("mean", PLAN.mean[:-1].copy()),
        ("dct", PLAN.dct.reshape(13, 40).T),
    ],
)
def test_tables_that_lead_out_of_others_are_refused(name, value):
    with pytest.raises(ValueError, match=name if name != "mel_count" else "mel_"):
        plan_handle(PLAN._replace(**{name: value}))


def test_scratch_of_another_plan_is_refused():
    with pytest.raises(ValueError, match=r"Scratch\."):
        scratch_handle(make_plan(FeatureConfig(n_fft=1024)), SCRATCH)


@pytest.mark.parametrize("kind", ["waveform", "spectrum", "mel", "mfcc"])
@pytest.mark.parametrize("remove_dc", [False, True])
def test_every_kind_of_plan_passes_its_own_check(kind, remove_dc):
    plan = make_plan(FeatureConfig(output=kind, remove_dc=remove_dc))
    assert isinstance(plan_handle(plan).values, Plan)
    assert scratch_handle(plan, build_scratch(plan, 1)).record.shape == (1,)


def test_clips_share_a_pass_while_they_fit_into_the_cache():
    assert clips_at_once(PLAN, 1) == 16
    assert 1 < clips_at_once(PLAN, 103) < 16
    assert clips_at_once(PLAN, 10**6) == 1
