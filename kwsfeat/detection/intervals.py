"""What so many hours and so many words allow to say: exact intervals of rates and shares, and the bootstrap over recordings."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import log, sqrt

import numpy as np

from kwsfeat.errors import ConfigError

_DRAWS = 2000  # of the bootstrap


def poisson_interval(n: int, hours: float, *, confidence: float = 0.95) -> tuple[float, float]:
    """Exact interval of a rate: `n` events in so many hours.

    The bounds are the rates at which so many events or more, or so few or fewer, have a probability of (1 - confidence) / 2
    (Garwood 1936: ``chi2(a/2; 2n) / 2T`` to ``chi2(1 - a/2; 2n + 2) / 2T``).

    Parameters
    ----------
    n : int, >= 0
    hours : float, > 0
    confidence : float in (0, 1)

    Returns
    -------
    tuple of float, 1/h
        The lower and the upper bound.

    Raises
    ------
    ConfigError
        If a value is out of bounds.

    Examples
    --------
    >>> [round(bound, 2) for bound in poisson_interval(2, hours=10.0)]
    [0.02, 0.72]
    """
    if not hours > 0:
        raise ConfigError(f"hours={hours:g} must be > 0: there is no rate without time")
    tail = _tail(confidence)
    low = _solve(lambda mean: _poisson_below(n, mean), 1 - tail, _most(n)) if n else 0.0
    return low / hours, _solve(lambda mean: _poisson_below(n + 1, mean), tail, _most(n)) / hours


def rate_bound(n: int, hours: float, *, confidence: float = 0.95) -> float:
    """The rate that `n` events in so many hours leave possible: one-sided, at `confidence`.

    Parameters
    ----------
    n : int, >= 0
    hours : float, > 0
    confidence : float in (0, 1)

    Returns
    -------
    float, 1/h

    Examples
    --------
    >>> round(rate_bound(0, hours=6.0), 2)
    0.5
    """
    return poisson_interval(n, hours, confidence=2 * confidence - 1)[1]


def certificate(n: int, hours: float, per_hour: float, *, confidence: float = 0.95) -> tuple[bool, str]:
    """Whether `n` events in so many hours show that the rate is below `per_hour`, and the sentence that says so.

    Parameters
    ----------
    n : int, >= 0
    hours : float, >= 0
    per_hour : float, > 0
        What is claimed.
    confidence : float in (0, 1)
        Of the one-sided bound.

    Returns
    -------
    tuple of bool and str

    Examples
    --------
    >>> certificate(0, 2.3, 0.5)
    (False, 'cannot certify 0.5/h: needs 6 h, there are 2.3')
    >>> certificate(1, 12.0, 0.5)
    (True, 'certified at 95 %: below 0.5/h')
    """
    needed = rate_bound(n, 1.0, confidence=confidence) / per_hour
    if hours >= needed:
        return True, f"certified at {100 * confidence:g} %: below {per_hour:g}/h"
    with_events = f" with {n} false accept{'s' if n > 1 else ''}" if n else ""
    return False, f"cannot certify {per_hour:g}/h: needs {_short(needed)} h{with_events}, there are {_short(hours)}"


def binomial_interval(n: int, total: int, *, confidence: float = 0.95) -> tuple[float, float]:
    """Exact interval of a share: `n` of `total` (Clopper and Pearson 1934).

    Parameters
    ----------
    n : int, 0 <= n <= total
    total : int, >= 0
        With 0 anything is possible.
    confidence : float in (0, 1)

    Returns
    -------
    tuple of float
        The lower and the upper bound.

    Raises
    ------
    ConfigError
        If a value is out of bounds.

    Examples
    --------
    >>> [round(bound, 3) for bound in binomial_interval(5, 100)]
    [0.016, 0.113]
    """
    if not 0 <= n <= total:
        raise ConfigError(f"{n} of {total} is no share: it must be between 0 and {total}")
    tail = _tail(confidence)
    low = _solve(lambda share: _binomial_below(n, total, share), 1 - tail, 1.0) if n else 0.0
    high = _solve(lambda share: _binomial_below(n + 1, total, share), tail, 1.0) if n < total else 1.0
    return low, high


def bootstrap_interval(
    counts: Sequence[float], exposures: Sequence[float], *, confidence: float = 0.95, seed: int = 0
) -> tuple[float, float] | None:
    """Interval of sum(counts) / sum(exposures) over recordings that are drawn anew: events cluster, and recordings differ.

    Parameters
    ----------
    counts : sequence of float
        Events of each recording, such as false accepts.
    exposures : sequence of float, >= 0
        What they are counted against in each recording, such as hours or words.
    confidence : float in (0, 1)
    seed : int

    Returns
    -------
    tuple of float, or None
        None with fewer than two recordings that have an exposure.

    Examples
    --------
    >>> low, high = bootstrap_interval([0, 4, 0, 0], [1.0, 1.0, 1.0, 1.0])
    >>> low, high > 2
    (0.0, True)
    """
    n, hours = np.asarray(counts, np.float64), np.asarray(exposures, np.float64)
    n, hours = n[hours > 0], hours[hours > 0]
    if len(hours) < 2:
        return None
    drawn = np.random.default_rng(seed).integers(len(hours), size=(_DRAWS, len(hours)))
    rates = n[drawn].sum(axis=1) / hours[drawn].sum(axis=1)
    low, high = np.quantile(rates, [_tail(confidence), 1 - _tail(confidence)])
    return float(low), float(high)


def _short(hours: float) -> str:
    return f"{hours:.1f}".removesuffix(".0")


def _tail(confidence: float) -> float:
    if not 0 < confidence < 1:
        raise ConfigError(f"confidence={confidence:g} must be between 0 and 1")
    return (1 - confidence) / 2


def _most(n: int) -> float:
    """A mean far above every bound for `n` events."""
    return n + 20 * sqrt(n + 1) + 100


def _poisson_below(n: int, mean: float) -> float:
    """Probability of fewer than `n` events where `mean` are expected."""
    if mean <= 0:
        return 1.0
    k = np.arange(n)
    return float(np.exp(k * log(mean) - mean - _log_factorial(n)[:n]).sum())


def _binomial_below(n: int, total: int, share: float) -> float:
    """Probability of fewer than `n` successes of `total`."""
    if share <= 0 or share >= 1:
        return 1.0 if share <= 0 else 0.0
    k = np.arange(n)
    factorial = _log_factorial(total + 1)
    log_choose = factorial[total] - factorial[k] - factorial[total - k]
    return float(np.exp(log_choose + k * log(share) + (total - k) * np.log1p(-share)).sum())


def _log_factorial(n: int) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """log k! for k < n; two or more of them."""
    return np.concatenate([[0.0], np.cumsum(np.log(np.arange(1, max(n, 2))))])


def _solve(falling: Callable[[float], float], value: float, most: float) -> float:
    """Where a function that falls from 1 reaches `value`, between 0 and `most`: halved until floats end."""
    low, high = 0.0, most
    while low < (middle := (low + high) / 2) < high:
        low, high = (middle, high) if falling(middle) > value else (low, middle)
    return middle
