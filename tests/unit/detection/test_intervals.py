"""Intervals against scipy's distributions and the formulae of the papers."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from kwsfeat import ConfigError, binomial_interval, bootstrap_interval, certificate, poisson_interval, rate_bound


@settings(max_examples=40)
@given(n=st.integers(0, 400), hours=st.floats(0.01, 1000), confidence=st.sampled_from([0.5, 0.9, 0.95, 0.999]))
def test_rates_are_garwoods(n: int, hours: float, confidence: float) -> None:
    a = 1 - confidence
    low = stats.chi2.ppf(a / 2, 2 * n) / (2 * hours) if n else 0.0
    high = stats.chi2.ppf(1 - a / 2, 2 * n + 2) / (2 * hours)
    assert poisson_interval(n, hours, confidence=confidence) == pytest.approx((low, high), rel=1e-9)


@settings(max_examples=40)
@given(total=st.integers(0, 400), share=st.floats(0, 1), confidence=st.sampled_from([0.5, 0.95, 0.999]))
def test_shares_are_cloppers_and_pearsons(total: int, share: float, confidence: float) -> None:
    n = round(share * total)
    if total:
        exact = stats.binomtest(n, total).proportion_ci(confidence, method="exact")
        assert binomial_interval(n, total, confidence=confidence) == pytest.approx((exact.low, exact.high), rel=1e-8, abs=1e-12)
    else:
        assert binomial_interval(0, 0) == (0.0, 1.0)


def test_no_event_in_six_hours_bounds_half_an_event_an_hour() -> None:
    """One-sided, 95 %: 6.0 h for 0.5/h and 30 h for 0.1/h."""
    assert rate_bound(0, 1.0) == pytest.approx(-np.log(0.05), rel=1e-12)
    assert rate_bound(0, 6.0) < 0.5 < rate_bound(0, 5.9)
    assert rate_bound(0, 30.0) < 0.1 < rate_bound(0, 29.9)


@pytest.mark.parametrize(("n", "total"), [(999_999, 1_000_000), (5000, 10_000), (1, 10_000_000)])
def test_large_totals_at_high_confidence(n: int, total: int) -> None:
    exact = stats.binomtest(n, total).proportion_ci(0.9999999, method="exact")
    assert binomial_interval(n, total, confidence=0.9999999) == pytest.approx((exact.low, exact.high), rel=1e-9)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: rate_bound(-1, 1.0), "n=-1 must be a whole number >= 0"),
        (lambda: rate_bound(1.5, 1.0), "n=1.5 must be a whole number >= 0"),  # type: ignore[arg-type]
        (lambda: rate_bound(1, 3.0, confidence=0), "confidence=0 must be between 0 and 1"),
        (lambda: binomial_interval(1.5, 3), "1.5 of 3 is no share: it must be a whole number between 0 and 3"),  # type: ignore[arg-type]
        (lambda: poisson_interval(2, 0.0), "hours=0 must be > 0"),
    ],
)
def test_what_is_no_count_is_refused(call: Callable[[], object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        call()


def test_too_few_hours_are_said() -> None:
    assert certificate(0, 2.3, 0.5) == (False, "cannot certify 0.5/h: needs 6 h, there are 2.3")
    assert certificate(0, 6.0, 0.5) == (True, "certified at 95 %: below 0.5/h")
    assert certificate(0, 0.0, 0.1) == (False, "cannot certify 0.1/h: needs 30 h, there are 0")
    assert certificate(3, 10.0, 0.5) == (False, "cannot certify 0.5/h: needs 15.5 h with 3 false accepts, there are 10")
    assert certificate(1, 9.0, 0.5)[1] == "cannot certify 0.5/h: needs 9.5 h with 1 false accept, there are 9"


def test_the_bootstrap_sees_that_events_cluster() -> None:
    """Twelve events in one of twelve recordings are less certain than one in each."""
    hours = [1.0] * 12
    clustered, spread = bootstrap_interval([12] + 11 * [0], hours), bootstrap_interval(12 * [1], hours)
    assert spread == (1.0, 1.0)
    assert clustered is not None
    low, high = poisson_interval(12, 12.0)
    assert clustered[0] < low
    assert clustered[1] > high


def test_the_bootstrap_of_a_mean_is_near_the_normal_interval() -> None:
    counts = np.random.default_rng(1).poisson(5.0, 400)
    interval = bootstrap_interval(counts.tolist(), [2.0] * 400)
    deviation = counts.std(ddof=1) / np.sqrt(400) / 2
    assert interval == pytest.approx((counts.mean() / 2 - 1.96 * deviation, counts.mean() / 2 + 1.96 * deviation), rel=0.01)


def test_the_bootstrap_needs_two_recordings() -> None:
    assert bootstrap_interval([3], [1.0]) is None
    assert bootstrap_interval([3, 0], [1.0, 0.0]) is None
    assert bootstrap_interval([], []) is None


def test_values_out_of_bounds_are_named() -> None:
    with pytest.raises(ConfigError, match="hours=0 must be > 0"):
        poisson_interval(1, 0.0)
    with pytest.raises(ConfigError, match="5 of 4 is no share"):
        binomial_interval(5, 4)
    with pytest.raises(ConfigError, match="confidence=1 must be between 0 and 1"):
        poisson_interval(1, 1.0, confidence=1.0)
