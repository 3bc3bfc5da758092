"""Rounding of whole arrays to a block format, in pieces that stay in a core's cache."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from explorer.errors import InputError
from explorer.formats.arrays import PIECE, real_numbers
from explorer.formats.grid import round_to_grid, with_signs_of
from explorer.formats.rounding import RandomSource, check_modes, random_source, random_words
from explorer.formats.scales import FLOAT32, RULES
from explorer.formats.scales import tensor_scale as scale_for

if TYPE_CHECKING:
    from explorer.formats.blocks import BlockFormatSpec


@np.errstate(all="ignore")  # infinity and NaN are answers here
def quantize(
    spec: BlockFormatSpec,
    array: npt.ArrayLike,
    rounding: str,
    overflow: str,
    rng: RandomSource,
    tensor_scale: float | None,
) -> npt.NDArray[np.float32]:
    """Round every element of an array; see :meth:`BlockFormatSpec.quantize`."""
    check_modes(rounding, overflow)
    given = real_numbers(array)
    shared = shared_scale(spec, given, overflow, tensor_scale)
    width = max(given.shape[-1] if given.ndim else 1, 1)
    blocks = _in_blocks(given.reshape(-1, width), spec.block_size)
    draws = None
    if rounding == "stochastic":
        words = random_words(random_source(rng), given.size)
        draws = _in_blocks(words.reshape(-1, width), spec.block_size)
    rounded = np.empty(blocks.shape, np.float32)
    # Over a scale that is a power of two a number keeps its digits, so float32 will do for float32's numbers.
    exact = np.can_cast(given.dtype, np.float32) and not spec.has_tensor_scale
    carrier = np.float32 if exact else np.float64
    for start in range(0, len(blocks), PIECE // spec.block_size):
        piece = slice(start, start + PIECE // spec.block_size)
        numbers = blocks[piece].astype(carrier, copy=False)
        rounded[piece] = _round_blocks(
            spec, numbers, rounding, overflow, None if draws is None else draws[piece], shared
        )
    filled = -(-width // spec.block_size) * spec.block_size
    return np.ascontiguousarray(rounded.reshape(-1, filled)[:, :width]).reshape(given.shape)


def shared_scale(spec: BlockFormatSpec, given: np.ndarray, overflow: str, tensor_scale: float | None) -> float | None:
    """The tensor scale that was asked for, or the one that follows from an array; None in a format without one."""
    if tensor_scale is not None:
        usable = isinstance(tensor_scale, int | float | np.number) and not isinstance(tensor_scale, bool)
        if not spec.has_tensor_scale:
            raise InputError("tensor_scale", tensor_scale, f"nothing, for {spec.label} has no tensor scale")
        if not usable or not FLOAT32.smallest_normal <= tensor_scale <= FLOAT32.max:
            raise InputError("tensor_scale", tensor_scale, "a positive normal number of float32")
        return float(np.float32(tensor_scale))
    if not spec.has_tensor_scale:
        return None
    if not given.size:
        return scale_for(spec, 0.0)
    amax = max(float(given.max()), -float(given.min()))
    if not np.isfinite(amax):
        amax = float(np.max(np.abs(given), where=np.isfinite(given), initial=0))
        if overflow == "saturate" and np.isinf(given).any():
            amax = float(FLOAT32.max)
    return scale_for(spec, min(amax, float(FLOAT32.max)) if overflow == "saturate" else amax)


def scales(
    spec: BlockFormatSpec, magnitudes: np.ndarray, shared: float | None
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """The amax and the scale of each block of magnitudes, shape (blocks, size); both float64 of shape (blocks,)."""
    # Down the columns of the transpose, for along rows as short as a block numpy takes the maximum one by one.
    amax = np.ascontiguousarray(magnitudes.T).max(axis=0).astype(np.float64)
    return amax, RULES[spec.scale_rule](spec, amax, shared)


def saturated(numbers: np.ndarray, overflow: str) -> np.ndarray:
    """The numbers as a block takes them: under ``saturate`` nothing lies beyond float32's largest."""
    return np.clip(numbers, -FLOAT32.max, FLOAT32.max) if overflow == "saturate" else numbers


def _in_blocks(rows: np.ndarray, block_size: int) -> np.ndarray:
    """Rows cut into blocks, shape (blocks, block_size); the last block of a row is filled up with zeros."""
    missing = -rows.shape[1] % block_size
    if missing:
        rows = np.pad(rows, ((0, 0), (0, missing)))
    return rows.reshape(-1, block_size)


def _round_blocks(
    spec: BlockFormatSpec,
    blocks: np.ndarray,
    rounding: str,
    overflow: str,
    draws: np.ndarray | None,
    shared: float | None,
) -> np.ndarray:
    """What blocks of a carrier's numbers, shape (blocks, block_size), stand for after rounding."""
    blocks = saturated(blocks, overflow)
    magnitude = np.abs(blocks)
    _, scale = scales(spec, magnitude, shared)
    step = (scale if shared is None else scale * shared).astype(blocks.dtype)[:, None]
    # A scale that has become zero leaves nothing of its block.
    magnitude /= np.where(step == 0, np.inf, step)
    if rounding in ("toward-positive", "toward-negative"):
        # However small a number is over its scale, these round it differently from zero.
        np.maximum(magnitude, FLOAT32.smallest_normal * (blocks != 0), out=magnitude)
    element = spec.element
    np.minimum(magnitude, element.max, out=magnitude)
    rounded = round_to_grid(magnitude, blocks, element.smallest_normal, element.mantissa_bits, rounding, draws)
    rounded *= step
    return with_signs_of(rounded, blocks)
