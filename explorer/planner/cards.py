"""Memory of common GPUs, to hold a plan against: those of :mod:`explorer.devices.datasheet`, by size.

A card that is sold with "80 GB" has 80 GiB less what its driver keeps (an A100 of 80 GB reports 79.2 GiB), so the
datasheets' figures are read as GiB here.
"""

from __future__ import annotations

from typing import Any

from explorer.devices import datasheet

GIB = 2**30

TIGHT_SHARE = 0.9
"""Share of a card above which a plan is called tight: driver, context, libraries' workspaces and what the caching
allocator rounds up and leaves between blocks are not in a plan."""


def verdict(total: int, memory: int) -> str:
    """``fits``, ``tight`` (above :data:`TIGHT_SHARE` of the memory) or ``does not fit``; both in bytes."""
    if total > memory:
        return "does not fit"
    return "tight" if total > TIGHT_SHARE * memory else "fits"


def cards() -> list[dict[str, Any]]:
    """From the smallest up: ``names`` of the cards of one size, and their ``memory`` in bytes."""
    by_size: dict[int, list[str]] = {}
    for sheet in datasheet.sheets():
        by_size.setdefault(round(sheet.memory_gb * GIB), []).append(sheet.name)
    return [{"names": by_size[memory], "memory": memory} for memory in sorted(by_size)]
