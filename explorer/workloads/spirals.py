"""Points of the plane in three spiral arms that no straight line parts, and the small perceptron that parts them.

The recipe is that of the case study in Stanford's CS231n course notes ("Putting it together: minimal neural network
case study", Karpathy 2015, cs231n.github.io/neural-networks-case-study): radius from 0 to 1, an angle of 4 radians
along each arm, normal noise of 0.2 radians on it.
"""

from __future__ import annotations

import functools
from typing import Literal

import torch
from torch import Tensor, nn

from explorer.workloads.examples import Draw, draws_from
from explorer.workloads.intake import Intake

ARMS, POINTS = 3, 1000
"""Classes, and points in each."""
ANGLE, NOISE = 4.0, 0.2
"""Radians along an arm, and the standard deviation of the noise on them."""


def spirals_mlp() -> nn.Module:
    """A perceptron 2-64-64-3 with ReLU."""
    return nn.Sequential(nn.Linear(2, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, ARMS))


@functools.cache
def _spirals() -> tuple[Tensor, Tensor]:
    """All points in random order, float32 of shape (3000, 2), and their arms, int64 of shape (3000,)."""
    generator = torch.Generator().manual_seed(0)
    arms = torch.arange(ARMS).repeat_interleave(POINTS)
    along = torch.linspace(0, 1, POINTS).repeat(ARMS)
    angles = ANGLE * (arms + along) + NOISE * torch.randn(len(arms), generator=generator)
    points = along[:, None] * torch.stack((angles.sin(), angles.cos()), dim=1)
    order = torch.randperm(len(arms), generator=generator)
    return points[order], arms[order]


def draws(intake: Intake, sequence_length: int, split: Literal["train", "eval"], text: str | None = None) -> Draw:
    """Open the spirals for drawing batches: points (batch_size, 2) in float32, arms (batch_size,) in int64."""
    return draws_from(*_spirals(), split)
