"""Follows storages through a training step: every one that an operation allocates, until it dies.

The method is that of ``torch.distributed._tools.mem_tracker``: a ``TorchDispatchMode`` sees the result of every
operation, and a weak reference tells when its storage is freed. ``saved_tensors_hooks`` tell which storages autograd
keeps for backward. What is counted is what tensors hold, so it means the same on every device; what an allocator rounds
up to or keeps in reserve is not in it, nor is scratch memory inside of a kernel.
"""

from __future__ import annotations

import contextlib
import time
import weakref
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode, is_traceable_wrapper_subclass

if TYPE_CHECKING:
    from explorer.burst.lane import Lane


@dataclass(slots=True, eq=False)
class Allocation:
    """One storage that came to life in the step: its bytes, and when on ``time.perf_counter``'s clock."""

    size: int
    born: float
    died: float | None = None
    is_cast: bool = False
    """Whether it is autocast's copy of a weight: in a narrower format, made in the forward pass."""
    is_saved: bool = False
    """Whether autograd kept it for backward."""


def plain_tensors(tensors: Iterable[Tensor]) -> Iterator[Tensor]:
    """The tensors that have a storage: a wrapper subclass (torchao's, say) is replaced by what it wraps."""
    for tensor in tensors:
        if is_traceable_wrapper_subclass(tensor):
            names, _ = tensor.__tensor_flatten__()
            yield from plain_tensors(getattr(tensor, name) for name in names)
        else:
            yield tensor


def storages(tensors: Iterable[Tensor]) -> dict[int, int]:
    """Bytes of each distinct storage of the tensors, by its address in the runtime."""
    return {
        storage._cdata: storage.nbytes() for tensor in plain_tensors(tensors)
        for storage in (tensor.untyped_storage(),)
    }  # fmt: skip


def weights_of(lane: Lane) -> dict[int, int]:
    """Storages of the lane's parameters and buffers."""
    return storages([*lane.model.parameters(), *lane.model.buffers()])


def gradients_of(lane: Lane) -> dict[int, int]:
    """Storages of the parameters' gradients."""
    return storages(p.grad for p in lane.model.parameters() if p.grad is not None)


def optimizer_state_of(lane: Lane) -> dict[int, int]:
    """Storages of the tensors that the optimizer keeps from step to step."""
    state = lane.optimizer.state.values()
    return storages(value for entry in state for value in entry.values() if isinstance(value, Tensor))


class LiveStorages(TorchDispatchMode):
    """Follows the storages that operations allocate until they die.

    Parameters
    ----------
    known : iterable of int
        Storages that live already (weights, optimizer state): not counted.
    weights : iterable of int
        Which of them are weights; a cast copy of one of these in the forward pass belongs to autocast's cast cache.

    Attributes
    ----------
    live, peak : int
        Bytes that are alive now, and the most that were.
    alive : dict of int to Allocation
        What is alive now, by the storage's address.
    saved : dict of int to int
        Bytes of each storage of the step that autograd saved for backward in the forward pass, casts among them.
    casts : dict of int to int
        Bytes of each storage that holds a weight's cast.
    forward : bool
        Whether a forward pass is under way; to be set to False when it is over.
    history : list of Allocation
        Everything that was allocated, in order.
    """

    def __init__(self, known: Iterable[int], weights: Iterable[int]) -> None:
        super().__init__()
        self._known, self._weights = set(known), set(weights)
        self._references: dict[int, weakref.ref] = {}
        self.alive: dict[int, Allocation] = {}
        self.history: list[Allocation] = []
        self.live = self.peak = 0
        self.saved: dict[int, int] = {}
        self.casts: dict[int, int] = {}
        self.forward = True

    @contextlib.contextmanager
    def following(self, model: nn.Module) -> Iterator[None]:
        """Surround a step of the model. Of several micro-batches ``saved`` and ``casts`` tell of the last."""
        # PyTorch calls the innermost hooks only, so these pass on to the ones around them.
        outer = torch._C._autograd._top_saved_tensors_default_hooks(True)
        pack, unpack = outer or (_same, _same)

        def note(tensor: Tensor) -> Any:
            self._save(tensor)
            return pack(tensor)

        begins = model.register_forward_pre_hook(lambda *_: self._begin_forward())
        try:
            with self, torch.autograd.graph.saved_tensors_hooks(note, unpack):
                yield
        finally:
            begins.remove()
        # What is still alive belongs to the lane now.
        self._references.clear()

    def adopt(self, tensors: Iterable[Tensor]) -> list[Allocation]:
        """Follow tensors that live already, the gradients of the step before, say, from now until they die."""
        before = len(self.history)
        for tensor in plain_tensors(tensors):
            self._follow(tensor.untyped_storage())
        return self.history[before:]

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Run the operation and see what it made."""
        out = func(*args, **(kwargs or {}))
        # What an operation wrote into or looks at in another shape was there before: in-place operations, foreach
        # operations and views bring no storage of their own. (``torch.tensor`` shows itself as the view that ends it.)
        is_view = func.is_view and func is not torch.ops.aten.lift_fresh.default
        if func._schema.is_mutable or is_view:
            return out
        made = out if isinstance(out, tuple | list) else (out,)
        for tensor in plain_tensors(each for each in made if isinstance(each, Tensor)):
            self._see(tensor, func, args)
        return out

    def _begin_forward(self) -> None:
        self.forward = True
        self.saved, self.casts = {}, {}

    def _see(self, tensor: Tensor, func: Any, args: Any) -> None:
        allocation = self._follow(tensor.untyped_storage())
        if allocation and self.forward and func is torch.ops.aten._to_copy.default:
            source = next(plain_tensors(args[:1]))
            # Not the other way: kernels that multiply halves in float32 cast up for as long as they run.
            narrower = tensor.element_size() < source.element_size()
            if narrower and source.untyped_storage()._cdata in self._weights:
                allocation.is_cast = True
                self.casts[tensor.untyped_storage()._cdata] = allocation.size

    def _follow(self, storage: torch.UntypedStorage) -> Allocation | None:
        """Follow a storage from now on; None where that is done already or it is a known one."""
        key, size = storage._cdata, storage.nbytes()
        if key in self._known or key in self._references:
            return None
        allocation = Allocation(size, time.perf_counter())
        self._references[key] = weakref.ref(storage, lambda _: self._died(key, allocation))
        self.alive[key] = allocation
        self.history.append(allocation)
        self.live += size
        self.peak = max(self.peak, self.live)
        return allocation

    def _died(self, key: int, allocation: Allocation) -> None:
        allocation.died = time.perf_counter()
        del self._references[key], self.alive[key]
        self.live -= allocation.size

    def _save(self, tensor: Tensor) -> None:
        for key in storages([tensor]):
            # What lived before the step is a weight or a batch.
            if key in self.alive:
                self.alive[key].is_saved = True
                if self.forward:
                    self.saved[key] = self.alive[key].size


def _same(tensor: Tensor) -> Tensor:
    return tensor
