"""NaN and infinity are refused at the door of every public function, unless the caller says otherwise."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from kwsfeat.errors import AudioError


def require_finite(values: NDArray[np.generic], name: str, check_finite: bool) -> None:
    """Raise AudioError when `check_finite` and `values`, called `name` in the message, hold NaN or infinity.

    A sum is not finite when a term is not, and costs a third of looking at every value, which is left for when it is not.
    """
    if not check_finite or values.dtype.kind in "iu":
        return
    with np.errstate(invalid="ignore", over="ignore"):
        total = values.sum()
    if not np.isfinite(total) and not np.isfinite(values).all():
        raise AudioError(f"{name} holds NaN or infinity: repair the recording, or pass check_finite=False")
