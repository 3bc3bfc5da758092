"""Timing one call on a device, with cold caches: events where the device has them, the clock elsewhere."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

MEBIBYTE = 1 << 20
ACCELERATOR_FLUSH = 256 * MEBIBYTE
"""Bytes that are overwritten where an accelerator does not tell its cache; no L2 is larger (Triton's ``do_bench`` and
ml-engineering's MAMF finder take the same)."""

LARGEST_OWN_CACHE = 64 * MEBIBYTE
"""A last-level cache beyond this is a server's, which other tenants fill and empty too, and overwriting it takes longer
than most products: there only the caches of the cores themselves are overwritten."""

CACHES = Path("/sys/devices/system/cpu/cpu0/cache")
UNKNOWN_CACHE = 16 * MEBIBYTE


class Timer:
    """Times calls on one device.

    Parameters
    ----------
    device : torch.device
        Where the calls run.
    flush : bool
        Whether caches are overwritten before each call.
    """

    def __init__(self, device: torch.device, flush: bool = True) -> None:
        self.device = device
        self._events = _events(device)
        self._flushed = torch.empty(_flush_bytes(device), dtype=torch.uint8, device=device) if flush else None

    def seconds(self, function: Callable[[], Any]) -> float:
        """Seconds that one call takes on the device, from its start to the end of its work."""
        with _current(self.device):
            return self._seconds(function)

    def _seconds(self, function: Callable[[], Any]) -> float:
        if self._flushed is not None:
            self._flushed.zero_()
        if self._events is None:
            self._synchronize()
            started = time.perf_counter()
            function()
            self._synchronize()
            return time.perf_counter() - started
        # The flush is still running when these are queued, so launching the kernel costs no time between them.
        start, end = self._events
        start.record()
        function()
        end.record()
        end.synchronize()
        return start.elapsed_time(end) / 1e3

    def _synchronize(self) -> None:
        if self.device.type != "cpu":
            torch.accelerator.synchronize(self.device)


def _current(device: torch.device) -> contextlib.AbstractContextManager[Any]:
    """Make a device the current one: an event is recorded on the current device's stream, not on its own."""
    if device.type == "cpu" or device.index is None:
        return contextlib.nullcontext()
    return torch.accelerator.device_index(device.index)


def _events(device: torch.device) -> tuple[torch.Event, torch.Event] | None:
    if device.type == "cpu":
        return None
    try:
        with _current(device):
            pair = torch.Event(device, enable_timing=True), torch.Event(device, enable_timing=True)
            for event in pair:
                event.record()
            pair[1].synchronize()
            pair[0].elapsed_time(pair[1])
    except (RuntimeError, NotImplementedError):  # A backend without events that tell the time.
        return None
    return pair


def _flush_bytes(device: torch.device) -> int:
    if device.type == "cuda":
        l2 = getattr(torch.cuda.get_device_properties(device), "L2_cache_size", 0)
        return 2 * l2 or ACCELERATOR_FLUSH
    return cpu_flush_bytes(torch.get_num_threads()) if device.type == "cpu" else ACCELERATOR_FLUSH


def cpu_flush_bytes(threads: int, caches: Path = CACHES) -> int:
    """Bytes that empty a CPU's caches of what a product left there: twice the largest that is not a server's.

    Parameters
    ----------
    threads : int
        Cores that compute, each with a level-2 cache of its own.
    caches : Path
        Where Linux describes the caches of one core.
    """
    sizes = {}
    for index in caches.glob("index*"):
        try:
            level, size = ((index / name).read_text().strip() for name in ("level", "size"))
            sizes[int(level)] = max(sizes.get(int(level), 0), int(size.removesuffix("K")) * 1024)
        except (OSError, ValueError):
            continue
    private, shared = threads * sizes.get(2, 0), sizes.get(3, 0)
    own = max(private, shared if shared <= LARGEST_OWN_CACHE else 0)
    return 2 * min(own or UNKNOWN_CACHE, LARGEST_OWN_CACHE)
