"""Operations of the layers for a backend: the values of the plain ones, faster, or with gradients of their own for training."""

from __future__ import annotations

from dataclasses import replace

from kwstrain.models.layers.operations import PLAIN, Operations
from kwstrain.operations.conv import conv2d, conv2d_forward
from kwstrain.operations.lstm import lstm_chunk
from kwstrain.operations.networks import together
from kwstrain.operations.pool import max_pool


def for_training(backend: str) -> Operations:
    """With gradients of their own; on an accelerator convolutions keep XLA's.

    `backend` is ``cpu``, ``gpu`` or ``tpu``.
    """
    own = Operations(max_pool=max_pool, lstm_chunk=lstm_chunk)
    return replace(own, conv2d=conv2d, together=together) if backend == "cpu" else own


def for_inference(backend: str) -> Operations:
    """Without gradients of their own: every one consists of plain operations."""
    return Operations(conv2d=conv2d_forward) if backend == "cpu" else PLAIN
