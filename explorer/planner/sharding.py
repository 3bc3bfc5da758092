"""What each of N GPUs holds of weights, gradients and optimizer state: ZeRO's stages, and FSDP, which is the third.

Rajbhandari et al. 2020, "ZeRO: Memory Optimizations Toward Training Trillion Parameter Models" (arXiv 1910.02054),
section 5: stage 1 divides the optimizer's state, stage 2 the gradients too, stage 3 the weights too.
"""

from __future__ import annotations

DIVIDED: dict[str, frozenset[str]] = {
    "none": frozenset(),
    "zero1": frozenset({"optimizer", "master_weights"}),
    "zero2": frozenset({"optimizer", "master_weights", "gradients"}),
    "zero3": frozenset({"optimizer", "master_weights", "gradients", "weights"}),
    "fsdp": frozenset({"optimizer", "master_weights", "gradients", "weights"}),
}
"""What each scheme divides."""

GATHERED_UNITS = 2
"""Layers whose weights are whole at a time where weights are divided: the one at work, and the next on its way."""


def share(part: str, size: int, sharding: str, gpus: int) -> int:
    """Bytes of a part that one GPU holds: all of it, or its N-th, rounded up."""
    return -(-size // gpus) if part in DIVIDED[sharding] else size


def gathers(sharding: str, gpus: int) -> bool:
    """Whether weights have to be gathered before a layer can use them."""
    return gpus > 1 and "weights" in DIVIDED[sharding]
