"""What looks beyond a frame, for frames that come in pieces: PCEN remembers, deltas wait for the frames after."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from kwsfeat.config.features import FeatureConfig
from kwsfeat.features.plan import make_plan
from kwsfeat.kernels.spectrum import pieces

f32 = np.float32


def looks_beyond(config: FeatureConfig) -> bool:
    """Whether a frame of these features depends on others."""
    return config.output not in ("waveform", "micro") and (config.log == "pcen" or config.deltas > 0)


class Context:
    """PCEN, deltas and the affine map of frames in order.

    Deltas are taken over a window of frames again and again; those of its middle are final. What the window lacks at its two
    ends is there at the two ends of the recording only, where the kernel knows what to do.

    Parameters
    ----------
    config : FeatureConfig
        One that streams, and :func:`looks_beyond` a frame.
    """

    def __init__(self, config: FeatureConfig) -> None:
        plan = make_plan(config)
        self._plan, self._s = plan, plan.settings
        s = plan.settings
        half = s.delta_width // 2
        self.ahead = 0 if not s.n_deltas else half * (s.n_deltas if s.htk_deltas else 1)
        """Frames after one that its deltas wait for."""
        self._fewest = s.delta_width if s.n_deltas and not s.htk_deltas else 1
        self._n_features = s.n_base * (1 + s.n_deltas)
        self._window = np.empty((0, self._n_features), f32)
        self._smooth = np.ones(s.n_base)
        self.reset()

    def reset(self) -> None:
        """Before the first frame."""
        self._smooth[:] = 1.0
        self._n = 0  # frames in the window
        self._n_in = self.n_out = 0

    def ready(self, n_in: int, *, last: bool) -> int:
        """Frames that are final after `n_in` have come, `last` when no more do."""
        return 0 if n_in < self._fewest else max(0, n_in if last else n_in - self.ahead)

    def push(self, x: NDArray[np.float32], out: NDArray[np.float32], *, last: bool = False) -> int:
        """Frames x (n, n_base), overwritten, to the first rows of `out`; the number of rows."""
        s = self._s
        if s.pcen and len(x):
            pieces.pcen(
                x, s.n_base, self._smooth, f32(s.pcen_smoothing), f32(s.pcen_gain), f32(s.pcen_bias), f32(s.pcen_power), f32(s.pcen_eps)
            )
        self._n_in += len(x)
        n = self.ready(self._n_in, last=last) - self.n_out
        out = out[:n]
        if s.n_deltas:
            self._slopes(x, out)
        else:
            out[:] = x
            self.n_out += n
        if s.affine and n:
            pieces.affine(out, self._plan.mean, self._plan.gain, f32(s.post_add), f32(s.post_factor), f32(s.post_low), f32(s.post_high))
        return n

    def _slopes(self, x: NDArray[np.float32], out: NDArray[np.float32]) -> None:
        s, n_base = self._s, self._s.n_base
        n = self._n + len(x)
        if n > len(self._window):
            self._window = np.resize(self._window, (2 * n, self._n_features))
        window = self._window[:n]
        window[self._n :, :n_base] = x
        if len(out):
            for order in range(s.n_deltas):
                source = order * n_base if s.htk_deltas else 0
                pieces.deltas(window, source, (order + 1) * n_base, n_base, self._plan.delta[order], self._plan.delta_edges[order])
            begin = n - (self._n_in - self.n_out)
            out[:] = window[begin : begin + len(out)]
        self.n_out += len(out)
        keep = self._n_needed()
        self._window[:keep] = window[n - keep :]
        self._n = keep

    def _n_needed(self) -> int:
        """The last so many frames are in slopes to come, or in those of the end."""
        return self._n_in - max(0, self.n_out - self.ahead - 1)

    def state(self) -> dict[str, Any]:
        """What :meth:`restore` takes."""
        held = self._window[: self._n, : self._s.n_base].copy()
        return {"n_out": self.n_out, "frames": held, "smoother": self._smooth.copy()}

    def restore(self, state: dict[str, Any], *, n_in: int, finished: bool) -> None:
        """Go on from what :meth:`state` gave after `n_in` frames; ValueError where it did not."""
        self._n_in, self.n_out, held = n_in, int(state["n_out"]), np.asarray(state["frames"], f32)
        self._n = self._n_needed() if self._s.n_deltas else 0
        if self.n_out != self.ready(n_in, last=finished) or held.shape != (self._n, self._s.n_base):
            raise ValueError(f"{n_in} frames do not give {self.n_out}, with {held.shape} held")
        if self._n > len(self._window):
            self._window = np.empty((2 * self._n, self._n_features), f32)
        self._window[: self._n, : self._s.n_base] = held
        self._smooth[:] = state["smoother"]
