"""Rounding of whole arrays: by a library's cast where one rounds as asked, and by arithmetic on the bits elsewhere.

An array is worked on in float32 if that holds its elements exactly and in float64 if not: its *carrier*. Nothing is
rounded on the way in, so the result is rounded once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import ml_dtypes  # noqa: F401  registers bfloat16 with np.dtype
import numpy as np
import numpy.typing as npt

from explorer.errors import InputError
from explorer.formats.rounding import (
    STOCHASTIC_BITS,
    RandomSource,
    check_modes,
    overflow_code,
    random_words,
    rounds_away,
)

if TYPE_CHECKING:
    from explorer.formats.spec import FormatSpec

BLOCK = 1 << 14
"""Elements that the bit arithmetic takes at a time, so that its dozen temporaries stay in a core's cache."""


@np.errstate(all="ignore")  # overflow to infinity is an answer here, not an accident, and a NaN may be signalling
def quantize(
    spec: FormatSpec, array: npt.ArrayLike, rounding: str, overflow: str, rng: RandomSource
) -> npt.NDArray[np.float32]:
    """Round every element of an array; see :meth:`FormatSpec.quantize`."""
    check_modes(rounding, overflow)
    given = _in_carrier(array)
    x = given.reshape(-1)
    if spec.nan_code is None and np.isnan(x).any():
        raise InputError("array", array, f"numbers that are not NaN, for {spec.label} has no NaN")
    if overflow == "saturate":
        # Rounding keeps order and leaves the largest value where it is, so the order of the two does not matter.
        x = np.clip(x, -spec.max if spec.signed else 0, spec.max)
    if rounding == "nearest-even" and _cast_rounds_once(spec, x.dtype):
        rounded = x.astype(spec.storage).astype(np.float32)
    elif rounding == "nearest-even" and _spare_bits(spec) and x.dtype == spec.storage:
        rounded = _drop_spare_bits(spec, x)
    else:
        rounded = np.empty(x.shape, np.float32)
        draws = random_words(rng, x.size) if rounding == "stochastic" else None
        for start in range(0, x.size, BLOCK):
            block = slice(start, start + BLOCK)
            codes = _codes(spec, x[block], rounding, None if draws is None else draws[block])
            rounded[block] = _values(spec, codes)
    return rounded.reshape(given.shape)


def _in_carrier(array: npt.ArrayLike) -> np.ndarray:
    """The array in float32 or float64, exactly."""
    given = np.asarray(array)
    if given.dtype == np.bool_ or not np.can_cast(given.dtype, np.float64):
        raise InputError("array", f"an array of {given.dtype}", "real numbers of up to 64 bits")
    if given.dtype.kind in "iu" and given.dtype.itemsize == 8 and given.size:
        limit = 2 ** (np.finfo(np.float64).nmant + 1)
        if int(given.max()) > limit or int(given.min()) < -limit:
            raise InputError("array", array, "whole numbers that float64 holds exactly, to ±2**53")
    return given.astype(np.float32 if np.can_cast(given.dtype, np.float32) else np.float64, copy=False)


def _spare_bits(spec: FormatSpec) -> int:
    """Low bits of the storage type that are no part of the code. A format of less than a byte lies in the low bits."""
    itemsize = np.dtype(spec.storage).itemsize
    return 8 * itemsize - spec.bits if itemsize > 1 else 0


def _cast_rounds_once(spec: FormatSpec, carrier: np.dtype) -> bool:
    """Whether casting the carrier to the storage type is the rounding that is wanted.

    ml_dtypes casts float64 by way of float32 (0.6.0: 1 + 2**-8 + 2**-40 becomes 1 in bfloat16), which rounds twice;
    numpy casts its own types directly.
    """
    storage = np.dtype(spec.storage)
    return not _spare_bits(spec) and (carrier == np.float32 or storage.isbuiltin == 1)


def _drop_spare_bits(spec: FormatSpec, x: np.ndarray) -> npt.NDArray[np.float32]:
    """Round to nearest even by whole-number addition: half a unit, less one if the last kept bit is even.

    The carry runs from the mantissa into the exponent and from the largest value into infinity, as it should.
    """
    spare = _spare_bits(spec)
    bits = x.view(np.uint32)
    rounded = bits >> spare
    rounded &= 1
    rounded += bits
    rounded += (1 << (spare - 1)) - 1
    rounded &= np.uint32(0xFFFFFFFF << spare & 0xFFFFFFFF)
    values = rounded.view(np.float32)
    values[np.isnan(x)] = np.nan  # the carry may have run through a payload
    return values


def _codes(spec: FormatSpec, x: np.ndarray, rounding: str, draws: np.ndarray | None) -> np.ndarray:
    """Codes of a carrier's elements under native overflow, as unsigned integers of the carrier's width, shape (n,).

    The array twin of :func:`explorer.formats.encode.encode`.
    """
    carrier = np.finfo(x.dtype)
    word = np.dtype(f"uint{carrier.bits}").type
    sign_bit = word(1 << (carrier.bits - 1))
    implicit_bit = word(1 << carrier.nmant)
    infinity = word((2 * carrier.maxexp - 1) << carrier.nmant)

    bits = x.view(word)
    negative = (bits & sign_bit) != 0
    magnitude = bits & ~sign_bit
    exponent_field = (magnitude >> carrier.nmant).view(f"int{carrier.bits}")
    significand = magnitude & (implicit_bit - 1)
    significand |= np.where(exponent_field > 0, implicit_bit, word(0))

    # The exponent field in the format; below 1 the number is subnormal there, and loses a bit more for every step.
    target_field = np.maximum(exponent_field, 1) - (carrier.maxexp - 1 - spec.bias)
    shift = carrier.nmant - spec.mantissa_bits + np.maximum(1 - target_field, 0)
    # From nmant + 2 on nothing is left of the significand and it is below half a unit: a longer shift is no different.
    short_shift = np.minimum(shift, carrier.nmant + 2).astype(word)
    unit = word(1) << short_shift
    kept = significand >> short_shift
    remainder = significand & (unit - 1)
    if draws is None:
        away = rounds_away(rounding, remainder << 1, unit, (kept & 1) != 0, negative)
    else:
        away = draws < _chance(remainder, shift)
    codes = ((np.maximum(target_field, 1) - 1).astype(word) << spec.mantissa_bits) + kept + away

    overflowed = (codes > spec.max_code) & (magnitude < infinity)
    signs = np.where(negative, word(spec.sign_mask), word(0))
    codes |= signs if spec.has_negative_zero else np.where(codes != 0, signs, word(0))
    for sign in (False, True):
        side = negative == sign
        codes[overflowed & side] = overflow_code(spec, sign, rounding, "native")
        codes[(magnitude == infinity) & side] = overflow_code(spec, sign, "nearest-even", "native")
    if spec.nan_code is not None:
        codes[magnitude > infinity] = spec.nan_code
    return codes


def _chance(remainder: np.ndarray, shift: np.ndarray) -> npt.NDArray[np.uint64]:
    """``remainder / 2**shift`` in units of ``2**-STOCHASTIC_BITS``, rounded down."""
    left = np.clip(STOCHASTIC_BITS - shift, 0, STOCHASTIC_BITS - 1).astype(np.uint64)
    right = np.clip(shift - STOCHASTIC_BITS, 0, STOCHASTIC_BITS - 1).astype(np.uint64)
    return remainder.astype(np.uint64) << left >> right


def _values(spec: FormatSpec, codes: np.ndarray) -> npt.NDArray[np.float32]:
    """Values of an array of codes, read through the storage type."""
    storage = np.dtype(spec.storage)
    return (codes << _spare_bits(spec)).astype(f"uint{8 * storage.itemsize}").view(storage).astype(np.float32)
