"""Rounding of magnitudes to a format's grid in ordinary floating-point arithmetic, many at a time.

Adding a power of two so large that a carrier's last bit is worth the wanted unit makes the processor's own addition,
which is to nearest even, drop what lies below that unit; subtracting it again is exact. (Dekker 1971, A floating-point
technique for extending the available precision; Kahan's and Ziv's rounding constants are the same.) The power follows
each number's binade and stops at the least one, where subnormals share one unit (IEEE 754-2019, clause 3.3).
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


def round_to_grid(
    magnitude: np.ndarray,
    negative: npt.NDArray[np.bool_],
    least_binade: npt.ArrayLike,
    mantissa_bits: int,
    rounding: str,
    draws: npt.NDArray[np.uint64] | None,
) -> np.ndarray:
    """Round magnitudes to so many mantissa bits, as if the exponent had no upper limit.

    Parameters
    ----------
    magnitude : ndarray of float32 or float64
        Not negative, and for each the carrier must have room (see :func:`fits`); NaN stays NaN.
    negative : ndarray of bool
        Which of them stand for negative numbers. Looked at by the roundings that point up or down.
    least_binade : float or array that broadcasts
        Power of two under which the unit shrinks no further: the smallest normal number.
    mantissa_bits : int
        Below the carrier's.
    rounding : str
        One of :data:`~explorer.formats.rounding.ROUNDINGS`.
    draws : ndarray of uint64 or None
        For ``stochastic`` a word of random bits for each.

    Returns
    -------
    ndarray
        Of the carrier's type and the same shape. The tie of a format without mantissa bits goes up, as clause 4.3.1 of
        IEEE 754-2019 has it where neither neighbour ends in an even digit.
    """
    limits = np.finfo(magnitude.dtype)
    word = np.dtype(f"uint{limits.bits}").type
    exponent_mask = word((2 * limits.maxexp - 1) << limits.nmant)
    binade = (magnitude.view(word) & exponent_mask).view(magnitude.dtype)
    np.maximum(binade, least_binade, out=binade)
    constant = binade * magnitude.dtype.type(2.0 ** (limits.nmant - mantissa_bits))
    rounded = magnitude + constant
    rounded -= constant
    if rounding == "nearest-even":
        return rounded

    unit = np.multiply(binade, magnitude.dtype.type(2.0**-mantissa_bits), out=binade)
    if rounding == "nearest-away":
        rounded += unit * (magnitude - rounded == unit / 2)
        return rounded
    if rounding in ("toward-positive", "toward-negative"):
        away = negative if rounding == "toward-negative" else ~negative
        rounded += unit * ((rounded < magnitude) & away)
        rounded -= unit * ((rounded > magnitude) & ~away)
        return rounded
    rounded -= unit * (rounded > magnitude)
    if rounding == "stochastic":
        chance = (magnitude - rounded) / unit  # exact: the digits of the number below the unit, and a power of two
        rounded += unit * (draws < (chance * 2.0**STOCHASTIC_BITS).astype(np.uint64))
    return rounded
