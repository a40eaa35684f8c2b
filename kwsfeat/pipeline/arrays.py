"""A small file from arrays in memory."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kwsfeat.audio.waveform import as_int16
from kwsfeat.config.features import FeatureConfig
from kwsfeat.dataset.columns import Columns
from kwsfeat.dataset.writer import Writer
from kwsfeat.features.front_end import FrontEnd


def write_file(
    path: str | os.PathLike[str],
    *,
    audio: NDArray[np.int16] | NDArray[np.floating],
    length: NDArray[np.int32] | Sequence[int],
    label: Sequence[int] | NDArray[Any],
    split: Sequence[str] | NDArray[np.str_],
    labels: Sequence[str],
    configs: Mapping[str, FeatureConfig],
    speaker: Sequence[str] | None = None,
    source: Sequence[str] | None = None,
    threads: int = 1,
    seed: int = 0,
) -> None:
    """Write a complete file from arrays in memory; an existing one is replaced.

    Parameters
    ----------
    path : str or path
    audio : ndarray, int16 or float in [-1, 1], shape (n_clips, n_samples)
    length : int, shape (n_clips,)
        Real samples of each clip, 0 <= length <= n_samples.
    label : int, shape (n_clips,)
        Index into `labels`, -1 is unlabelled.
    split : str, shape (n_clips,)
        ``train``, ``validation`` or ``test``.
    labels : sequence of str
    configs : mapping of str to FeatureConfig
    speaker, source : sequence of str, shape (n_clips,), optional
    threads : int, >= 1
    seed : int

    Raises
    ------
    StoreError, ConfigError
        As :class:`Writer`.
    """
    columns = Columns.of(label, split, speaker=speaker, source=source)
    front_ends = {name: FrontEnd(config) for name, config in configs.items()}
    with Writer(path, columns=columns, labels=labels, configs=configs, seed=seed, overwrite=True) as writer:
        for index, rows in enumerate(writer.blocks):
            block = writer.empty_block(index)
            block.arrays["audio"][:] = as_int16(audio[rows], "audio")
            block.arrays["length"][:] = length[rows]
            for name, front_end in front_ends.items():
                y, n = block.arrays["audio"], block.arrays["length"]
                numbers = np.arange(rows.start, rows.stop)
                front_end.extract_batch(y, out=block.arrays[f"features/{name}"], lengths=n, threads=threads, seed=seed, rows=numbers)
            writer.write(block)
        writer.finish()
