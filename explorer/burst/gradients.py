"""Shares of the activation gradients that the compute format cannot hold well, and their histogram.

Counted are the gradients of the outputs of linear layers and convolutions, as the compute format holds them, so
multiplied by the loss scale: the quantity of figure 3 in Micikevicius et al. 2018 (arXiv 1710.03740). Which of the
zeros are *lost* is found by a second, float32 backward pass at the same weights and on the same batch, on every
:data:`SHADOW_EVERY`-th step: a ReLU makes zeros that no format could avoid.
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from explorer import formats
from explorer.burst.instrument import Instrument
from explorer.burst.layers import products
from explorer.recipes.precision import DTYPES
from explorer.workloads.build import loss as loss_of

if TYPE_CHECKING:
    from explorer.workloads.build import Batch

SHADOW_EVERY = 50
"""Steps from one float32 backward pass to the next; each costs about one float32 step."""

FORMATS = {dtype: formats.get(name) for name, dtype in DTYPES.items()}


class Gradients(Instrument):
    """Shares of activation gradients, in the format that products are computed in.

    ``zero_fraction``, ``subnormal_fraction`` and ``nonfinite_fraction`` are shares of all elements; ``lost_fraction``
    is the share that is zero here among those that are not zero in float32 (null on steps without a float32 pass, 0
    where products are computed in float32). ``histogram`` is ``{"low": e, "counts": [...]}``: how many elements have
    floor(log2|g|) equal to e, e + 1, …
    """

    name = "gradients"

    def prepare(self, batch: Batch, step: int) -> None:
        """On some steps find out which gradients are not zero in float32."""
        self._tally: Tensor | None = None
        self._dtype = self.lane.precision.compute
        self._lost = self._present = 0
        self._alive: dict[str, Tensor] = {}
        self._shadowed = self._dtype is not torch.float32 and step % SHADOW_EVERY == 0
        if self._shadowed:
            self._alive = self._nonzero_in_float32(batch)

    @contextlib.contextmanager
    def watching(self) -> Iterator[None]:
        """Count every output's gradient as backward brings it."""
        with _on_outputs(self.lane.model, self._hook):
            yield

    def reading(self) -> dict[str, Any]:
        """The shares and the histogram."""
        return {**summary(self._tally, self._dtype), "lost_fraction": self._lost_fraction()}

    def _lost_fraction(self) -> float | None:
        if self._dtype is torch.float32:
            return 0.0
        return self._lost / self._present if self._shadowed and self._present else None

    def _hook(self, name: str, output: Tensor) -> None:
        output.register_hook(functools.partial(self._count, name))

    def _count(self, name: str, gradient: Tensor) -> None:
        self._dtype = gradient.dtype
        counts = tally(gradient)
        self._tally = counts if self._tally is None else self._tally + counts
        if name in self._alive:
            alive = self._alive.pop(name)
            self._present += int(alive.count_nonzero())
            self._lost += int((alive & (gradient == 0)).count_nonzero())

    def _nonzero_in_float32(self, batch: Batch) -> dict[str, Tensor]:
        outputs: dict[str, Tensor] = {}
        with _on_outputs(self.lane.model, outputs.__setitem__):
            loss = loss_of(self.lane.model, batch) * self.lane.loss_weight
        gradients = torch.autograd.grad(loss, list(outputs.values()))
        return {name: gradient != 0 for name, gradient in zip(outputs, gradients, strict=True)}


@contextlib.contextmanager
def _on_outputs(model: nn.Module, see: Callable[[str, Tensor], None]) -> Iterator[None]:
    """Have ``see`` called with name and output of each layer that multiplies, as forward comes by."""

    def hook(name: str, module: nn.Module, args: Any, output: Tensor) -> None:
        see(name, output)

    hooks = [module.register_forward_hook(functools.partial(hook, name)) for name, module in products(model)]
    try:
        yield
    finally:
        for handle in hooks:
            handle.remove()


def tally(gradient: Tensor) -> Tensor:
    """Count a tensor's elements by magnitude in one pass.

    Parameters
    ----------
    gradient : torch.Tensor
        Any shape; float32, float16 or bfloat16.

    Returns
    -------
    torch.Tensor
        int64. For the 16-bit formats 2^15 counts, one for each code without its sign. For float32 257 counts: one for
        each exponent field, then the number of zeros.
    """
    flat = gradient.detach().reshape(-1)
    if flat.dtype is torch.float32:
        exponents = torch.bincount((flat.view(torch.int32) >> 23) & 0xFF, minlength=256)
        return torch.cat((exponents, flat.numel() - flat.count_nonzero().reshape(1)))
    return torch.bincount(flat.view(torch.int16) & 0x7FFF, minlength=2**15)


def summary(counts: Tensor, dtype: torch.dtype) -> dict[str, Any]:
    """Shares of zeros, subnormal and non-finite numbers, and the histogram of log2, from :func:`tally`'s counts."""
    spec = FORMATS[dtype]
    mantissa = spec.mantissa_bits
    counts = counts.cpu()
    total = int(counts[:-1].sum()) if dtype is torch.float32 else int(counts.sum())
    if dtype is torch.float32:
        by_exponent, zeros = counts[:-1].tolist(), int(counts[-1])
        # All subnormal numbers of float32 are put into one bin, just under the smallest normal one.
        subnormal = [by_exponent[0] - zeros]
    else:
        by_exponent, zeros = counts.view(-1, 2**mantissa).sum(1).tolist(), int(counts[0])
        subnormal = [int(counts[2**power : 2 ** (power + 1)].sum()) for power in range(mantissa)]
    *normal, nonfinite = by_exponent[1:]
    return {
        "zero_fraction": zeros / total,
        "subnormal_fraction": sum(subnormal) / total,
        "nonfinite_fraction": nonfinite / total,
        "histogram": _trimmed(subnormal + normal, low=1 - spec.bias - len(subnormal)),
    }


def _trimmed(bins: list[int], low: int) -> dict[str, Any]:
    """The histogram without the empty bins at its ends; ``low`` is floor(log2) of the first bin."""
    filled = [at for at, count in enumerate(bins) if count]
    if not filled:
        return {"low": low, "counts": []}
    return {"low": low + filled[0], "counts": bins[filled[0] : filled[-1] + 1]}
