"""A number exactly as it was given, as a ratio of whole numbers, and exactly as it is written."""

import math
import numbers
from decimal import Decimal
from fractions import Fraction
from typing import NamedTuple

import numpy as np

from explorer.errors import InputError

Number = int | float | Fraction | Decimal | np.generic
"""What :func:`exact` takes."""

FARTHEST_DECIMAL_EXPONENT = 1000
"""A Decimal beyond 10**±1000 is read as 10**±1000. That is farther out than any binary64 (10**±324), so it rounds alike
in every mode, while ``Decimal("1e999999999")`` would write out a billion digits."""


class ExactNumber(NamedTuple):
    """Sign and magnitude; the magnitude is ``numerator / denominator``, or `is_infinite`, or `is_nan`."""

    negative: bool
    numerator: int = 0
    denominator: int = 1
    is_infinite: bool = False
    is_nan: bool = False


def exact(value: Number) -> ExactNumber:
    """Read a number without rounding it.

    Parameters
    ----------
    value : int, float, Fraction, Decimal or NumPy scalar
        NumPy scalars include those of ml_dtypes; none wider than 64 bits.

    Raises
    ------
    InputError
        For anything else, booleans among it.
    """
    if isinstance(value, np.generic) and value.dtype != np.bool_ and np.can_cast(value.dtype, np.float64):
        value = int(value) if isinstance(value, np.integer) else float(value)
    if isinstance(value, bool) or not isinstance(value, numbers.Rational | float | Decimal):
        raise InputError("value", value, "a number: int, float, Fraction, Decimal or a NumPy scalar of up to 64 bits")
    if isinstance(value, numbers.Rational):
        return ExactNumber(value < 0, abs(value.numerator), value.denominator)
    # Decimal's own predicates: its arithmetic and comparisons round, overflow and trap as the caller's context says.
    if isinstance(value, Decimal):
        negative, is_nan, is_infinite = value.is_signed(), value.is_nan(), value.is_infinite()
    else:
        negative, is_nan, is_infinite = math.copysign(1, value) < 0, math.isnan(value), math.isinf(value)
    if is_nan or is_infinite:
        return ExactNumber(negative, is_infinite=is_infinite, is_nan=is_nan)
    if isinstance(value, Decimal):
        value = _within_reach(value)
    numerator, denominator = value.as_integer_ratio()
    return ExactNumber(negative, abs(numerator), denominator)


def decimal_expansion(value: float) -> str:
    """Write a float64 with all its digits and no exponent: "0.1000000000000000055511151231257827…" to the last one.

    A float is a whole number times a power of two, so its expansion ends. "-0", "inf", "-inf" and "nan" for the rest.
    """
    return format(Decimal.from_float(value), "f") if math.isfinite(value) else str(value)


def _within_reach(value: Decimal) -> Decimal:
    if not value or abs(value.adjusted()) <= FARTHEST_DECIMAL_EXPONENT:
        return value
    return Decimal((int(value.is_signed()), (1,), int(math.copysign(FARTHEST_DECIMAL_EXPONENT, value.adjusted()))))


def plain(value: float) -> float | str:
    """The value as JSON can say it: "nan", "inf" and "-inf" for what is not finite."""
    return value if math.isfinite(value) else str(value)
