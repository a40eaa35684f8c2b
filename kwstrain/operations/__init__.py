"""Operations of the layers for a backend: the values of the plain ones, faster, or with gradients of their own for training."""

from __future__ import annotations

import os
from dataclasses import replace

from kwstrain.models.layers.operations import PLAIN, Operations
from kwstrain.operations.conv import conv2d, conv2d_forward
from kwstrain.operations.frame_conv import frame_conv, frame_conv_by_kernels
from kwstrain.operations.lstm import lstm_chunk
from kwstrain.operations.networks import together
from kwstrain.operations.pool import max_pool


def for_training(backend: str) -> Operations:
    """With gradients of their own; on an accelerator convolutions keep XLA's.

    `backend` is ``cpu``, ``gpu`` or ``tpu``. With ``KWSTRAIN_KERNELS=0`` in the environment no kernels but XLA's are called.
    """
    own = Operations(max_pool=max_pool, lstm_chunk=lstm_chunk)
    if backend != "cpu":
        return own
    own = replace(own, conv2d=conv2d, frame_conv=frame_conv)
    return own if os.environ.get("KWSTRAIN_KERNELS") == "0" else replace(own, together=together, frame_conv=frame_conv_by_kernels)


def for_inference(backend: str) -> Operations:
    """Without gradients of their own: every one consists of plain operations."""
    return Operations(conv2d=conv2d_forward, frame_conv=frame_conv) if backend == "cpu" else PLAIN
