"""The scale of a block from its largest magnitude: one function a rule, on arrays of blocks.

``mx-floor`` (OCP MX 1.0, section 6.3): the largest power of two at or below the block's amax, over the largest power of
two in the element format::

    scale = 2 ** clamp(floor(log2(amax)) - emax_element, -127, 127)        amax = 0: 2**-127

``nvfp4`` (NVIDIA 2025, arXiv 2509.25149, appendix C): the tensor's amax takes the largest element times the largest
scale, and each block's amax the largest element::

    tensor_scale = float32(tensor_amax / (6 * 448))                       tensor_amax = 0: 1
    scale = E4M3(block_amax / 6 / tensor_scale)                           to nearest even, saturating

Either way an element is ``round(x / (scale * tensor_scale))``, saturating (without tensor scale: 1), and stands for
``element * scale * tensor_scale``. All of it is float64 arithmetic but where a format is named; with float32 numbers
coming in, no quotient lies so near a tie that float64 moves it there, so everything is rounded once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from explorer.formats.blocks import BlockFormatSpec

FLOAT32 = np.finfo(np.float32)


def mx_floor(
    spec: BlockFormatSpec, amax: npt.NDArray[np.float64], tensor_scale: float | None
) -> npt.NDArray[np.float64]:
    """Powers of two for blocks of these amax, NaN where that is not finite; it takes no tensor scale.

    An all-zero block gets the least scale, as gfloat's and PyTorch's (torchao) MX conversions have it; the standard
    leaves it open.
    """
    exponent = np.frexp(amax)[1] - 1 - spec.element.largest_exponent
    least = np.frexp(spec.scale.smallest_normal)[1] - 1
    exponent = np.where(amax == 0, least, np.clip(exponent, least, spec.scale.largest_exponent))
    return np.where(np.isfinite(amax), np.ldexp(1.0, exponent), np.nan)


def nvfp4(spec: BlockFormatSpec, amax: npt.NDArray[np.float64], tensor_scale: float | None) -> npt.NDArray[np.float64]:
    """E4M3 values for blocks of these amax, NaN where that is not finite, zero where E4M3 has nothing so small."""
    finite = np.where(np.isfinite(amax), amax, np.nan)
    return spec.scale.quantize(finite / spec.element.max / tensor_scale, overflow="saturate").astype(np.float64)


RULES = {"mx-floor": mx_floor, "nvfp4": nvfp4}
"""The scale rules by name."""

TENSOR_SCALED = ("nvfp4",)
"""The rules that have a tensor scale."""


def tensor_scale(spec: BlockFormatSpec, tensor_amax: float) -> float:
    """The float32 that maps a tensor's largest finite magnitude to the largest element times the largest scale.

    Kept within the normal numbers of float32: below, it would lose digits or become zero itself. 1 for an all-zero
    tensor, as NVIDIA's Transformer Engine has it.
    """
    if tensor_amax == 0:
        return 1.0
    wanted = np.clip(tensor_amax / (spec.element.max * spec.scale.max), FLOAT32.smallest_normal, FLOAT32.max)
    return float(np.float32(wanted))
