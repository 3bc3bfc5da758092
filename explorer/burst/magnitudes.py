"""Counting a tensor's elements by magnitude, in one pass, and what the counts say about a number format."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

if TYPE_CHECKING:
    from explorer.formats import FormatSpec


def tally(numbers: Tensor) -> Tensor:
    """Count a tensor's elements by magnitude in one pass.

    Parameters
    ----------
    numbers : torch.Tensor
        Any shape; float32, float16 or bfloat16.

    Returns
    -------
    torch.Tensor
        int64. For the 16-bit formats 2^15 counts, one for each code without its sign. For float32 257 counts: one for
        each exponent field, then the number of zeros.
    """
    flat = numbers.detach().reshape(-1)
    if flat.dtype is torch.float32:
        exponents = torch.bincount((flat.view(torch.int32) >> 23) & 0xFF, minlength=256)
        return torch.cat((exponents, flat.numel() - flat.count_nonzero().reshape(1)))
    return torch.bincount(flat.view(torch.int16) & 0x7FFF, minlength=2**15)


@dataclass
class Magnitudes:
    """How many elements are zero, subnormal, not finite, and of which power of two.

    Attributes
    ----------
    total, zero, subnormal, nonfinite : int
        Numbers of elements.
    exponents : Counter of int
        How many have floor(log2(magnitude)) equal to each whole number; zeros and what is not finite are not in it.
    """

    total: int = 0
    zero: int = 0
    subnormal: int = 0
    nonfinite: int = 0
    exponents: Counter[int] = field(default_factory=Counter)

    @classmethod
    def of(cls, counts: Tensor, spec: FormatSpec) -> Magnitudes:
        """Read what :func:`tally` counted.

        Parameters
        ----------
        counts : torch.Tensor
            Of a 16-bit tensor, or of a float32 tensor that holds numbers of any format which float32 contains.
        spec : FormatSpec
            The format of the numbers. Float32's own subnormal numbers are put into one bin, just under the smallest
            normal one.
        """
        counts = counts.cpu()
        if len(counts) == 257:
            *fields, zero = counts.tolist()
            bias = 127
            by_exponent = {0 - bias: fields[0] - zero, **{at - bias: fields[at] for at in range(1, 255)}}
            nonfinite = fields[255]
        else:
            mantissa, bias = spec.mantissa_bits, spec.bias
            _, *normal, nonfinite = counts.view(-1, 2**mantissa).sum(1).tolist()
            by_exponent = {at + 1 - bias: count for at, count in enumerate(normal)}
            # Subnormal codes from 2^k up to 2^(k+1) are of one power of two.
            below = counts[: 2**mantissa].cumsum(0)[[2**power - 1 for power in range(mantissa + 1)]].tolist()
            zero = below[0]
            for power, (less, more) in enumerate(itertools.pairwise(below)):
                by_exponent[1 - bias - mantissa + power] = more - less
        exponents = Counter({at: count for at, count in by_exponent.items() if count})
        subnormal = sum(count for at, count in exponents.items() if 2.0**at < spec.smallest_normal)
        return cls(sum(exponents.values()) + zero + nonfinite, zero, subnormal, nonfinite, exponents)

    def __add__(self, other: Magnitudes) -> Magnitudes:
        return Magnitudes(
            self.total + other.total,
            self.zero + other.zero,
            self.subnormal + other.subnormal,
            self.nonfinite + other.nonfinite,
            self.exponents + other.exponents,
        )

    def shares(self) -> list[float]:
        """Shares of zeros, subnormal and non-finite numbers; zeros where there are no elements at all."""
        total = self.total or 1
        return [self.zero / total, self.subnormal / total, self.nonfinite / total]


def histogram(bins: Mapping[int, int]) -> dict[str, Any]:
    """Counts by whole number as an event has them: those of ``low``, ``low`` + 1 and so on."""
    if not bins:
        return {"low": 0, "counts": []}
    low = min(bins)
    return {"low": low, "counts": [bins.get(at, 0) for at in range(low, max(bins) + 1)]}
