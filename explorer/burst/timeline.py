"""Memory through one training step: bytes over time by what holds them, and on CUDA the allocator's own record.

The same storages as in :mod:`explorer.burst.memory`, each with the time at which it came to life and died. What a
storage is (activation, gradient, cast) shows only later, when autograd saves it or a parameter gets it; it counts as
that from its birth.
"""

from __future__ import annotations

import contextlib
import itertools
import pickle
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import torch

from explorer.burst.instrument import Instrument
from explorer.burst.storages import Allocation, LiveStorages, gradients_of, optimizer_state_of, weights_of

if TYPE_CHECKING:
    from explorer.burst.lane import Lane
    from explorer.workloads.build import Batch

HOLDERS = ("weights", "master_weights", "gradients", "optimizer", "activations", "cast_cache", "other")
"""What can hold memory; ``other`` are temporaries and whatever lives between two operations only."""

MOST_POINTS = 200
"""Points that a timeline has at most; a step of a small GPT-2 has some thousand allocations."""

MOST_ENTRIES = 20_000
"""Allocations and frees that the snapshot of one step holds at most: each takes some kilobytes of stack."""


class Timeline(Instrument):
    """Bytes over the time of one step by what holds them.

    ``columns`` are lists of equal length: ``time_ms`` since the start of the step, on the host's clock and slowed by
    the watching, and the bytes of each of :data:`HOLDERS` from that moment to the next. The batch is not counted, as
    in ``memory``. ``marks`` holds the times of ``forward_end``, ``backward_end`` and ``step_end``.
    """

    name = "timeline"
    event = "timeline"

    def __init__(self, lane: Lane, every: int = 1) -> None:
        super().__init__(lane, every)
        self.snapshot: bytes | None = None
        """On CUDA, once the step was watched: the allocator's record of it, pickled as PyTorch's memory viewer
        (https://pytorch.org/memory_viz) reads it from a file. None elsewhere: other allocators keep no such record."""

    def prepare(self, batch: Batch, step: int) -> None:
        """Note what lives before the step."""
        self._weights, self._state = weights_of(self.lane), optimizer_state_of(self.lane)
        self._live = LiveStorages(self._weights.keys() | self._state.keys(), self._weights)
        self._old = self._live.adopt(p.grad for p in self.lane.model.parameters() if p.grad is not None)
        self._gradients = list(self._old)
        self._marks: dict[str, float] = {}

    @contextlib.contextmanager
    def watching(self) -> Iterator[None]:
        """Follow allocations through the step."""
        self._started = time.perf_counter()
        with self._allocator_record(), self._live.following(self.lane.model):
            yield
        self._mark("step_end")
        state = optimizer_state_of(self.lane)
        self._new_state = [each for key, each in self._live.alive.items() if key in state]

    def after_forward(self) -> None:
        """Mark the end of forward."""
        self._live.forward = False
        self._mark("forward_end")

    def after_backward(self) -> None:
        """Mark the end of backward, and see which storages became gradients."""
        self._mark("backward_end")
        gradients = gradients_of(self.lane)
        self._gradients += [each for key, each in self._live.alive.items() if key in gradients]

    def reading(self) -> dict[str, Any]:
        """Columns and marks."""
        holders = {id(each): "gradients" for each in self._gradients} | {
            id(each): "optimizer" for each in self._new_state
        }
        held = dict.fromkeys(HOLDERS, 0) | {
            "weights": sum(self._weights.values()),
            "gradients": sum(each.size for each in self._old),
            "optimizer": sum(self._state.values()),
        }
        columns = _columns(self._changes(holders), held)
        kept = thinned([columns[name] for name in HOLDERS])
        return {
            "columns": {name: [column[at] for at in kept] for name, column in columns.items()},
            "marks": self._marks,
        }

    def _mark(self, name: str) -> None:
        self._marks[name] = self._milliseconds(time.perf_counter())

    def _milliseconds(self, moment: float) -> float:
        return round(max(moment - self._started, 0.0) * 1e3, 4)

    def _changes(self, holders: dict[int, str]) -> list[tuple[float, str, int]]:
        """Time, holder and change in bytes of every birth and death of the step, in order."""
        changes, old = [], {id(each) for each in self._old}
        for each in self._live.history:
            holder = holders.get(id(each)) or _holder(each)
            if id(each) not in old:
                changes.append((self._milliseconds(each.born), holder, each.size))
            if each.died is not None:
                changes.append((self._milliseconds(each.died), holder, -each.size))
        # Of what happens at one moment the deaths come last: a new storage was asked for before the old one went.
        return sorted(changes, key=lambda change: (change[0], -change[2]))

    @contextlib.contextmanager
    def _allocator_record(self) -> Iterator[None]:
        """Have CUDA's caching allocator record the step (``torch.cuda.memory``, "Understanding CUDA Memory Usage")."""
        if self.lane.device.type != "cuda":
            yield
            return
        torch.cuda.memory._record_memory_history(stacks="python", max_entries=MOST_ENTRIES)
        try:
            yield
            self.snapshot = pickle.dumps(torch.cuda.memory._snapshot(self.lane.device))
        finally:
            torch.cuda.memory._record_memory_history(enabled=None)


def _holder(allocation: Allocation) -> str:
    if allocation.is_cast:
        return "cast_cache"
    return "activations" if allocation.is_saved else "other"


def _columns(changes: list[tuple[float, str, int]], held: dict[str, int]) -> dict[str, list[float]]:
    """Add the changes up from what is held at the start, a point for each moment."""
    columns: dict[str, list[float]] = {"time_ms": [0.0], **{name: [size] for name, size in held.items()}}
    for moment, holder, change in changes:
        held[holder] += change
        columns["time_ms"].append(moment)
        for name, size in held.items():
            columns[name].append(size)
    return columns


def thinned(columns: list[list[int]], most: int = MOST_POINTS) -> list[int]:
    """Which points to keep of columns that are too long.

    The first and the last, the largest of each column, and out of each of many equal stretches the point with the
    largest sum and the last.

    Parameters
    ----------
    columns : list of list of int
        Columns of equal length.
    most : int
        How many points may be kept.

    Returns
    -------
    list of int
        Positions, ascending.
    """
    length = len(columns[0])
    if length <= most:
        return list(range(length))
    sums = [sum(point) for point in zip(*columns, strict=True)]
    kept = {0, length - 1, *(max(range(length), key=column.__getitem__) for column in columns)}
    stretches = (most - len(kept)) // 2
    bounds = [length * at // stretches for at in range(stretches + 1)]
    for start, end in itertools.pairwise(bounds):
        kept |= {max(range(start, end), key=sums.__getitem__), end - 1}
    return sorted(kept)
