"""Power in decibels."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from kwsfeat.audio.waveform import require_finite
from kwsfeat.errors import ConfigError


def power_to_db(
    S: ArrayLike, *, ref: float | Literal["max"] = 1.0, amin: float = 1e-10, top_db: float | None = 80.0, check_finite: bool = True
) -> NDArray[np.float32]:
    """Power to decibels.

    Parameters
    ----------
    S : array_like, any shape
        Power, >= 0.
    ref : float > 0, or "max"
        Power that becomes 0 dB; ``max`` is the largest of `S`.
    amin : float, > 0
        Smaller powers count as this.
    top_db : float > 0, optional
        Values further than this below the largest are raised to it; None switches it off.
    check_finite : bool
        Refuse NaN and infinity; without it NaN stays NaN.

    Returns
    -------
    S_db : ndarray, float32, the shape of `S`
        ``10 log10(max(S, amin) / max(ref, amin))``: librosa 0.11's ``power_to_db``.

    Raises
    ------
    ConfigError
        If `amin` or `top_db` is out of bounds.
    AudioError
        If `S` is not finite.

    Examples
    --------
    >>> power_to_db([1.0, 0.1, 0.0])
    array([  0., -10., -80.], dtype=float32)
    """
    power = np.asarray(S, np.float32)
    require_finite(power, "S", check_finite)
    if amin <= 0:
        raise ConfigError(f"amin={amin} must be > 0: silence has no logarithm")
    if top_db is not None and top_db < 0:
        raise ConfigError(f"top_db={top_db} must be >= 0, or None to switch it off")
    reference = (float(power.max()) if power.size else 1.0) if ref == "max" else abs(float(ref))
    db = 10.0 * np.log10(np.maximum(power, np.float32(amin))) - np.float32(10.0 * np.log10(max(reference, amin)))
    if top_db is not None and db.size:
        db = np.maximum(db, db.max() - np.float32(top_db))
    return np.asarray(db, np.float32)
