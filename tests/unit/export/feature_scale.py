"""When two front ends give the same features: within 1e-4 of a unit of the natural logarithm."""

from __future__ import annotations

import numpy as np

from kwsfeat import FeatureConfig

IN_LN = {"ln": 1.0, "log10": np.log(10), "db": np.log(10) / 10}  # a unit of the logarithm in nepers of power


def close(x: np.ndarray, wanted: np.ndarray, config: FeatureConfig) -> None:
    """Within 1e-4 of what the logarithm gives; of other outputs within 1e-4 of their size. A row whose L1 norm is divided by is small."""
    if config.normalize in ("row-l1", "mean-variance") or config.log not in IN_LN:
        np.testing.assert_allclose(x, wanted, rtol=2e-4, atol=1e-4 * np.abs(wanted).max() + 1e-6)
    else:
        scale = 1.0 if config.output != "mfcc" else np.sqrt(config.n_mels) * (1 + config.lifter / 2) * 2
        np.testing.assert_allclose(x, wanted, rtol=2e-5, atol=1e-4 * scale / IN_LN[config.log] / config.post_divide)
