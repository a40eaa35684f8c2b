"""Compiling the kernels ahead of their first use."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from kwsfeat.config.features import FeatureConfig
from kwsfeat.dataset.checksum import checksum
from kwsfeat.dataset.statistics import Moments
from kwsfeat.features.front_end import FrontEnd


def warm_up(configs: Iterable[FeatureConfig]) -> None:
    """Compile the kernels that these configurations and their files use, for both sample types, and leave them in the disk cache."""
    for config in configs:
        front_end = FrontEnd(config)
        for dtype in (np.int16, np.float32):
            Moments.of(front_end.extract_batch(np.zeros((1, config.n_samples), dtype)))
    checksum(np.zeros(64, np.uint8))
