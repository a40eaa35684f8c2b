"""Which numbers can be a seed."""

from __future__ import annotations

from kwsfeat.errors import ConfigError

MOST_SEED = (1 << 64) - 1  # a file keeps it in 64 bits


def check_seed(seed: int) -> None:
    """Raise ConfigError for a seed that no file can keep."""
    if not 0 <= seed <= MOST_SEED:
        raise ConfigError(f"seed={seed} must be >= 0 and <= {MOST_SEED:,}")
