"""Memory of one training step by what holds it, counted from live storages, so that it means the same on every device.

Three sources, each storage counted once: the tensors that the lane owns (weights, gradients, optimizer state); the
tensors that autograd saves for backward (``torch.autograd.graph.saved_tensors_hooks``); and every storage that an
operation of the step allocates, followed until it dies (a ``TorchDispatchMode`` with weak references, the method of
``torch.distributed._tools.mem_tracker``), which gives the live peak and finds autocast's copies of the weights.
"""

from __future__ import annotations

import contextlib
import weakref
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from explorer.burst.instrument import Instrument

if TYPE_CHECKING:
    from explorer.workloads.build import Batch


def _storages(tensors: Iterable[Tensor]) -> dict[int, int]:
    """Bytes of each distinct storage of the tensors, by its address in the runtime."""
    return {
        storage._cdata: storage.nbytes() for tensor in tensors for storage in (tensor.untyped_storage(),)
    }  # fmt: skip


class _LiveStorages(TorchDispatchMode):
    """Follows the storages that operations allocate until they die.

    Parameters
    ----------
    known : dict of int to int
        Storages that live already (weights, optimizer state, the batch): not counted.
    weights : set of int
        Which of them are weights; a cast copy of one of these belongs to autocast's cast cache.
    """

    def __init__(self, known: dict[int, int], weights: set[int]) -> None:
        super().__init__()
        self._known, self._weights = set(known), weights
        self._watched: dict[int, weakref.ref] = {}
        self.live = self.peak = 0
        self.casts: dict[int, int] = {}
        self.forward = True

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        # What an operation wrote into was there before: in-place and foreach operations bring no storage of their own.
        if func._schema.is_mutable:
            return out
        for tensor in out if isinstance(out, tuple | list) else (out,):
            if isinstance(tensor, Tensor):
                self._see(tensor, func, args)
        return out

    def _see(self, tensor: Tensor, func: Any, args: Any) -> None:
        storage = tensor.untyped_storage()
        key, size = storage._cdata, storage.nbytes()
        if key in self._known or key in self._watched:
            return
        self._watched[key] = weakref.ref(storage, lambda _: self._died(key, size))
        self.live += size
        self.peak = max(self.peak, self.live)
        is_cast = self.forward and func is torch.ops.aten._to_copy.default
        if is_cast and args[0].untyped_storage()._cdata in self._weights:
            self.casts[key] = size

    def _died(self, key: int, size: int) -> None:
        del self._watched[key]
        self.live -= size

    def close(self) -> None:
        """Stop following: what is still alive belongs to the lane now."""
        self._watched.clear()


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
        self._weights = _storages([*self.lane.model.parameters(), *self.lane.model.buffers()])
        self._before = self._weights | self._optimizer_state()
        self._batch = _storages(batch)
        self._saved: dict[int, int] = {}
        if self.lane.device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(self.lane.device)

    @contextlib.contextmanager
    def watching(self) -> Iterator[None]:
        """Follow allocations and saved tensors through the step."""
        self._live = _LiveStorages(self._before | self._batch, set(self._weights))
        with self._live, torch.autograd.graph.saved_tensors_hooks(self._pack, _unpack):
            yield
        self._live.close()
        self._optimizer = self._optimizer_state()

    def after_forward(self) -> None:
        """From here on a cast of a weight is no longer autocast's cache."""
        self._live.forward = False

    def after_backward(self) -> None:
        """All gradients are there now, and no activation is."""
        self._gradients = _storages(p.grad for p in self.lane.model.parameters() if p.grad is not None)

    def reading(self) -> dict[str, int]:
        """The bytes by name."""
        elsewhere = self._weights.keys() | self._batch.keys() | self._live.casts.keys()
        sizes = {
            "weights": sum(self._weights.values()),
            "master_weights": 0,
            "gradients": sum(self._gradients.values()),
            "optimizer": sum(self._optimizer.values()),
            "activations": sum(size for key, size in self._saved.items() if key not in elsewhere),
            "cast_cache": sum(self._live.casts.values()),
            "total": sum(self._before.values()) + self._live.peak,
        }
        if self.lane.device.type == "cuda":
            sizes["allocator_peak"] = torch.cuda.max_memory_allocated(self.lane.device)
            sizes["allocator_reserved"] = torch.cuda.max_memory_reserved(self.lane.device)
        return sizes

    def _optimizer_state(self) -> dict[int, int]:
        state = self.lane.optimizer.state.values()
        return _storages(value for entry in state for value in entry.values() if isinstance(value, Tensor))

    def _pack(self, tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        self._saved[storage._cdata] = storage.nbytes()
        return tensor


def _unpack(tensor: Tensor) -> Tensor:
    return tensor
