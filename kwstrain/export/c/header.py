"""The header: what it is, the tables of the front end, the layers, and the code that runs them, which is always the same."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from importlib.resources import files
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from kwsfeat import FeatureConfig, StoreError, micro_tables
from kwstrain.export.integer.network import LOWEST, IntegerLayer, IntegerNetwork
from kwstrain.export.integer.wake import WakeWord

_A_LINE = 24  # numbers
_IGNORED = 100  # frames from the beginning, and from one time to the next, as devices have it
_KINDS = {"int8": "int8_t", "uint8": "uint8_t", "int16": "int16_t", "uint16": "uint16_t", "int32": "int32_t"}
_CARD = re.compile(r"^KWS_CARD (\{.*\})$", re.MULTILINE)


def write_header(wake: WakeWord, config: FeatureConfig, card: Mapping[str, str], license: str) -> str:
    """The text of the header; `card` is its description, which :func:`read_card` reads again, and there has a digest of the text."""
    told = f"KWS_CARD {_comment(json.dumps(dict(card), ensure_ascii=False))}"
    parts = [
        f"/* Hears {_comment(wake.word)}. Written by kwstrain. Licence of the weights: {_comment(license)}",
        told, "*/", "#ifndef KWS_H", "#define KWS_H", "", "#include <stddef.h>", "#include <stdint.h>", "#include <string.h>", "",
        *(f"#define KWS_{name} {value}" for name, value in _numbers(wake, config).items()), "",
        *_front_end(config), "", _code("front_end.h"),
        *_arrays(wake.network), "", _code("layer.h"),
        _table(wake.network), "", _code("stream.h"), "#endif", "",
    ]  # fmt: skip
    text = "\n".join(parts)
    return text.replace(told, f"{told[:-1]}{_digest(text)}}}", 1)


def read_card(path: Path) -> dict[str, str]:
    """The description in a header.

    Raises
    ------
    StoreError
        If it is missing, damaged, or not written by kwstrain.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise StoreError(f"{path}: no such file") from None
    except UnicodeDecodeError:
        raise StoreError(f"{path} is not a header that kwstrain wrote: it is not text") from None
    found = _CARD.search(text)
    try:
        card = json.loads(found[1]) if found else {}
        if not card:
            raise ValueError
        read = {str(name): str(value) for name, value in card.items()}
    except (ValueError, AttributeError, RecursionError):
        raise StoreError(f"{path} is not a header that kwstrain wrote, or its card is damaged: export it again") from None
    if "digest" in read:  # earlier versions wrote none
        given = f', "digest": "{read.pop("digest")}"'
        if given != _digest(text.replace(given, "", 1)):
            raise StoreError(f"{path} is damaged: its text does not fit its digest; copy or export it again")
    return read


def _digest(text: str) -> str:
    """What the card says of the text without it."""
    return f', "digest": "{hashlib.sha256(text.encode()).hexdigest()}"'


def _numbers(wake: WakeWord, config: FeatureConfig) -> dict[str, str | int]:
    network = wake.network
    layers = (*network.layers, network.answer)
    return {
        "WORD": _quoted(wake.word),
        "SR": config.sr, "WIN": config.win_length, "HOP": config.hop_length, "BANDS": config.n_mels, "STRIDE": network.stride,
        "WARM_UP": network.warm_up, "CUTOFF": int(wake.cutoff * 255), "WINDOW": wake.window, "IGNORED": _IGNORED, "LAYERS": len(layers),
        "KNOWN": sum(layer.taps * layer.n_in for layer in layers), "WIDEST": max(layer.n_out for layer in layers),
        "REST": int(network.rest is not None),
    }  # fmt: skip


def _front_end(config: FeatureConfig) -> Iterator[str]:
    tables = micro_tables(config)
    yield _array("window", tables.window, "int16")
    for name, (cos, sin) in {"": tables.turns, "real_": tables.real_turns}.items():
        yield _array(f"{name}cos", cos, "int16")
        yield _array(f"{name}sin", sin, "int16")
    yield _array("first", np.append(tables.band_first, tables.band_first[-1] + tables.band_count[-1]), "int16")
    yield _array("up", tables.band_up, "uint16")
    yield _array("down", tables.band_down, "uint16")
    yield _array("smoothing", tables.smoothing, "uint16")
    rows = ",\n".join(f"    {{{', '.join(map(str, row))}}}" for row in tables.gain.tolist())
    yield f"static const int32_t kws_gain[{len(tables.gain)}][3] = {{\n{rows}\n}};"
    yield _array("log", tables.log, "int32")


def _arrays(network: IntegerNetwork) -> Iterator[str]:
    layers = (*network.layers, network.answer)
    for i, layer in enumerate(layers):
        multiplier, shift = layer.multiplier
        kernel = layer.kernel if layer.depthwise else layer.kernel.transpose(2, 0, 1)
        yield _array(f"kernel_{i}", kernel.ravel(), "int8")
        yield _array(f"bias_{i}", layer.bias, "int32")
        yield _array(f"multiplier_{i}", multiplier, "int32")
        yield _array(f"shift_{i}", shift, "int8")
    yield _array("logistic", network.logistic.astype(np.int16) - LOWEST, "uint8")


def _table(network: IntegerNetwork) -> str:
    rows = ",\n".join(f"    {_row(i, layer)}" for i, layer in enumerate((*network.layers, network.answer)))
    return f"static const kws_layer kws_layers[KWS_LAYERS] = {{\n{rows}\n}};"


def _row(i: int, layer: IntegerLayer) -> str:
    arrays = ", ".join(f"kws_{name}_{i}" for name in ("kernel", "bias", "multiplier", "shift"))
    numbers = (
        int(layer.depthwise), layer.taps, layer.stride, layer.n_in, layer.n_out, layer.given.zero, layer.made.zero, layer.low
    )  # fmt: skip
    return f"{{{arrays}, {', '.join(map(str, numbers))}}}"


def _array(name: str, values: NDArray[np.integer], kind: str) -> str:
    numbers = [str(value) for value in np.asarray(values).astype(kind).tolist()]
    lines = [", ".join(numbers[i : i + _A_LINE]) for i in range(0, len(numbers), _A_LINE)]
    body = ",\n    ".join(lines)
    return f"static const {_KINDS[kind]} kws_{name}[{len(numbers)}] = {{\n    {body}\n}};"


def _code(name: str) -> str:
    return files("kwstrain.export.c").joinpath(name).read_text(encoding="utf-8")


def _comment(text: str) -> str:
    """Text that neither ends a comment nor begins one; in JSON it means the same."""
    return text.replace("*/", "\\u002a/").replace("/*", "/\\u002a").replace("\n", " ").replace("\r", " ")


def _quoted(word: str) -> str:
    """A text in C."""
    return '"' + "".join(chr(byte) if chr(byte).isalnum() and byte < 128 else f"\\{byte:03o}" for byte in word.encode()) + '"'
