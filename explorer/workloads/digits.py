"""Batches of scikit-learn's handwritten digits: 1,797 real images of 8 × 8 pixels in ten classes.

The images come with scikit-learn (Alpaydin and Kaynak 1998, UCI Machine Learning Repository); nothing is downloaded.
"""

from __future__ import annotations

import functools
from typing import Literal

import torch
from torch import Tensor

from explorer.workloads.examples import Draw, draws_from
from explorer.workloads.intake import Intake

BRIGHTEST = 16.0
"""The largest pixel value in the data set; inputs are divided by it, so that they lie between 0 and 1."""


@functools.cache
def _digits() -> tuple[Tensor, Tensor]:
    """All images, float32 of shape (1797, 64) from 0 to 1, and their classes, int64 of shape (1797,)."""
    from sklearn.datasets import load_digits

    images, classes = load_digits(return_X_y=True)
    return torch.from_numpy(images).float() / BRIGHTEST, torch.from_numpy(classes).long()


def draws(intake: Intake, sequence_length: int, split: Literal["train", "eval"], text: str | None = None) -> Draw:
    """Open the digits for drawing batches: images (batch_size, 64) in float32, classes (batch_size,) in int64."""
    return draws_from(*_digits(), split)
