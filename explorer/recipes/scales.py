"""Scales of blocks of a tensor, by the rule that a recipe names; see :mod:`explorer.recipes.quantize`.

Blocks are (n, size, c): those that share a scale lie along the middle.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from explorer.recipes import rounding
from explorer.recipes.rounding import binade, pieces, round_to_elements_

if TYPE_CHECKING:
    from explorer.formats import BlockFormatSpec, FormatSpec

LEAST_AMAX = 1e-12
"""``torchao.float8.float8_utils.EPS``: the amax that an all-zero tensor is taken to have."""


@dataclass(frozen=True)
class Scale:
    """The scales of blocks; each tensor is (n, 1, c) or broadcasts to it.

    Attributes
    ----------
    value : torch.Tensor
        float32: an element times this is what it stands for, up to ``shared``.
    inverse : torch.Tensor or None
        float32, what a number is multiplied by, where scales are powers of two.
    shared : torch.Tensor or None
        The tensor scale, float32 without dimensions.
    step : torch.Tensor or None
        float64, what a number is divided by, where there is a tensor scale: the product of both, infinity for zero.
    amax : torch.Tensor or None
        float32: the largest magnitude. None where nothing is scaled: it takes a pass over the tensor to find.
    """

    value: Tensor
    inverse: Tensor | None = None
    shared: Tensor | None = None
    step: Tensor | None = None
    amax: Tensor | None = None


def unscaled(device: torch.device) -> Scale:
    """The scale 1 of what is not scaled."""
    return Scale(torch.ones((1, 1, 1), device=device))


def largest(blocks: Tensor) -> Tensor:
    """The largest magnitude of each block (n, size, c), as (n, 1, c); a NaN comes through."""
    n, _, c = blocks.shape
    if n == 1:
        return torch.maximum(blocks.amax(1, keepdim=True), -blocks.amin(1, keepdim=True))
    # Magnitudes are ordered as their codes are, NaN above all, and whole numbers are compared twice as fast.
    found = torch.empty((n, 1, c), dtype=torch.int32, device=blocks.device)
    for (part, _), out in pieces(blocks, found, rounding.PIECE_BYTES // 4):
        torch.amax(blocks[part].view(torch.int32) & 0x7FFFFFFF, 1, keepdim=True, out=out)
    return found.view(torch.float32)


def power_of_two(element: FormatSpec, blocks: Tensor) -> Scale:
    """torchao.float8's rule with ``round_scales_to_power_of_2``."""
    amax = largest(blocks)
    wanted = (element.max / amax.double().clamp_min_(LEAST_AMAX)).float()
    # The power of two at or below; a NaN stays one, for its difference from itself is no zero.
    inverse = binade(wanted) + (wanted - wanted)
    return Scale(1 / inverse, inverse, amax=amax)


def mx_floor(spec: BlockFormatSpec, blocks: Tensor) -> Scale:
    """The rule of OCP MX 1.0, section 6.3."""
    amax = largest(blocks)
    scale = (binade(amax) * 2.0**-spec.element.largest_exponent).clamp_min_(spec.scale.smallest_normal)
    scale += scale - scale  # infinite becomes NaN
    return Scale(scale, 1 / scale, amax=amax)


def nvfp4(spec: BlockFormatSpec, blocks: Tensor) -> Scale:
    """The rule of NVFP4 (arXiv 2509.25149, appendix C)."""
    amax, limits = largest(blocks), torch.finfo(torch.float32)
    tensor_amax = amax.amax()
    if not tensor_amax.isfinite():
        tensor_amax = torch.where(blocks.isfinite(), blocks.abs(), 0.0).amax()
    wanted = (tensor_amax.double() / (spec.element.max * spec.scale.max)).clamp(limits.smallest_normal, limits.max)
    shared = torch.where(tensor_amax == 0, 1.0, wanted).float()
    finite = (amax + (amax - amax)).double()  # NaN for what is not
    scale = round_to_elements_(finite / spec.element.max / shared.double(), spec.scale)
    step = scale * shared.double()
    return Scale(scale.float(), shared=shared, step=torch.where(step == 0, torch.inf, step), amax=amax)


RULES = {"mx-floor": mx_floor, "nvfp4": nvfp4}
"""The block formats' rules, by the names of :mod:`explorer.formats.scales`."""
