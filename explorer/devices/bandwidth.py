"""How fast a device moves and casts numbers: what limits everything in a training step that is no matrix product."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from statistics import median
from typing import Any

import torch

from explorer.devices.timing import MEBIBYTE, Timer

CPU_BYTES, ACCELERATOR_BYTES = 128 * MEBIBYTE, 1024 * MEBIBYTE
"""Bytes of one array; each is read or written once, and is larger than the caches that this process has to itself."""
MOST_MEMORY = 0.1
"""Share of the free memory that one array may take."""
LEAST_ROUNDS, MOST_ROUNDS = 3, 40

CASTS = (("fp32", "bf16"), ("fp32", "fp16"), ("bf16", "fp32"), ("fp16", "fp32"), ("fp32", "e4m3fn"), ("fp32", "e5m2"))
DTYPES = {
    "fp32": torch.float32,
    "fp16": torch.float16,
    "bf16": torch.bfloat16,
    "e4m3fn": torch.float8_e4m3fn,
    "e5m2": torch.float8_e5m2,
}


def bandwidth(device: torch.device, seconds: float, memory_free: int | None) -> Iterator[dict[str, Any]]:
    """Copy an array again and again; yield after each round the best so far.

    Yields
    ------
    dict
        ``device gb_per_s`` (10⁹ bytes read and written a second, best round) ``median_gb_per_s bytes`` (read and
        written a round) ``rounds``.
    """
    count = _bytes(device, memory_free)
    source = torch.ones(count // 4, dtype=torch.float32, device=device)
    target = torch.empty_like(source)
    for taken in _rounds(device, seconds, lambda: target.copy_(source)):
        moved = 2 * source.nbytes
        yield {
            "device": str(device),
            "gb_per_s": round(moved / min(taken) / 1e9, 3),
            "median_gb_per_s": round(moved / median(taken) / 1e9, 3),
            "bytes": moved,
            "rounds": len(taken),
        }


def casts(device: torch.device, seconds: float, memory_free: int | None) -> Iterator[dict[str, Any]]:
    """Cast an array between formats, one pair after the other; yield the best of each after each of its rounds.

    Pairs that PyTorch cannot cast on the device are left out.

    Yields
    ------
    dict
        ``device from to gvalues_per_s`` (10⁹ values a second, best round) ``gb_per_s`` (10⁹ bytes read and written a
        second) ``rounds``.
    """
    count = _bytes(device, memory_free) // 8
    drawn = torch.randn(count, generator=torch.Generator().manual_seed(0)).to(device)
    for start, end in CASTS:
        try:
            source = drawn.to(DTYPES[start])
            target = torch.empty(count, dtype=DTYPES[end], device=device)
            target.copy_(source)
        except (RuntimeError, TypeError):
            continue
        for taken in _rounds(device, seconds / len(CASTS), lambda source=source, target=target: target.copy_(source)):
            rate = count / min(taken)
            yield {
                "device": str(device),
                "from": start,
                "to": end,
                "gvalues_per_s": round(rate / 1e9, 4),
                "gb_per_s": round(rate * (source.element_size() + target.element_size()) / 1e9, 3),
                "rounds": len(taken),
            }


def _bytes(device: torch.device, memory_free: int | None) -> int:
    most = CPU_BYTES if device.type == "cpu" else ACCELERATOR_BYTES
    return most if memory_free is None else max(MEBIBYTE, min(most, int(MOST_MEMORY * memory_free)))


def _rounds(device: torch.device, seconds: float, function: Callable[[], Any]) -> Iterator[list[float]]:
    """Seconds of all rounds so far, after each; the first, which may pay for what comes once, is not counted."""
    timer = Timer(device, flush=False)
    timer.seconds(function)
    taken: list[float] = []
    while len(taken) < LEAST_ROUNDS or (sum(taken) < seconds and len(taken) < MOST_ROUNDS):
        taken.append(timer.seconds(function))
        yield taken
