"""Memory of one training step by what holds it, counted from live storages, so that it means the same on every device.

Three sources, each storage counted once: the tensors that the lane owns (weights, gradients, optimizer state); the
tensors that autograd saves for backward; and every storage that an operation of the step allocates, followed until it
dies, which gives the live peak and finds autocast's copies of the weights (:mod:`explorer.burst.storages`).
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

import torch

from explorer.burst.instrument import Instrument
from explorer.burst.storages import LiveStorages, gradients_of, optimizer_state_of, weights_of

if TYPE_CHECKING:
    from explorer.workloads.build import Batch


class Memory(Instrument):
    """Bytes by what holds them, at the moment each is largest, and the live peak of the step.

    ``weights`` (in an autocast recipe these *are* the master weights, so ``master_weights`` is 0), ``gradients`` at
    the end of backward, ``optimizer`` at the end of the step, ``activations`` (saved for backward, at the end of
    forward; without weights, their casts, and the batch itself), ``cast_cache`` (the weights' copies in the compute
    format) and ``total``: the most that lived at once. The parts do not reach their largest size together, so
    ``total`` is not their sum; it also holds temporaries. On CUDA ``allocator_peak`` and ``allocator_reserved`` are
    what the caching allocator says of the whole process, all lanes together.
    """

    name = "memory"

    def prepare(self, batch: Batch, step: int) -> None:
        """Note what lives before the step."""
        self._weights = weights_of(self.lane)
        self._before = self._weights | optimizer_state_of(self.lane)
        if self.lane.device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(self.lane.device)

    @contextlib.contextmanager
    def watching(self) -> Iterator[None]:
        """Follow allocations and saved tensors through the step."""
        self._live = LiveStorages(self._before, self._weights)
        with self._live.following(self.lane.model):
            yield
        self._optimizer = optimizer_state_of(self.lane)

    def after_forward(self) -> None:
        """From here on a cast of a weight is no longer autocast's cache."""
        self._live.forward = False

    def after_backward(self) -> None:
        """All gradients are there now, and no activation is."""
        self._gradients = gradients_of(self.lane)

    def reading(self) -> dict[str, int]:
        """The bytes by name."""
        sizes = {
            "weights": sum(self._weights.values()),
            "master_weights": 0,
            "gradients": sum(self._gradients.values()),
            "optimizer": sum(self._optimizer.values()),
            "activations": sum(size for key, size in self._live.saved.items() if key not in self._live.casts),
            "cast_cache": sum(self._live.casts.values()),
            "total": sum(self._before.values()) + self._live.peak,
        }
        if self.lane.device.type == "cuda":
            sizes["allocator_peak"] = torch.cuda.max_memory_allocated(self.lane.device)
            sizes["allocator_reserved"] = torch.cuda.max_memory_reserved(self.lane.device)
        return sizes
