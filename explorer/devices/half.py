"""Which half-precision kernels a device should use, chosen by measuring, and the context that puts them in place.

On a CPU without AVX512-BF16, AVX512-FP16 or AMX, PyTorch's own half products run at a hundredth of float32's speed;
on one that has them, bf16 may run at three times float32's. :func:`measure` finds out in a fraction of a second, and
:func:`kernels` is then either a null context or :class:`explorer.devices.intercept.HalfKernels`, which multiplies in
float32 and rounds once. What is computed is the same on either path: products accumulated in float32.
"""

import contextlib
import functools
import time
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn

from explorer.devices import products
from explorer.devices.intercept import HalfKernels

How = Literal["native", "emulated", "missing"]

DTYPES = {"fp16": torch.float16, "bf16": torch.bfloat16}
"""Half formats by the names of ``explorer.formats``."""

ADVANTAGE = 1.25
"""How many times faster the emulated product must be before it is chosen: noise must not decide between equals."""

SHAPE = (4, 128, 128)
"""Batch, sequence and width of the block that is timed on a CPU: a layer of ``gpt2-tiny`` at half its batch. Linear
layers alone misled: with AMX, PyTorch's fp16 products won by a sixth and its fp16 attention lost by half."""

ACCELERATOR_SHAPE = (8, 1024, 1024)
"""The same on an accelerator, where smaller blocks time the launch of the kernels."""

HEADS = 4

ROUNDS = 8
"""How often each path is timed where neither is decidedly slower."""

LEAST_ROUNDS = 3
"""How often each path is timed in any case: a busy machine can hold up a single round twelvefold."""

DECIDED = 4.0
"""A path this many times slower than the other is not timed again."""

BUDGET_S = 0.1
"""Seconds after which no further round of one format is started."""


@dataclass(frozen=True)
class FormatSupport:
    """How one half format is multiplied on one device.

    Attributes
    ----------
    format : str
        ``"fp16"`` or ``"bf16"``.
    how : {"native", "emulated", "missing"}
        Whether products run on PyTorch's own half kernels, in float32 rounded once, or not at all (accelerators only).
    native_gflops, emulated_gflops : float or None
        10⁹ floating-point operations a second in the forward and backward products of an attention block (its two
        linear layers, causal attention counted in full) on either path, casts included; None where the choice was
        forced or the path does not exist.
    """

    format: str
    how: How
    native_gflops: float | None = None
    emulated_gflops: float | None = None

    @property
    def ratio(self) -> float | None:
        """Native speed over emulated speed, above 1 where the native product is the faster; None if not measured."""
        if not self.native_gflops or not self.emulated_gflops:
            return None
        return self.native_gflops / self.emulated_gflops

    def as_dict(self) -> dict[str, Any]:
        """The fields and ``ratio``, ready for JSON."""
        return asdict(self) | {"ratio": self.ratio}


@dataclass(frozen=True)
class HalfSupport:
    """How both half formats are multiplied on one device: what :func:`measure` finds."""

    fp16: FormatSupport
    bf16: FormatSupport

    def of(self, dtype: torch.dtype) -> FormatSupport:
        """The entry of ``torch.float16`` or ``torch.bfloat16``; KeyError for another dtype."""
        return {torch.float16: self.fp16, torch.bfloat16: self.bf16}[dtype]

    @property
    def emulated(self) -> frozenset[torch.dtype]:
        """The dtypes whose products run in float32."""
        return frozenset(dtype for dtype in DTYPES.values() if self.of(dtype).how == "emulated")

    def as_dict(self) -> dict[str, Any]:
        """Both entries by format name, ready for JSON."""
        return {"fp16": self.fp16.as_dict(), "bf16": self.bf16.as_dict()}


def measure(device: torch.device | str = "cpu", force: Literal["native", "emulated"] | None = None) -> HalfSupport:
    """Time the products of an attention block on both paths and choose for each format.

    Takes some tens of milliseconds a format, and 0.2 s more where this process uses PyTorch's half kernels for the
    first time; less than a second in all even where they are 150 times slower. Both paths are timed in turn and the
    fastest round of each counts, so that another process on the machine slows down both or neither.

    Parameters
    ----------
    device : torch.device or str
        Where to multiply. On anything but a CPU the choice is native (or missing, where the product fails).
    force : {"native", "emulated"}, optional
        Choose this for both formats on a CPU and measure nothing.

    Returns
    -------
    HalfSupport
    """
    device = torch.device(device)
    if force is not None and device.type == "cpu":
        return HalfSupport(*(FormatSupport(name, force) for name in DTYPES))
    return HalfSupport(*(_measure_format(name, device) for name in DTYPES))


def measured(device: torch.device | str = "cpu") -> HalfSupport:
    """What :func:`measure` found for the device when this process first asked."""
    return _measured(str(device))


@functools.lru_cache(maxsize=16)
def _measured(device: str) -> HalfSupport:
    return measure(device)


def float32_gflops(device: torch.device | str = "cpu") -> float:
    """The speed of the same products in float32: 10⁹ operations a second in the fastest of :data:`ROUNDS` passes.

    Measured when this process first asks, in some tens of milliseconds on a CPU.
    """
    return _float32_gflops(str(device))


@functools.lru_cache(maxsize=16)
def _float32_gflops(device: str) -> float:
    place = torch.device(device)
    block = _Block(SHAPE if place.type == "cpu" else ACCELERATOR_SHAPE, place, torch.float32)
    plain = contextlib.nullcontext()
    block.seconds(plain)
    return block.flop / 1e9 / min(block.seconds(plain) for _ in range(ROUNDS))


def kernels(
    device: torch.device | str,
    dtypes: torch.dtype | Iterable[torch.dtype] | None = None,
    *,
    support: HalfSupport | None = None,
    force: Literal["native", "emulated"] | None = None,
) -> contextlib.AbstractContextManager[HalfKernels | None]:
    """The context to enter around a training step, forward and backward, that computes in half precision.

    Parameters
    ----------
    device : torch.device or str
        Where the step runs. Anything but a CPU gets a null context.
    dtypes : torch.dtype or iterable of torch.dtype, optional
        What the step computes in; default both half formats. A step that computes in neither gets a null context.
    support : HalfSupport, optional
        What was measured; default :func:`measured`, which measures on the first call.
    force : {"native", "emulated"}, optional
        Overrule what was measured.

    Returns
    -------
    context manager
        Entering it gives the :class:`~explorer.devices.intercept.HalfKernels`, or None where PyTorch's own kernels
        are used. One object can be entered again for each step, but by one thread at a time.

    Examples
    --------
    >>> with kernels("cpu", torch.bfloat16):
    ...     with torch.autocast("cpu", torch.bfloat16):
    ...         loss = model(batch)
    ...     loss.backward()
    """
    wanted = frozenset([dtypes] if isinstance(dtypes, torch.dtype) else DTYPES.values() if dtypes is None else dtypes)
    wanted &= frozenset(DTYPES.values())
    if torch.device(device).type != "cpu" or not wanted or force == "native":
        return contextlib.nullcontext()
    if force is None:
        wanted &= (support or measured()).emulated
    return HalfKernels(wanted) if wanted else contextlib.nullcontext()


def _measure_format(name: str, device: torch.device) -> FormatSupport:
    dtype = DTYPES[name]
    on_cpu = device.type == "cpu"
    paths = {"native": contextlib.nullcontext(), "emulated": HalfKernels([dtype])}
    if not on_cpu:
        del paths["emulated"]
    try:
        block = _Block(SHAPE if on_cpu else ACCELERATOR_SHAPE, device, dtype)
        times = _best_seconds(block, paths)
    except RuntimeError:
        # An accelerator may lack a format altogether (MPS before macOS 14 has no bf16); every CPU build has both.
        if on_cpu:
            raise
        return FormatSupport(name, "missing")
    rates = {path: block.flop / 1e9 / seconds for path, seconds in times.items()}
    slow = on_cpu and times["native"] > ADVANTAGE * times["emulated"]
    return FormatSupport(name, "emulated" if slow else "native", rates["native"], rates.get("emulated"))


def _best_seconds(
    block: "_Block", paths: dict[str, contextlib.AbstractContextManager[HalfKernels | None]]
) -> dict[str, float]:
    """The fastest pass of each path, taken in turn until it is plain which is the faster."""
    # The first round loads the kernels, which may take longer than all others; it does not count.
    for path in paths.values():
        block.seconds(path)
    times: dict[str, list[float]] = {name: [] for name in paths}
    start = time.perf_counter()
    while True:
        for name, path in paths.items():
            times[name].append(block.seconds(path))
        best = {name: min(taken) for name, taken in times.items()}
        rounds = len(times["native"])
        decided = max(best.values()) > DECIDED * min(best.values()) or time.perf_counter() - start > BUDGET_S
        if rounds >= ROUNDS or (rounds >= LEAST_ROUNDS and decided):
            break
    # The faster path, still warming up when the matter was decided, is cheap to time in full.
    faster = min(best, key=best.__getitem__)
    while len(times[faster]) < ROUNDS:
        times[faster].append(block.seconds(paths[faster]))
    return best | {faster: min(times[faster])}


class _Block:
    """Causal self-attention between two linear layers, forward and backward: what is timed."""

    def __init__(self, shape: tuple[int, int, int], device: torch.device, dtype: torch.dtype) -> None:
        batch, sequence, width = shape
        # Timing must not move the random state of a burst that measures before it draws its weights.
        generator = torch.Generator(device="cpu").manual_seed(0)

        def drawn(*size: int) -> Tensor:
            return torch.randn(size, generator=generator).to(device, dtype)

        self.grad = drawn(batch, sequence, width)
        self.leaves = drawn(batch, sequence, width), drawn(3 * width, width), drawn(width, width)
        for leaf in self.leaves:
            leaf.requires_grad_()
        tokens = batch * sequence
        # Two operations for each multiplication and addition, forward and twice as many backward.
        self.flop = 3 * 2 * (4 * tokens * width**2 + 2 * tokens * sequence * width)
        self._synchronize = torch.accelerator.synchronize if device.type != "cpu" else lambda: None

    def forward(self) -> Tensor:
        x, inner, outer = self.leaves
        batch, sequence, width = x.shape
        heads = nn.functional.linear(x, inner).view(batch, sequence, 3, HEADS, width // HEADS)
        query, key, value = heads.permute(2, 0, 3, 1, 4)
        attended = nn.functional.scaled_dot_product_attention(query, key, value, is_causal=True)
        return nn.functional.linear(attended.transpose(1, 2).reshape(batch, sequence, width), outer)

    def seconds(self, path: contextlib.AbstractContextManager[HalfKernels | None]) -> float:
        """Seconds of one forward and backward pass."""
        # A context of the caller (autocast, no_grad) must not decide what is timed.
        with torch.enable_grad(), products.exactly(), path:
            self._synchronize()
            start = time.perf_counter()
            torch.autograd.grad(self.forward(), self.leaves, self.grad)
            self._synchronize()
            return time.perf_counter() - start
