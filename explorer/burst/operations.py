"""What one training step really ran in which dtype, forward and backward, by module.

A ``TorchDispatchMode`` sees every kernel below autocast and autograd, so what it sees is what ran, casts among them.
Which module a backward kernel belongs to is known from autograd: each node carries the number that was drawn when
forward made it (``Node._sequence_nr``), and forward hooks note which numbers fall into which module.

Where this machine emulates a product (:mod:`explorer.devices.products`, :mod:`explorer.recipes.linear`), the kernels
beneath are an artefact of the emulation. Such a call is one row: the product that the recipe asks for, in the format
that its operands are rounded to, marked ``emulated``; the float32 kernels and casts inside of it are not listed.
"""

from __future__ import annotations

import bisect
import contextlib
import functools
import inspect
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from types import CodeType, FrameType
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from explorer.burst.instrument import Instrument
from explorer.burst.speed import flop_counter
from explorer.burst.storages import plain_tensors
from explorer.devices import products
from explorer.recipes.linear import RoundedProducts
from explorer.recipes.precision import DTYPES
from explorer.recipes.tf32 import OPERANDS as TF32_OPERANDS

if TYPE_CHECKING:
    from explorer.burst.lane import Lane
    from explorer.workloads.build import Batch

MOST_ROWS = 400
"""Rows of the table at most; a larger model has its repeated layers put together."""

OUTSIDE, ROOT, ACCUMULATION = "(loss)", "(model)", "(gradients)"
"""What stands for a module's name: outside of the model, in it but in none of its parts, and where gradients are added
up."""

NO_ARITHMETIC = {
    *("empty", "empty_like", "empty_strided", "new_empty", "new_empty_strided", "detach", "_unsafe_view"),
    *("zeros", "zeros_like", "new_zeros", "ones", "ones_like", "full", "full_like", "new_full", "scalar_tensor"),
}
"""Operations that compute nothing. Views are left out as well, and what gives no floating-point numbers."""

_NAMES = {dtype: name for name, dtype in DTYPES.items()} | {
    torch.float64: "fp64",
    torch.float8_e4m3fn: "e4m3fn",
    torch.float8_e5m2: "e5m2",
    torch.float8_e8m0fnu: "e8m0",
    torch.float4_e2m1fn_x2: "e2m1",
}


@dataclass(frozen=True)
class Kind:
    """What operations have in common that are counted as one row.

    Attributes
    ----------
    module : str
        Name of the innermost module, or one of :data:`OUTSIDE`, :data:`ROOT`, :data:`ACCUMULATION`.
    op : str
        The operation's name in ATen, or of the function that an emulated product stands for.
    direction : {"forward", "backward"}
        Whether an autograd node ran it.
    dtype_in, dtype_out : str
        Formats of the floating-point operands and results; several are joined by "+".
    emulated : bool
        Whether it stands for an emulated product.
    """

    module: str
    op: str
    direction: str
    dtype_in: str
    dtype_out: str
    emulated: bool


@dataclass
class Count:
    """How many operations a row stands for, how many of them changed the dtype, and the bytes these wrote."""

    count: int = 0
    casts: int = 0
    cast_bytes: int = 0

    def __iadd__(self, other: Count) -> Count:
        self.count += other.count
        self.casts += other.casts
        self.cast_bytes += other.cast_bytes
        return self


class Operations(Instrument):
    """Operations of one step by module, direction and dtype.

    ``rows`` is a list of ``module op direction dtype_in dtype_out emulated`` (see :class:`Kind`), ``count``, ``casts``
    (how many of them changed the dtype) and ``cast_bytes`` (what these wrote), in the order in which they first ran.
    The update is not in it: optimizers work in the dtype of the weights.
    """

    name = "operations"
    event = "operations"

    def __init__(self, lane: Lane, every: int = 1) -> None:
        super().__init__(lane, every)
        self._flop: int | None = None

    def flop(self) -> int | None:
        """Floating-point operations of the step that was watched; None before it was."""
        return self._flop

    def prepare(self, batch: Batch, step: int) -> None:
        """Begin a new table."""
        precision = self.lane.precision
        self._recorder = _Recorder(
            tf32=precision.recipe.compute == "tf32", emulates=precision.support == "emulated"
        )  # fmt: skip

    @contextlib.contextmanager
    def watching(self) -> Iterator[None]:
        """Record the step."""
        counter = flop_counter()
        with self._recorder.places.noted(self.lane.model), counter, self._recorder:
            yield
        self._flop = counter.get_total_flops()

    def after_backward(self) -> None:
        """What follows is not recorded."""
        self._recorder.finish()

    def reading(self) -> dict[str, Any]:
        """The table."""
        return {
            "rows": [
                {
                    "module": kind.module,
                    "op": kind.op,
                    "direction": kind.direction,
                    "dtype_in": kind.dtype_in,
                    "dtype_out": kind.dtype_out,
                    "emulated": kind.emulated,
                    "count": count.count,
                    "casts": count.casts,
                    "cast_bytes": count.cast_bytes,
                }
                for kind, count in bounded(self._recorder.counts).items()
            ]
        }


class Places:
    """Which module is at work, and which module made an autograd node.

    Autograd numbers its nodes as forward makes them; ``_starts`` holds the number that was next when the module
    changed, and ``_modules`` the module that it changed to.
    """

    def __init__(self) -> None:
        self._stack = [OUTSIDE]
        self._starts, self._modules = [0], [OUTSIDE]

    @contextlib.contextmanager
    def noted(self, model: nn.Module) -> Iterator[None]:
        """Have all modules say when they begin and end."""
        hooks = []
        for name, module in model.named_modules():
            enter = functools.partial(self._enter, name or ROOT)
            hooks.append(module.register_forward_pre_hook(enter))
            hooks.append(module.register_forward_hook(self._leave, always_call=True))
        try:
            yield
        finally:
            for hook in hooks:
                hook.remove()

    def now(self) -> str:
        """The innermost module whose forward is running."""
        return self._stack[-1]

    def of(self, node: Any) -> str:
        """The module in which forward made a node."""
        number = node._sequence_nr()
        # Nodes that add a gradient up have the largest number there is, for they run as soon as they can.
        if number >= _next_number():
            return ACCUMULATION
        return self._modules[bisect.bisect_right(self._starts, number) - 1]

    def _enter(self, name: str, *_: Any) -> None:
        self._stack.append(name)
        self._change()

    def _leave(self, *_: Any) -> None:
        self._stack.pop()
        self._change()

    def _change(self) -> None:
        self._starts.append(_next_number())
        self._modules.append(self._stack[-1])


def _next_number() -> int:
    return torch._C._autograd._get_sequence_nr()


class _Recorder(TorchDispatchMode):
    """Counts operations by kind; ``tf32`` says that float32 products take TF32, ``emulates`` whether by rounding."""

    def __init__(self, *, tf32: bool, emulates: bool) -> None:
        super().__init__()
        self.places = Places()
        self.counts: dict[Kind, Count] = {}
        self._recording = True
        self._tf32, self._emulates = tf32, emulates
        self._call: _EmulatedCall | None = None

    def finish(self) -> None:
        """Stop recording."""
        self._end_call()
        self._recording = False

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Run the operation and count it."""
        out = func(*args, **(kwargs or {}))
        if self._recording:
            self._see(func, list(_tensors((args, kwargs))), list(_tensors(out)))
        return out

    def _see(self, func: Any, taken: list[Tensor], made: list[Tensor]) -> None:
        node = torch._C._current_autograd_node()
        if frame := _emulation():
            number = _next_number() if node is None else node._sequence_nr()
            if self._call is None or self._call.number != number:
                self._end_call()
                self._call = _EmulatedCall(number, *self._where(node), *EMULATIONS[frame.f_code], _formats(taken))
                self._call.see_operands(frame)
            self._call.dtype_out = _formats(made) or self._call.dtype_out
            return
        self._end_call()
        name = func._overloadpacket.__name__
        dtype_in, dtype_out = _formats(taken) or _others(taken), _formats(made)
        if func.is_view or name in NO_ARITHMETIC or not dtype_out:
            return
        is_tf32 = self._tf32 and func in TF32_OPERANDS and dtype_in == "fp32"
        if is_tf32:
            dtype_in = "tf32"
        is_cast = name in ("_to_copy", "copy_") and len({t.dtype for t in (*taken, *made)}) > 1
        # What copy_ casts is its second operand.
        if is_cast and name == "copy_":
            dtype_in = _formats(taken[1:]) or _others(taken[1:])
        module, direction = self._where(node)
        kind = Kind(module, name, direction, dtype_in, dtype_out, emulated=is_tf32 and self._emulates)
        self._add(kind, Count(1, int(is_cast), sum(t.nbytes for t in made) if is_cast else 0))

    def _where(self, node: Any) -> tuple[str, str]:
        return (self.places.now(), "forward") if node is None else (self.places.of(node), "backward")

    def _end_call(self) -> None:
        if self._call is not None:
            self._add(self._call.kind(), Count(1))
            self._call = None

    def _add(self, kind: Kind, count: Count) -> None:
        self.counts.setdefault(kind, Count()).__iadd__(count)


@dataclass
class _EmulatedCall:
    """One emulated product, whose kernels are passing by."""

    number: int
    module: str
    direction: str
    op: str
    is_backward: bool
    dtype_in: str
    dtype_out: str = ""

    def see_operands(self, frame: FrameType) -> None:
        """Take the formats of a layer that rounds its operands from the running function's own variables."""
        operands = frame.f_locals.get("operands") or getattr(frame.f_locals.get("ctx"), "operands", None)
        if operands is not None:
            forward, backward = operands.forward.format, operands.backward.format
            self.dtype_in = "+".join(dict.fromkeys((backward, forward))) if self.is_backward else forward

    def kind(self) -> Kind:
        return Kind(self.module, self.op, self.direction, self.dtype_in, self.dtype_out, emulated=True)


FUNCTIONS: dict[type[torch.autograd.Function], str] = {
    products.Linear: "linear",
    products.Matmul: "matmul",
    products.AddMatmul: "addmm",
    products.Convolution: "convolution",
    products.Attention: "scaled_dot_product_attention",
    products.Power: "pow",
    products.Recomputed: "einsum",
    RoundedProducts: "linear",
}
"""The emulated operations and the names of what they stand for."""

EMULATIONS: dict[CodeType, tuple[str, bool]] = {
    inspect.unwrap(getattr(function, direction)).__code__: (name, direction == "backward")
    for function, name in FUNCTIONS.items()
    for direction in ("forward", "backward")
}
"""The code of each emulated product to its name and whether it is the backward pass."""


def _emulation() -> FrameType | None:
    """The running frame of an emulated product, if there is one: nothing else tells its kernels from a model's own."""
    frame = sys._getframe(2)
    while frame is not None and frame.f_code not in EMULATIONS:
        frame = frame.f_back
    return frame


def _tensors(values: Any) -> Iterator[Tensor]:
    return (each for each in tree_leaves(values) if isinstance(each, Tensor))


def _formats(tensors: Iterable[Tensor]) -> str:
    """Formats of the floating-point tensors, in order; those of single numbers only where there are no others."""
    # A wrapper subclass is what it wraps first: its data, before the scales.
    floating = [plain for t in tensors if (plain := next(plain_tensors([t]))).is_floating_point()]
    arrays = [t for t in floating if t.dim()] or floating
    return "+".join(dict.fromkeys(_NAMES.get(t.dtype, str(t.dtype).removeprefix("torch.")) for t in arrays))


def _others(tensors: Iterable[Tensor]) -> str:
    """Dtypes of tensors that are not floating-point; empty where there are none."""
    return "+".join(dict.fromkeys(str(t.dtype).removeprefix("torch.") for t in tensors))


def bounded(counts: dict[Kind, Count], most: int = MOST_ROWS) -> dict[Kind, Count]:
    """At most so many rows, with all operations still in them.

    Numbers in modules' names are replaced by ``*``, which puts repeated layers together; if that is not enough, names
    lose their last parts, one by one.
    """
    if len(counts) <= most:
        return counts
    counts = _merged(counts, lambda name: ".".join("*" if part.isdigit() else part for part in name.split(".")))
    depth = max(kind.module.count(".") for kind in counts)
    while len(counts) > most and depth >= 0:
        counts = _merged(counts, lambda name, depth=depth: ".".join(name.split(".")[: depth + 1]))
        depth -= 1
    return dict(list(counts.items())[:most])


def _merged(counts: dict[Kind, Count], rename: Any) -> dict[Kind, Count]:
    merged: dict[Kind, Count] = {}
    for kind, count in counts.items():
        fields = {name: getattr(kind, name) for name in Kind.__dataclass_fields__} | {"module": rename(kind.module)}
        merged.setdefault(Kind(**fields), Count()).__iadd__(count)
    return merged
