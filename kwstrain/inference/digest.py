"""The digest at the end of an exported ONNX file: a file that was damaged since answers wrongly, and no runtime would say so."""

from __future__ import annotations

import hashlib
from pathlib import Path

from kwsfeat import StoreError

_FIELD = b"\x32\x47sha256:"  # protobuf's head of `doc_string` of a model, 71 bytes
_SIZE = len(_FIELD) + 64


def with_digest(model: bytes) -> bytes:
    """A serialised model with the digest of its bytes as its `doc_string`, which protobuf takes in any place."""
    return model + _FIELD + _digits(model)


def check_digest(path: Path, content: bytes) -> None:
    """Compare the `content` of a file with its digest. Earlier versions wrote none, and what another tool writes anew ends without.

    Raises
    ------
    StoreError
        If it is not what was exported.
    """
    model, end = content[:-_SIZE], content[-_SIZE:]
    if end.startswith(_FIELD) and end != _FIELD + _digits(model):
        raise StoreError(f"{path} is damaged: its content does not fit its digest; copy or export it again")


def _digits(model: bytes) -> bytes:
    return hashlib.sha256(model).hexdigest().encode()
