"""Rounding of float32 tensors to small formats and block formats, by arithmetic on whole tensors.

What :mod:`explorer.formats` defines in numpy, an element at a time if need be, is done here in torch on any device and
fast enough for every operand of a training step; the tests hold the two against each other element by element. Signs
of zeros aside: what is rounded to zero is +0 here.

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
from explorer.recipes import rounding
from explorer.recipes.rounding import pieces, round_quotients, round_to_elements_
from explorer.recipes.scales import RULES, Scale, largest, power_of_two, unscaled

if TYPE_CHECKING:
    from explorer.formats import BlockFormatSpec, FormatSpec
    from explorer.recipes.catalogue import Scaling


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
            amax=spread(largest(blocks) if scale.amax is None else scale.amax),
        )

    def _prepared(self, matrix: Tensor, dim: int) -> tuple[Tensor, Scale]:
        size = {"row": matrix.shape[dim], "block": getattr(self.spec, "block_size", 1)}.get(self.scaling)
        blocks = matrix.contiguous().view(1, -1, 1) if size is None else _in_blocks(matrix, dim, size)
        if self.scaling == "none":
            return blocks, unscaled(matrix.device)
        if self.scaling == "block":
            return blocks, RULES[self.spec.scale_rule](self.spec, blocks)
        return blocks, power_of_two(self.element, blocks)

    def _rounded(self, blocks: Tensor, scale: Scale, *, elements_only: bool) -> Tensor:
        rounded = torch.empty_like(blocks)
        for at, out in pieces(blocks, rounded, rounding.PIECE_BYTES // 4):

            def of_piece(each: Tensor, at: tuple[slice, slice] = at) -> Tensor:
                return each if each.shape[0] == 1 else each[at]

            if scale.step is not None:
                round_quotients(blocks[at], of_piece(scale.step), self.element, out)
            elif scale.inverse is not None:
                round_to_elements_(torch.mul(blocks[at], of_piece(scale.inverse), out=out), self.element)
            else:
                round_to_elements_(out.copy_(blocks[at]), self.element)
            if not elements_only and scale.amax is not None:
                out.mul_(of_piece(scale.value))
                if scale.shared is not None:
                    out.mul_(scale.shared)
        return rounded


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
