"""Rounding of float32 tensors to small formats and block formats, by arithmetic on whole tensors.

What :mod:`explorer.formats` defines in numpy, an element at a time if need be, is done here in torch on any device and
fast enough for every operand of a training step; the tests hold the two against each other element by element. Signs
of zeros aside: what is rounded to zero is +0 here.

Rounding to nearest even is one addition and one subtraction of 1.5 · 2^k, whose last bit in float32 is worth the
wanted unit (Dekker 1971, section 4). A look-up or PyTorch's own float8 casts took three to thirty times as long on a
CPU (its cast back from E4M3: 3.7 ns an element, an addition in cache: 0.1 ns).

A *row* is what a product sums over: ``dim`` of a matrix, 1 for its rows and 0 for its columns. The scale rules:

``none``    nothing is scaled.
``tensor``  one scale for the matrix: the largest power of two at or below max / amax, as torchao.float8 has it with
            ``round_scales_to_power_of_2``; amax is taken to be 1e-12 at least, and the division is float64's.
``row``     the same for each row.
``block``   the format's own rule (:mod:`explorer.formats.scales`): OCP MX 1.0, section 6.3, or NVIDIA's NVFP4.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from explorer import formats

if TYPE_CHECKING:
    from collections.abc import Iterator

    from explorer.formats import BlockFormatSpec, FormatSpec
    from explorer.recipes.catalogue import Scaling

PIECE_BYTES = 1 << 19
"""Of an operand, taken at a time on a CPU, so that temporaries stay in a core's cache: up to three times as fast."""

LEAST_AMAX = 1e-12
"""``torchao.float8.float8_utils.EPS``: the amax that an all-zero tensor is taken to have."""

_EXPONENT = {torch.float32: (torch.int32, 23, 0xFF << 23), torch.float64: (torch.int64, 52, 0x7FF << 52)}
"""Word, mantissa bits and exponent field of the carriers."""


@dataclass(frozen=True)
class Split:
    """A matrix as its elements and what scales them.

    Attributes
    ----------
    elements : torch.Tensor
        float32, of the matrix's shape: numbers of the element format.
    scale : torch.Tensor
        float32, broadcast to the matrix's shape: what an element is multiplied by. 1 where nothing is scaled.
    tensor_scale : float or None
        A second factor, the same for all, in a format that has one.
    amax : torch.Tensor
        float32, broadcast to the matrix's shape: the largest magnitude among those that share the scale.
    """

    elements: Tensor
    scale: Tensor
    tensor_scale: float | None
    amax: Tensor

    @property
    def values(self) -> Tensor:
        """What the elements stand for, float32."""
        scaled = self.elements * self.scale
        return scaled if self.tensor_scale is None else scaled * self.tensor_scale


class Quantizer:
    """Rounds matrices to a format under a scale rule.

    Parameters
    ----------
    format : str
        A name of :mod:`explorer.formats`: a block format with the rule ``block``, else an element format.
    scaling : {"none", "tensor", "row", "block"}
        What shares a scale.
    """

    def __init__(self, format: str, scaling: Scaling = "none") -> None:
        self.format, self.scaling = format, scaling
        self.spec: BlockFormatSpec | FormatSpec = formats.get(format)
        self.element: FormatSpec = self.spec.element if scaling == "block" else self.spec

    @property
    def along_rows(self) -> bool:
        """Whether the result depends on which dimension is summed over."""
        return self.scaling in ("row", "block")

    @property
    def scale_format(self) -> str:
        """Format of the scale that elements are multiplied by: the block format's own, or float32."""
        return self.spec.scale.name if self.scaling == "block" else "fp32"

    def __call__(self, matrix: Tensor, dim: int = 1) -> Tensor:
        """The matrix as a product takes it.

        Parameters
        ----------
        matrix : torch.Tensor
            float32, two dimensions.
        dim : int
            The dimension along which the product sums.

        Returns
        -------
        torch.Tensor
            float32, of the same shape: elements times scale. Finite numbers beyond the largest saturate, and so do
            infinities where nothing is scaled; where something is, an infinity or NaN makes all that share its scale
            NaN.
        """
        blocks, scale = self._prepared(matrix, dim)
        return _restored(self._rounded(blocks, scale, elements_only=False), matrix, dim)

    def split(self, matrix: Tensor, dim: int = 1) -> Split:
        """The same, with elements and scales apart."""
        blocks, scale = self._prepared(matrix, dim)

        def spread(each: Tensor) -> Tensor:
            return _restored(each.expand(blocks.shape), matrix, dim)

        return Split(
            elements=_restored(self._rounded(blocks, scale, elements_only=True), matrix, dim),
            scale=spread(scale.value),
            tensor_scale=None if scale.shared is None else scale.shared.item(),
            amax=spread(_amax(blocks) if scale.amax is None else scale.amax),
        )

    def _prepared(self, matrix: Tensor, dim: int) -> tuple[Tensor, _Scale]:
        size = {"row": matrix.shape[dim], "block": getattr(self.spec, "block_size", 1)}.get(self.scaling)
        blocks = matrix.contiguous().view(1, -1, 1) if size is None else _in_blocks(matrix, dim, size)
        if self.scaling == "none":
            one = torch.ones((1, 1, 1), device=matrix.device)
            return blocks, _Scale(one, one, None, None)
        amax = _amax(blocks)
        if self.scaling == "block":
            rule = _nvfp4 if self.spec.has_tensor_scale else _mx_floor
            return blocks, rule(self.spec, blocks, amax)
        return blocks, _power_of_two(self.element, amax)

    def _rounded(self, blocks: Tensor, scale: _Scale, *, elements_only: bool) -> Tensor:
        rounded = torch.empty_like(blocks)
        wide = scale.shared is not None
        for at, out in _pieces(blocks, rounded, PIECE_BYTES // (16 if wide else 4)):
            inverse, value = (each if each.shape[0] == 1 else each[at] for each in (scale.inverse, scale.value))
            if not wide:
                given = out.copy_(blocks[at]) if self.scaling == "none" else torch.mul(blocks[at], inverse, out=out)
                round_to_elements_(given, self.element)
            else:
                # The step has more digits than float32: only in float64 does no quotient move to a tie.
                out.copy_(round_to_elements_(blocks[at].double() / inverse, self.element))
            if not elements_only and self.scaling != "none":
                out.mul_(value)
                if wide:
                    out.mul_(scale.shared)
        return rounded


def round_to_elements_(numbers: Tensor, element: FormatSpec) -> Tensor:
    """Round in place to the numbers of an element format, to nearest even, saturating; NaN stays.

    Parameters
    ----------
    numbers : torch.Tensor
        float32 or float64.
    element : FormatSpec
        Signed, with fewer than 21 mantissa bits and subnormal numbers.
    """
    word, digits, exponent = _EXPONENT[numbers.dtype]
    numbers.clamp_(-element.max, element.max)
    binade = torch.bitwise_and(numbers.view(word), exponent).view(numbers.dtype).clamp_min_(element.smallest_normal)
    shift = 1.5 * 2.0 ** (digits - element.mantissa_bits)
    return numbers.add_(binade, alpha=shift).sub_(binade, alpha=shift)


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
    for at, part in _pieces(given, out, PIECE_BYTES // 4):
        bits, rounded = given[at].view(torch.int32), part.view(torch.int32)
        # Half a unit, less one if the last kept bit is even: the carry runs into the exponent, as it should.
        torch.bitwise_right_shift(bits, cut, out=rounded)
        rounded.bitwise_and_(1).add_(bits).add_((1 << (cut - 1)) - 1).bitwise_and_(-1 << cut)
        # A carry may have run through a NaN's payload. A sum is cheaper than a search, and NaN if there is one.
        if numbers.device.type != "cpu" or not given[at].sum().isfinite():
            torch.where(given[at].isnan(), given[at], part, out=part)
    return out.view(numbers.shape)


@dataclass(frozen=True)
class _Scale:
    """The scales of blocks of shape (n, size, c): each tensor is (n, 1, c) or broadcasts to it."""

    value: Tensor
    """float32: an element times this is what it stands for, up to ``shared``."""
    inverse: Tensor
    """float32: what a number is multiplied by; with a tensor scale float64: what it is divided by."""
    shared: Tensor | None
    """The tensor scale, float32 without dimensions."""
    amax: Tensor | None
    """None where nothing is scaled: it takes a pass over the matrix to find."""


def _amax(blocks: Tensor) -> Tensor:
    """The largest magnitude of each block (n, size, c), as (n, 1, c); a NaN comes through."""
    n, _, c = blocks.shape
    if n == 1:
        return torch.maximum(blocks.amax(1, keepdim=True), -blocks.amin(1, keepdim=True))
    amax = blocks.new_empty(n, 1, c)
    for (part, _), out in _pieces(blocks, amax, PIECE_BYTES // 4):
        torch.amax(blocks[part].abs(), 1, keepdim=True, out=out)
    return amax


def _power_of_two(element: FormatSpec, amax: Tensor) -> _Scale:
    wanted = (element.max / amax.double().clamp_min_(LEAST_AMAX)).float()
    # The power of two at or below; a NaN stays one, for its difference from itself is no zero.
    inverse = _binade(wanted) + (wanted - wanted)
    return _Scale(1 / inverse, inverse, None, amax)


def _mx_floor(spec: BlockFormatSpec, blocks: Tensor, amax: Tensor) -> _Scale:
    scale = (_binade(amax) * 2.0**-spec.element.largest_exponent).clamp_min_(spec.scale.smallest_normal)
    scale += scale - scale  # infinite becomes NaN
    return _Scale(scale, 1 / scale, None, amax)


def _nvfp4(spec: BlockFormatSpec, blocks: Tensor, amax: Tensor) -> _Scale:
    limits = torch.finfo(torch.float32)
    largest = amax.amax()
    if not largest.isfinite():
        largest = torch.where(blocks.isfinite(), blocks.abs(), 0.0).amax()
    wanted = (largest.double() / (spec.element.max * spec.scale.max)).clamp(limits.smallest_normal, limits.max)
    shared = torch.where(largest == 0, 1.0, wanted).float()
    finite = torch.where(amax.isfinite(), amax, torch.nan).double()
    scale = round_to_elements_(finite / spec.element.max / shared.double(), spec.scale)
    step = scale * shared.double()
    return _Scale(scale.float(), torch.where(step == 0, torch.inf, step), shared, amax)


def _binade(numbers: Tensor) -> Tensor:
    """The power of two at or below numbers that are not negative; 0 for subnormal ones, infinity for NaN."""
    return (numbers.view(torch.int32) & _EXPONENT[torch.float32][2]).view(torch.float32)


def _in_blocks(matrix: Tensor, dim: int, size: int) -> Tensor:
    """The matrix as (n, size, c), its blocks along the middle; the last block of a row is filled up with zeros."""
    missing = -matrix.shape[dim] % size
    if missing:
        matrix = torch.nn.functional.pad(matrix, (0, missing) if dim == 1 else (0, 0, 0, missing))
    return matrix.contiguous().view(-1, size, 1 if dim == 1 else matrix.shape[1])


def _restored(blocks: Tensor, matrix: Tensor, dim: int) -> Tensor:
    """Blocks in the matrix's shape again, without what filled them up."""
    rows, columns = matrix.shape
    if blocks.numel() == matrix.numel():
        return blocks.reshape(rows, columns)
    return blocks.reshape(rows, -1)[:, :columns] if dim == 1 else blocks.reshape(-1, columns)[:rows]


def _pieces(blocks: Tensor, out: Tensor, elements: int) -> Iterator[tuple[tuple[slice, slice], Tensor]]:
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
