"""Batches out of a fixed set of examples, of which the last tenth is held out for evaluation."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor

Draw = Callable[[int, torch.Generator], tuple[Tensor, Tensor]]
"""Draws a batch of that size: inputs and targets."""


def draws_from(inputs: Tensor, targets: Tensor, split: Literal["train", "eval"]) -> Draw:
    """Draw examples with replacement from one part of the set.

    Parameters
    ----------
    inputs, targets : Tensor
        As many of one as of the other, along the first dimension.
    split : {"train", "eval"}
        Everything but the last tenth of the examples, or that tenth.

    Returns
    -------
    callable
        Draws ``batch_size`` inputs and their targets.
    """
    held_out = len(inputs) // 10
    part = slice(-held_out, None) if split == "eval" else slice(0, -held_out)
    inputs, targets = inputs[part], targets[part]

    def draw(batch_size: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        drawn = torch.randint(len(inputs), (batch_size,), generator=generator)
        return inputs[drawn], targets[drawn]

    return draw
