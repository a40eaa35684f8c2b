"""The description in an exported file: everything that a runtime must know beside the graph, as texts."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from kwsfeat import FeatureConfig, StoreError

VERSION = 1
INPUT = "float32 in [-1, 1]: divide int16 by 32768"
Kind = Literal["clip", "stream"]


@dataclass(frozen=True, kw_only=True)
class Description:
    """Beside the graph.

    Parameters
    ----------
    kind : {"clip", "stream"}
        Whether the graph takes whole clips, or pieces of a signal and states.
    labels : tuple of str
        The classes, in the order of the probabilities.
    features : FeatureConfig
        What the front end in the graph computes, and how a recording becomes a clip before it.
    algorithm : int
        Version of the algorithm of the features that the network was trained on.
    arch : str
        The network.
    threshold : float, optional
        The probability below which an answer is no answer.
    operating_point : dict
        What ``detector.json`` of the run says: thresholds, smoothing, refractory time; empty without it.
    latency_s : float
        From a sample to the first probability that has seen it.
    license : str
        Of the weights.
    card : dict
        What the network was trained on, and how well it did.
    """

    kind: Kind
    labels: tuple[str, ...]
    features: FeatureConfig
    algorithm: int
    arch: str
    threshold: float | None = None
    operating_point: dict[str, Any] = field(default_factory=dict)
    latency_s: float = 0.0
    license: str = ""
    card: dict[str, Any] = field(default_factory=dict)

    @property
    def preparation(self) -> str:
        """What happens to a recording before the graph, in words."""
        c = self.features
        steps = ["channels averaged"]
        if c.trim_db is not None:
            steps.append(f"cut before the first and after the last 20 ms within {c.trim_db:g} dB of the loudest 20 ms")
        if c.resample_from_hz:
            steps.append(f"length fixed at {c.resample_from_hz} Hz first")
        steps.append(f"resampled to {c.sr} Hz ({c.resample})")
        steps.append(f"zeros at the {c.pad} up to {c.n_samples} samples, or the {c.crop} part of as many kept")
        return "; ".join(steps)

    def to_properties(self) -> dict[str, str]:
        """Texts by name."""
        c = self.features
        values = {
            "kwstrain": VERSION, "kind": self.kind, "arch": self.arch, "labels": self.labels, "input": INPUT, "sr": c.sr,
            "n_samples": c.n_samples, "hop_length": c.hop_length, "latency_s": self.latency_s, "preparation": self.preparation,
            "threshold": self.threshold, "operating_point": self.operating_point, "fingerprint": c.fingerprint,
            "features": c.to_dict(), "algorithm": self.algorithm, "license": self.license, "card": self.card,
        }  # fmt: skip
        return {name: value if isinstance(value, str) else json.dumps(value, ensure_ascii=False) for name, value in values.items()}

    @classmethod
    def from_properties(cls, properties: Mapping[str, str], *, where: str) -> Description:
        """Read :meth:`to_properties`.

        Raises
        ------
        StoreError
            If they are not ours, are damaged, or of a newer version.
        """
        if "kwstrain" not in properties:
            raise StoreError(f"{where} was not exported by kwstrain: it does not say its labels and features")
        try:
            version = int(properties["kwstrain"])
            if version > VERSION:
                raise StoreError(f"{where} has version {version}, this program reads versions up to {VERSION}: install a newer kwsfeat")
            read = {name: json.loads(properties[name]) for name in _JSON}
            threshold = None if read["threshold"] is None else float(read["threshold"])
            described = cls(
                kind="stream" if properties["kind"] == "stream" else "clip",
                labels=tuple(map(str, read["labels"])),
                features=FeatureConfig.from_dict(read["features"]),
                algorithm=int(read["algorithm"]),
                arch=properties["arch"],
                threshold=threshold,
                operating_point=dict(read["operating_point"]),
                latency_s=float(read["latency_s"]),
                license=properties["license"],
                card=dict(read["card"]),
            )
        except (KeyError, ValueError, TypeError, RecursionError) as error:
            raise StoreError(f"{where} is damaged: its description cannot be read ({error}); export it again") from None
        return described


_JSON = ("labels", "features", "algorithm", "threshold", "operating_point", "latency_s", "card")
