"""Models that read handwritten digits: a perceptron, a convolutional network and vision transformers."""

from __future__ import annotations

from torch import nn

from explorer.workloads.imports import load_transformers

PIXELS, CLASSES = 64, 10


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


def _vit(**shape: float) -> nn.Module:
    transformers = load_transformers()
    config = transformers.ViTConfig(
        **shape, num_labels=CLASSES, hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0
    )  # fmt: skip
    return transformers.ViTForImageClassification(config)


def vit_tiny() -> nn.Module:
    """A vision transformer over the 16 patches of 2 × 2 pixels of a digit: 4 layers of width 128 with 4 heads.

    Initial weights have the standard deviation 1 / √width. ViT's own 0.02 is for patches of 768 numbers; with the 4
    numbers of these it learnt next to nothing in 60 steps (batches of 8, AdamW, learning rate 1e-3), where this one
    came from 2.8 to 1.0.
    """
    return _vit(
        image_size=8,
        num_channels=1,
        patch_size=2,
        hidden_size=128,
        intermediate_size=512,
        num_hidden_layers=4,
        num_attention_heads=4,
        initializer_range=128**-0.5,
    )


def vit_small() -> nn.Module:
    """ViT-S/16 (DeiT-S in Touvron et al. 2021, arXiv 2012.12877, table 1): 12 layers of width 384 with 6 heads.

    It takes 224 × 224 images in colour; digits come to it with each pixel grown to 28 × 28, three times the same grey.
    """
    return _vit(
        image_size=224,
        num_channels=3,
        patch_size=16,
        hidden_size=384,
        intermediate_size=1536,
        num_hidden_layers=12,
        num_attention_heads=6,
    )
