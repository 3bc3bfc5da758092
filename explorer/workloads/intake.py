"""What a model takes in: how a data set must shape text or images for it, and what it is asked to predict."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from explorer.workloads.catalogue import Model, Objective

BYTES = 256
"""Size of the vocabulary in which one token is one byte."""

MASK_BYTE = 0xFF
"""Stands for a masked byte: UTF-8 never uses it (RFC 3629, section 3: C0, C1 and F5 to FF never appear)."""


def as_bytes(text: str) -> Tensor:
    """The text in UTF-8, one token a byte: int64 of shape (length,). Lone surrogates become question marks."""
    return torch.frombuffer(bytearray(text.encode("utf-8", "replace") or b" "), dtype=torch.uint8).long()


@dataclass(frozen=True)
class Intake:
    """How data is laid out for one model."""

    objective: Objective = "next-token"
    encode: Callable[[str], Tensor] = as_bytes
    """Text to token ids, int64 of shape (length,)."""
    mask_token: int = MASK_BYTE
    longest_sequence: int | None = None
    image: tuple[int, int] | None = None
    """Channels and side of the square images it takes; None where it takes flat pixels."""


def intake_of(model: Model) -> Intake:
    """What a model that is built here takes: bytes or pixels."""
    return Intake(model.objective, longest_sequence=model.longest_sequence, image=model.image)
