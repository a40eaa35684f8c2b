"""BC-ResNet: options and stages."""

from __future__ import annotations

from dataclasses import dataclass

from kwstrain.models.options import Options, option

# repeats, channels in units of tau, frequency stride of the first block, time dilation
STAGES = ((2, 8, 1, 1), (2, 12, 2, 2), (4, 16, 2, 4), (4, 20, 1, 8))


@dataclass(frozen=True, kw_only=True)
class BCResNetOptions(Options):
    """Options of BC-ResNet."""

    tau: float = option(1.0, "width: 8 tau channels in the first stage", at_least=0.5)
    causal: bool = option(False, "no frame's output depends on a later frame")
    dropout: float = option(0.1, "rate of whole channels in each block", at_least=0, below=1)


OPTIONS = {f"bcresnet-{tau:g}": BCResNetOptions(tau=tau) for tau in (1.0, 1.5, 2.0, 3.0, 6.0, 8.0)}
