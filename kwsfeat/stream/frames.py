"""Frames of samples that come in pieces: the kernel that runs over a whole recording, over the windows of the frames that are new."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kwsfeat.config.features import FeatureConfig
from kwsfeat.errors import AudioError
from kwsfeat.features.front_end import checked_frames
from kwsfeat.features.plan import make_plan
from kwsfeat.kernels.spectrum import frames as kernel
from kwsfeat.kernels.spectrum.front_end import extract
from kwsfeat.kernels.spectrum.plan import build_scratch, plan_handle, rows_in, scratch_handle

_BLOCK_BYTES = 400_000  # of the scratch memory: it stays in the second-level cache


class Frames:
    """What stands in a frame by itself: the steps up to the logarithm or the cepstrum, and after that what needs no other frame.

    Samples are kept from the first one on that a frame still needs. The kernel pads and conditions them as those of a recording;
    only how many samples of edge lie before them changes from call to call.

    Parameters
    ----------
    config : FeatureConfig
        One that streams.
    affine : bool
        Whether nothing comes between the frames and the last, affine step, so that it is done here.
    """

    def __init__(self, config: FeatureConfig, *, affine: bool) -> None:
        plan = make_plan(config)
        s = plan.settings
        n_base = s.n_base
        alone = s._replace(pcen=False, n_deltas=0, affine=affine and s.affine)
        self._plan = plan_handle(plan._replace(settings=alone, mean=plan.mean[:n_base].copy(), gain=plan.gain[:n_base].copy()))
        self._config, self.hop, self._pad_left, self._length = config, s.hop, s.pad_left, s.frame_length
        mirrored = s.edges != kernel.ZERO
        self._head = max(1, s.pad_left + (s.edges == kernel.REFLECT) if mirrored else 0)  # samples that the left edge mirrors
        self._reach = max(0, s.frame_length - s.pad_left + 2) if mirrored else 0  # and the right one, with the last one's predecessor
        # The first sample of a call has no predecessor for the pre-emphasis: a frame more is computed, and left out. Before the first
        # frame there is none, and the kernel looks at the sample before it.
        self._before = int(s.preemph != 0.0)
        self._block = max(16, rows_in(plan, _BLOCK_BYTES) - s.overlap)
        n_rows = self._block + self._before
        self._scratch = scratch_handle(self._plan.values, build_scratch(self._plan.values, n_rows + s.overlap))  # type: ignore[arg-type]
        self._work = np.empty((n_rows, n_base), np.float32)
        self._peak = np.empty(1, np.float32)
        self.none = self._work[:0]
        """No frames."""
        certain = bisect_left(range(1, s.frame_length + 2 * s.hop + 2), 1, key=config.frames_of) + 1
        self.first_after = max(certain, s.frame_length - s.pad_left)
        """Samples after which the first frame is certain and complete, where no edge is mirrored."""
        self.at_once = self._block * s.hop
        """Samples that may come together."""
        self._tail = np.empty(max(s.frame_length, s.pad_left) + 4 * s.hop + self._reach + self.at_once + 2, np.float32)
        self.reset()

    def reset(self) -> None:
        """Before the first sample."""
        self.n_samples = 0
        self.n_frames = 0
        self._n_kept = 0

    def ready(self, n_samples: int) -> int:
        """Frames that are certain and complete after `n_samples`."""
        if n_samples < self._head:
            return 0
        complete = (n_samples - self._length + self._pad_left) // self.hop + 1
        return max(0, min(complete, self._config.frames_of(n_samples)))

    def in_all(self, n_samples: int) -> int:
        """Frames of a recording that ends after `n_samples`; 0 where it is too short."""
        try:
            return checked_frames(self._config, n_samples)
        except AudioError:
            return 0

    def push(self, y: NDArray[np.float32]) -> Iterator[NDArray[np.float32]]:
        """The frames that `y`, at most `at_once` samples, completes: blocks (n_frames, n_base) that hold until the next one."""
        self._tail[self._n_kept : self._n_kept + y.size] = y
        self._n_kept += y.size
        self.n_samples += y.size
        yield from self._until(self.ready(self.n_samples))
        self._forget()

    def finish(self) -> Iterator[NDArray[np.float32]]:
        """The frames that end in the edge after the last sample."""
        yield from self._until(self.in_all(self.n_samples))
        self._forget()

    def _until(self, end: int) -> Iterator[NDArray[np.float32]]:
        while self.n_frames < end:
            n = min(self._block, end - self.n_frames)
            skipped = min(self._before, self.n_frames)
            first = self.n_frames - skipped
            self._plan.record["settings"]["pad_left"] = self._pad_left - first * self.hop + self.n_samples - self._n_kept
            out = self._work[: skipped + n]
            y = self._tail[: self._n_kept]
            y.flags.writeable = False
            extract(y[None], out[None], self._peak, 1, self._plan.record, self._scratch.record)
            self.n_frames += n
            yield out[skipped:]

    def _forget(self) -> None:
        """Move the samples that are still needed to the front."""
        n = self._n_needed()
        if n < self._n_kept:
            self._tail[:n] = self._tail[self._n_kept - n : self._n_kept]
            self._n_kept = n

    def _n_needed(self) -> int:
        """The last so many samples are in frames to come, or mirrored at the end."""
        before = self._before * (self.hop if self.n_frames else 1)
        start = self.n_frames * self.hop - self._pad_left - before
        return self.n_samples - max(0, min(start, self.n_samples - self._reach))

    def state(self) -> dict[str, Any]:
        """What :meth:`restore` takes."""
        return {"n_samples": self.n_samples, "n_frames": self.n_frames, "samples": self._tail[: self._n_kept].copy()}

    def restore(self, state: dict[str, Any], *, finished: bool) -> None:
        """Go on from what :meth:`state` gave; ValueError where it did not: compiled code would read other memory."""
        self.n_samples, self.n_frames, kept = int(state["n_samples"]), int(state["n_frames"]), np.asarray(state["samples"], np.float32)
        self._n_kept = kept.size
        if self.n_samples < 0 or self.n_frames != (self.in_all(self.n_samples) if finished else self.ready(self.n_samples)):
            raise ValueError(f"{self.n_samples} samples do not give {self.n_frames} frames")
        if kept.shape != (self._n_needed(),):
            raise ValueError(f"{kept.shape} samples are kept and {self._n_needed()} needed")
        self._tail[: self._n_kept] = kept
