"""Rounding of torch tensors to a format's grid, to nearest even, on any device.

One addition and one subtraction of 1.5 · 2^k, whose last bit in the carrier is worth the wanted unit, round a number
as the processor's own addition does (Dekker 1971, "A floating-point technique for extending the available precision",
section 4). Look-ups or PyTorch's own float8 casts took three to thirty times as long on a CPU (its cast back from E4M3:
3.7 ns an element, an addition in cache: 0.1 ns).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

if TYPE_CHECKING:
    from collections.abc import Iterator

    from explorer.formats import FormatSpec

PIECE_BYTES = 1 << 19
"""Of an operand, taken at a time on a CPU, so that temporaries stay in a core's cache: up to three times as fast."""

CARRIERS = {torch.float32: (torch.int32, 23, 0xFF << 23), torch.float64: (torch.int64, 52, 0x7FF << 52)}
"""Word, mantissa bits and exponent field of the types that are rounded."""

DOUBT = 1.25 * 2.0**-22
"""In binades, how near to a tie a quotient is in doubt: float32 computes it with an error of up to 2^-22 binades."""


def binade(numbers: Tensor) -> Tensor:
    """The power of two at or below each magnitude; 0 for subnormal numbers, infinity for what is not finite."""
    word, _, exponent = CARRIERS[numbers.dtype]
    return torch.bitwise_and(numbers.view(word), exponent).view(numbers.dtype)


def round_to_elements_(numbers: Tensor, element: FormatSpec) -> Tensor:
    """Round in place to the numbers of an element format, to nearest even, saturating; NaN stays.

    Parameters
    ----------
    numbers : torch.Tensor
        float32 or float64.
    element : FormatSpec
        Signed, with fewer than 21 mantissa bits and subnormal numbers.
    """
    least = binade(numbers.clamp_(-element.max, element.max)).clamp_min_(element.smallest_normal)
    shift = _shift(numbers, element)
    return numbers.add_(least, alpha=shift).sub_(least, alpha=shift)


def round_quotients(numbers: Tensor, step: Tensor, element: FormatSpec, out: Tensor) -> Tensor:
    """Round ``numbers / step`` to the numbers of an element format, each quotient rounded once.

    A quotient's error must not carry it to a tie or across one. So quotients are computed in float64, where with
    numbers of 24 significant bits and steps of up to 28 none lies so near to a tie; or, at half the price, in float32,
    and then those that came near to a tie once more in float64.

    Parameters
    ----------
    numbers : torch.Tensor
        float32.
    step : torch.Tensor
        float64, positive or NaN, broadcast to the numbers; infinity makes all of its numbers 0.
    element : FormatSpec
        As for :func:`round_to_elements_`.
    out : torch.Tensor
        float32, of the numbers' shape: where the result goes.
    """
    inverse = (1 / step).float()
    # On other devices the answers would have to be waited for.
    if numbers.device.type != "cpu" or not _is_tame(inverse):
        return out.copy_(round_to_elements_(numbers.double() / step, element))
    quotient = torch.mul(numbers, inverse).clamp_(-element.max, element.max)
    least = binade(quotient).clamp_min_(element.smallest_normal)
    shift = _shift(quotient, element)
    torch.add(quotient, least, alpha=shift, out=out).sub_(least, alpha=shift)
    half_unit = 2.0 ** -(element.mantissa_bits + 1)
    doubt = quotient.sub_(out).abs_().sub_(least, alpha=half_unit - DOUBT)
    # The maximum is five times as fast as a comparison, and NaN, which is not below zero, if one is among them.
    if not doubt.amax() <= 0:
        at = torch.nonzero(doubt > 0, as_tuple=True)
        out[at] = round_to_elements_(numbers[at].double() / step.expand(numbers.shape)[at], element).float()
    return out


def _is_tame(inverse: Tensor) -> bool:
    """Whether numbers and inverse steps lie so far inside float32's range that a product has its full precision."""
    return bool(inverse.amax() < 2.0**100 and inverse.where(inverse > 0, 1.0).amin() > 2.0**-100)


def _shift(numbers: Tensor, element: FormatSpec) -> float:
    """What, times a number's binade, is added and subtracted: even in units of its last bit, and above any sign."""
    return 1.5 * 2.0 ** (CARRIERS[numbers.dtype][1] - element.mantissa_bits)


def round_mantissa(numbers: Tensor, mantissa_bits: int) -> Tensor:
    """Round float32 to fewer mantissa bits under float32's own exponents, to nearest even.

    What carries out of the largest binade becomes infinite; NaN stays. With 10 bits this is TF32 (PTX ISA 9.0, section
    "Alternate floating-point data formats"; the instruction leaves the rounding to who makes the operand).

    Parameters
    ----------
    numbers : torch.Tensor
        float32, any shape.
    mantissa_bits : int
        From 1 to 22.

    Returns
    -------
    torch.Tensor
        float32, of the same shape; transposed in memory if the given one is.
    """
    if numbers.dim() >= 2 and not numbers.is_contiguous() and numbers.mT.is_contiguous():
        return round_mantissa(numbers.mT, mantissa_bits).mT
    given = numbers.contiguous().view(1, -1, 1)
    out, cut = torch.empty_like(given), 23 - mantissa_bits
    for at, part in pieces(given, out, PIECE_BYTES // 4):
        bits, rounded = given[at].view(torch.int32), part.view(torch.int32)
        # Half a unit, less one if the last kept bit is even: the carry runs into the exponent, as it should.
        torch.bitwise_right_shift(bits, cut, out=rounded)
        rounded.bitwise_and_(1).add_(bits).add_((1 << (cut - 1)) - 1).bitwise_and_(-1 << cut)
        # A carry may have run through a NaN's payload. A sum is cheaper than a search, and NaN if there is one.
        if numbers.device.type != "cpu" or not given[at].sum().isfinite():
            torch.where(given[at].isnan(), given[at], part, out=part)
    return out.view(numbers.shape)


def pieces(blocks: Tensor, out: Tensor, elements: int) -> Iterator[tuple[tuple[slice, slice], Tensor]]:
    """Parts of about so many elements on a CPU, as an index and the part of ``out`` that it names."""
    n, _, _ = blocks.shape
    if blocks.device.type != "cpu" or blocks.numel() <= elements:
        yield (slice(None), slice(None)), out
        return
    along = 0 if n > 1 else 1
    step = max(1, elements * blocks.shape[along] // blocks.numel())
    for start in range(0, blocks.shape[along], step):
        part = slice(start, start + step)
        at = (part, slice(None)) if along == 0 else (slice(None), part)
        yield at, out[at]
