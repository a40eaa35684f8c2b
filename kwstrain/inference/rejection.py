"""Below which probability an answer is no answer."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

REJECTED_SHARE = 0.02  # of the clips that are recognised, which the threshold may cost
FEWEST = 20  # recognised clips, with which it costs one in 21


def rejection_threshold(given: NDArray[np.float64]) -> float | None:
    """A threshold that about 98 % of new recognised clips reach, calibrated on clips that the training did not see.

    Of n recognised clips it is the probability of the k-th least certain one, ``k = max(1, floor(0.02 (n + 1)))``: another clip
    of the same kind lies below it with probability ``k / (n + 1)`` at most, whatever the distribution is (split conformal
    prediction, Vovk et al. 2005). That is at most 1 in 21.

    Parameters
    ----------
    given : ndarray, float64, shape (n,)
        Probability of the right class of each clip that is recognised.

    Returns
    -------
    float or None
        None with fewer than 20 clips, which say too little of the rare ones.
    """
    n = len(given)
    if n < FEWEST:
        return None
    k = max(1, int(REJECTED_SHARE * (n + 1)))
    return float(np.sort(given)[k - 1])
