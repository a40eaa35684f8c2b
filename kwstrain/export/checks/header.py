"""C headers."""

from __future__ import annotations

import re
from pathlib import Path

from kwstrain.export.c.header import read_card
from kwstrain.export.check import Check, Checked, about
from kwstrain.inference.description import Description

_LAYER = re.compile(r"^    \{kws_kernel_\d+, \w+, \w+, \w+, ([01]), (\d+), (\d+), (\d+), (\d+), ", re.MULTILINE)


def look(path: Path) -> Checked:
    """What a header is."""
    card = read_card(path)
    described = Description.from_properties(card, where=str(path))
    c = described.features
    layers = [tuple(map(int, found)) for found in _LAYER.findall(path.read_text(encoding="utf-8"))]
    states = {f"layer_{i}": f"int8 {taps} x {n_in}" for i, (_, taps, stride, n_in, _) in enumerate(layers) if taps > stride}
    depthwise = sum(layer[0] for layer in layers)
    return Checked(
        path=str(path),
        format="C header, C99",
        bytes=path.stat().st_size,
        inputs={"samples": f"int16 {c.hop_length}"},
        outputs={"score": f"int 0 to 255 every {layers[0][2]} calls, otherwise -1" if layers else "none"},
        states={"samples": f"int16 {c.win_length}", "noise": f"uint32 {c.n_mels}", **states},
        ops={"convolution": len(layers) - depthwise, "depthwise convolution": depthwise},
        not_on={
            "ESPHome": "it takes TensorFlow Lite files: export the run --to esphome",
            "onnxruntime": "it takes ONNX files, and the front end of this one is not a graph",
        },
        about={**about(described), **{name: card[name] for name in ("word", "probability_cutoff", "sliding_window_size") if name in card}},
    )


CHECK = Check((".h",), look)
