"""One block taken apart, for a page that shows it: its scale, and each element's code and what that stands for."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from explorer.errors import InputError
from explorer.formats.arrays import real_numbers
from explorer.formats.block_arrays import saturated, scales, shared_scale
from explorer.formats.exact import plain
from explorer.formats.rounding import RandomSource, check_modes, random_source

if TYPE_CHECKING:
    from explorer.formats.blocks import BlockFormatSpec


@dataclass(frozen=True)
class BlockElement:
    """One element of a block.

    Attributes
    ----------
    given : float
        The number that came in.
    scaled : float
        That number over the scale (and the tensor scale), which is what was rounded. NaN where the scale is, 0 where
        the scale is 0.
    code : int
        Of the element format; 0 in a block whose scale is NaN.
    element : float
        What the code is worth by itself.
    value : float
        What it stands for: `element` times scale times tensor scale, as float32.
    """

    given: float
    scaled: float
    code: int
    element: float
    value: float


@dataclass(frozen=True)
class BlockParts:
    """One block.

    Attributes
    ----------
    format, element_format, scale_format : str
        Names in the catalogue.
    amax : float
        Largest magnitude of the block.
    scale_code : int
        Of the scale format.
    scale : float
        What it is worth.
    tensor_scale : float or None
        The float32 that all blocks share, None in a format without one.
    elements : tuple of BlockElement
        In the order in which they were given.
    """

    format: str
    element_format: str
    scale_format: str
    amax: float
    scale_code: int
    scale: float
    tensor_scale: float | None
    elements: tuple[BlockElement, ...]

    def as_data(self) -> dict[str, Any]:
        """All of it as plain data for JSON; numbers that are not finite are the strings "nan" "inf" "-inf"."""
        data = asdict(self)
        for entry in (data, *data["elements"]):
            entry.update({key: plain(value) for key, value in entry.items() if isinstance(value, float)})
        data["elements"] = list(data["elements"])
        return data


def parts(
    spec: BlockFormatSpec,
    block: Sequence[float],
    rounding: str,
    overflow: str,
    rng: RandomSource,
    tensor_scale: float | None,
) -> BlockParts:
    """Take a block apart; see :meth:`BlockFormatSpec.parts`."""
    check_modes(rounding, overflow)
    given = real_numbers(block)
    if given.ndim != 1 or not 1 <= given.size <= spec.block_size:
        raise InputError("block", block, f"a list of 1 to {spec.block_size} numbers ({spec.label})")
    source = random_source(rng) if rounding == "stochastic" else None
    shared = shared_scale(spec, given, overflow, tensor_scale)
    with np.errstate(all="ignore"):
        numbers = saturated(given.astype(np.float64), overflow)
        amax, scale = (float(each[0]) for each in scales(spec, np.abs(numbers)[None, :], shared))
    step = scale if shared is None else scale * shared
    elements = []
    for before, number in zip(given.tolist(), numbers.tolist(), strict=True):
        scaled = math.nan if math.isnan(step) else number / step if step else math.copysign(0.0, number)
        if number and step and not scaled:
            scaled = math.copysign(math.ulp(0), number)  # too small for float64, and yet not zero
        code = 0 if math.isnan(step) else spec.element.encode(scaled, rounding, "saturate", source)
        element = spec.element.decode(code).value
        with np.errstate(over="ignore"):
            value = float(np.float32(element * step))
        elements.append(BlockElement(float(before), scaled, code, element, value))
    return BlockParts(
        format=spec.name,
        element_format=spec.element.name,
        scale_format=spec.scale.name,
        amax=amax,
        scale_code=spec.scale.encode(scale),
        scale=scale,
        tensor_scale=shared,
        elements=tuple(elements),
    )
