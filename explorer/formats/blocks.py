"""A block format as data: elements of one format that share a scale of another, with the operations on it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from explorer.formats import block_arrays, block_parts
from explorer.formats.block_parts import BlockParts
from explorer.formats.rounding import RandomSource
from explorer.formats.scales import TENSOR_SCALED
from explorer.formats.spec import FormatSpec


@dataclass(frozen=True)
class BlockFormatSpec:
    """One block format: what its elements are, what they share, and how the scale follows from the numbers.

    Attributes
    ----------
    name, label : str
        What programs and what people call it.
    element, scale : FormatSpec
        Formats of an element and of a block's scale.
    block_size : int
        Elements that share a scale.
    scale_rule : str
        A name in :data:`explorer.formats.scales.RULES`, where each rule is written out.
    """

    name: str
    label: str
    element: FormatSpec
    scale: FormatSpec
    block_size: int
    scale_rule: str

    @property
    def has_tensor_scale(self) -> bool:
        """Whether all blocks of a tensor share a float32 scale besides their own."""
        return self.scale_rule in TENSOR_SCALED

    @property
    def bits_per_value(self) -> float:
        """Bits that one number costs, with its share of the block's scale: 4.25 for MXFP4, 4.5 for NVFP4."""
        return self.element.bits + self.scale.bits / self.block_size

    def as_data(self) -> dict[str, Any]:
        """The definition as plain data for JSON, the formats by their names."""
        return {
            **asdict(self),
            "element": self.element.name,
            "scale": self.scale.name,
            "has_tensor_scale": self.has_tensor_scale,
            "bits_per_value": self.bits_per_value,
            "largest_element_exponent": self.element.largest_exponent,
        }

    def quantize(
        self,
        array: npt.ArrayLike,
        rounding: str = "nearest-even",
        overflow: str = "native",
        rng: RandomSource = None,
        *,
        tensor_scale: float | None = None,
    ) -> npt.NDArray[np.float32]:
        """Round every element to what its block can hold, block by block along the last axis.

        Parameters
        ----------
        array : array_like of real numbers
            Any shape; floats of up to 64 bits, and whole numbers that float64 holds exactly. Where the last axis is no
            multiple of `block_size`, its last block is shorter: it has a scale of its own, as if zeros filled it up. A
            single number is a block of one.
        rounding : str
            As for :meth:`FormatSpec.encode`, of the elements. The scale follows its rule whatever this says.
        overflow : str
            What becomes of a block with an infinity in it. ``native``: the scale's NaN, so that all of the block is NaN
            (no scale is large enough; the standards leave it open). ``saturate``: infinity, and what lies beyond
            float32, is taken as float32's largest. Finite elements saturate either way (OCP MX 1.0, section 6.3).
        rng : numpy.random.Generator, int or None
            As for :meth:`FormatSpec.encode`; one draw an element, in C order.
        tensor_scale : float, optional
            Where the format has one: use this instead of the one that follows from the array's largest finite
            magnitude. Positive and finite; taken as float32.

        Returns
        -------
        ndarray of float32
            Of the same shape: element times scale times tensor scale, rounded to float32 where that product has more
            digits (NVFP4's may). A NaN makes all of its block NaN, through the scale (OCP MX 1.0, section 5.2), and
            nothing else.

        Raises
        ------
        InputError
            An array of something else, an unknown rounding or overflow, a tensor scale that is no positive number or
            that the format does not have.

        Examples
        --------
        >>> get("mxfp4").quantize([1.0, 0.3, 20.0, -7.0])
        array([ 0.,  0., 16., -8.], dtype=float32)
        """
        return block_arrays.quantize(self, array, rounding, overflow, rng, tensor_scale)

    def parts(
        self,
        block: Sequence[float],
        rounding: str = "nearest-even",
        overflow: str = "native",
        rng: RandomSource = None,
        *,
        tensor_scale: float | None = None,
    ) -> BlockParts:
        """Show one block: its amax, its scale, and each element's code and what it stands for.

        Parameters
        ----------
        block : sequence of real numbers
            From 1 to `block_size` of them.
        rounding, overflow, rng, tensor_scale
            As for :meth:`quantize`. Without `tensor_scale` the block is the whole tensor.

        Raises
        ------
        InputError
            As for :meth:`quantize`, and for a block of no or of too many elements.
        """
        return block_parts.parts(self, block, rounding, overflow, rng, tensor_scale)
