"""What so many hours and so many words allow to say: exact intervals of rates and shares, and the bootstrap over recordings."""

from __future__ import annotations

from collections.abc import Sequence

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
    from scipy.special import gammaincinv  # chi2(p; 2n) / 2

    tail = _tail(confidence)
    high = _upper_rate(n, hours, tail)
    return (float(gammaincinv(n, tail)) / hours if n else 0.0), high


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

    Raises
    ------
    ConfigError
        If a value is out of bounds.

    Examples
    --------
    >>> round(rate_bound(0, hours=6.0), 2)
    0.5
    """
    return _upper_rate(n, hours, 2 * _tail(confidence))


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
    from scipy.special import betaincinv

    _check_count("total", total)
    if not 0 <= n <= total or not float(n).is_integer():
        raise ConfigError(f"{n} of {total} is no share: it must be a whole number between 0 and {total}")
    tail = _tail(confidence)
    low = float(betaincinv(n, total - n + 1, tail)) if n else 0.0
    return low, (1 - float(betaincinv(total - n, n + 1, tail)) if n < total else 1.0)


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


def _upper_rate(n: int, hours: float, tail: float) -> float:
    """The rate at which `n` events or fewer have the probability `tail`."""
    from scipy.special import gammainccinv

    _check_count("n", n)
    if not hours > 0:
        raise ConfigError(f"hours={hours:g} must be > 0: there is no rate without time")
    return float(gammainccinv(n + 1, tail)) / hours


def _check_count(name: str, n: int) -> None:
    if not (n >= 0 and float(n).is_integer()):
        raise ConfigError(f"{name}={n} must be a whole number >= 0")
