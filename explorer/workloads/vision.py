"""Models and batches over scikit-learn's handwritten digits: 1,797 real images of 8 × 8 pixels in ten classes.

The images come with scikit-learn (Alpaydin and Kaynak 1998, UCI Machine Learning Repository); nothing is downloaded.
"""

from __future__ import annotations

import functools

import torch
from torch import Tensor, nn

PIXELS, CLASSES = 64, 10
BRIGHTEST = 16.0
"""The largest pixel value in the data set; inputs are divided by it, so that they lie between 0 and 1."""


def mlp() -> nn.Module:
    """A perceptron 64-128-128-10 with ReLU."""
    return nn.Sequential(
        nn.Linear(PIXELS, 128), nn.ReLU(), nn.Linear(128, 128), nn.ReLU(), nn.Linear(128, CLASSES)
    )  # fmt: skip


def cnn() -> nn.Module:
    """Two 3 × 3 convolutions with ReLU, a pooling and a linear layer."""
    return nn.Sequential(
        nn.Unflatten(1, (1, 8, 8)),
        nn.Conv2d(1, 16, kernel_size=3, padding=1),
        nn.ReLU(),
        nn.Conv2d(16, 32, kernel_size=3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(32 * 4 * 4, CLASSES),
    )


@functools.cache
def _digits() -> tuple[Tensor, Tensor]:
    """All images, float32 of shape (1797, 64) from 0 to 1, and their classes, int64 of shape (1797,)."""
    from sklearn.datasets import load_digits

    images, classes = load_digits(return_X_y=True)
    return torch.from_numpy(images).float() / BRIGHTEST, torch.from_numpy(classes).long()


def batches(batch_size: int, sequence_length: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Draw one batch, with replacement: images (batch_size, 64) in float32, classes (batch_size,) in int64."""
    images, classes = _digits()
    drawn = torch.randint(len(images), (batch_size,), generator=generator)
    return images[drawn], classes[drawn]
