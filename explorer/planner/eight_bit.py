"""State of the 8-bit optimizers of bitsandbytes, which is arithmetic: Dettmers et al. 2022 (arXiv 2110.02861)."""

from __future__ import annotations

SMALLEST = 4_096
"""Tensors of fewer elements keep float32 moments (``min_8bit_size`` of bitsandbytes' optimizers)."""

BLOCK = 256
"""Elements that share a float32 scale (bitsandbytes' ``blocksize``; the paper's section 2.1 has blocks of 2,048)."""

MOMENTS = 2


def state_bytes(elements: int) -> int:
    """Bytes that AdamW8bit keeps for a tensor of so many elements: two moments and their scales."""
    if elements < SMALLEST:
        return MOMENTS * 4 * elements
    return MOMENTS * (elements + 4 * -(-elements // BLOCK))
