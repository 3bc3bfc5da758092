"""Rounding of numbers to a format's grid in ordinary floating-point arithmetic, many at a time.

Adding a power of two so large that a carrier's last bit is worth the wanted unit makes the processor's own addition,
which is to nearest even, drop what lies below that unit; subtracting it again is exact (Dekker 1971, "A floating-point
technique for extending the available precision", section 4). The power follows each number's binade and stops at the
least one, where subnormals share one unit (IEEE 754-2019, clause 3.3).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from explorer.formats.rounding import STOCHASTIC_BITS


def fits(carrier: np.dtype, mantissa_bits: int, largest_exponent: int) -> bool:
    """Whether a carrier (float32 or float64) has room for the constants that round to such a format."""
    limits = np.finfo(carrier)
    spare = limits.nmant - mantissa_bits
    return spare > 0 and largest_exponent + 1 + spare < limits.maxexp


def sign_mask(carrier: np.dtype) -> np.unsignedinteger:
    """The sign bit of a carrier, as a word of its width."""
    bits = 8 * carrier.itemsize
    return np.dtype(f"u{carrier.itemsize}").type(1 << (bits - 1))


def with_signs_of(magnitude: np.ndarray, signs: np.ndarray) -> np.ndarray:
    """Set the sign bits of another array on magnitudes, in place. What copysign does, in a quarter of its time."""
    mask = sign_mask(magnitude.dtype)
    words = magnitude.view(mask.dtype)
    words |= signs.view(mask.dtype) & mask
    return magnitude


def round_to_grid(
    magnitude: np.ndarray,
    signs: np.ndarray,
    least_binade: npt.ArrayLike,
    mantissa_bits: int,
    rounding: str,
    draws: npt.NDArray[np.int64] | None,
) -> np.ndarray:
    """Round magnitudes to so many mantissa bits, as if the exponent had no upper limit.

    Parameters
    ----------
    magnitude : ndarray of float32 or float64
        Not negative, and for each the carrier must have room (see :func:`fits`); NaN stays NaN.
    signs : ndarray of the same type
        Numbers of any size, whose sign bits tell which of the magnitudes stand for negative numbers. Looked at by the
        roundings that point up or down.
    least_binade : float
        Power of two under which the unit shrinks no further: the smallest normal number.
    mantissa_bits : int
        Below the carrier's.
    rounding : str
        One of :data:`~explorer.formats.rounding.ROUNDINGS`.
    draws : ndarray of int64 or None
        For ``stochastic`` a word of random bits for each.

    Returns
    -------
    ndarray
        Magnitudes of the carrier's type and the same shape. The tie of a format without mantissa bits goes up, as
        clause 4.3.1 of IEEE 754-2019 has it where neither neighbour ends in an even digit.
    """
    limits = np.finfo(magnitude.dtype)
    scalar = magnitude.dtype.type
    word = sign_mask(magnitude.dtype).dtype
    binade = (magnitude.view(word) & word.type((2 * limits.maxexp - 1) << limits.nmant)).view(magnitude.dtype)
    np.maximum(binade, scalar(least_binade), out=binade)
    constant = binade * scalar(2.0 ** (limits.nmant - mantissa_bits))
    rounded = magnitude + constant
    rounded -= constant
    if rounding == "nearest-even":
        return rounded

    # The neighbour that nearest-even did not take lies one unit further on.
    binade *= scalar(2.0**-mantissa_bits)
    unit, step = binade, constant
    if rounding == "nearest-away":
        np.subtract(magnitude, rounded, out=step)
        step += step
        rounded += np.multiply(unit, step == unit, out=step)
    elif rounding in ("toward-positive", "toward-negative"):
        signed = with_signs_of(magnitude.copy(), signs)
        rounded = with_signs_of(rounded, signs)
        if rounding == "toward-positive":
            rounded += np.multiply(unit, rounded < signed, out=step)
        else:
            rounded -= np.multiply(unit, rounded > signed, out=step)
        np.abs(rounded, out=rounded)
    else:
        rounded -= np.multiply(unit, rounded > magnitude, out=step)
        if rounding == "stochastic":
            np.subtract(magnitude, rounded, out=step)
            step /= unit  # exact: the digits of the number below the unit, over a power of two
            step *= scalar(2.0**STOCHASTIC_BITS)
            rounded += np.multiply(unit, draws < step.astype(np.int64), out=step)
    return rounded
