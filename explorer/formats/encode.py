"""From one number to the code nearest to it, in whole-number arithmetic, rounding once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from explorer.errors import InputError
from explorer.formats.exact import ExactNumber, Number, exact
from explorer.formats.rounding import (
    STOCHASTIC_BITS,
    RandomSource,
    check_modes,
    overflow_code,
    random_source,
    random_words,
    rounds_away,
    with_sign,
)

if TYPE_CHECKING:
    from explorer.formats.spec import FormatSpec


def encode(spec: FormatSpec, value: Number, rounding: str, overflow: str, rng: RandomSource) -> int:
    """Round a number to a code; see :meth:`FormatSpec.encode`."""
    check_modes(rounding, overflow)
    # Drawn for exact and special values too: the nth element of an array takes the nth draw, whatever precedes it.
    draw = int(random_words(random_source(rng), 1)[0]) if rounding == "stochastic" else 0
    number = exact(value)
    if number.is_nan:
        if spec.nan_code is None:
            raise InputError("value", value, f"a number that is not NaN, for {spec.label} has no NaN")
        return spec.nan_code
    if (number.negative and not spec.signed) or (
        number.numerator == 0 and not number.is_infinite and not spec.has_zero
    ):
        return spec.nan_code  # OCP MX 1.0, section 5.4.1: E8M0 has no sign and no zero
    if number.is_infinite:
        return overflow_code(spec, number.negative, "nearest-even", overflow)
    magnitude = _rounded_magnitude(spec, number, rounding, draw)
    if magnitude > spec.max_code:
        return overflow_code(spec, number.negative, rounding, overflow)
    return with_sign(spec, magnitude, number.negative)


def _rounded_magnitude(spec: FormatSpec, number: ExactNumber, rounding: str, draw: int) -> int:
    """Code without sign, as if the exponent field had no upper limit."""
    numerator, denominator = number.numerator, number.denominator
    if numerator == 0:
        return 0
    exponent_field = max(_floor_log2(numerator, denominator) + spec.bias, spec.least_exponent_field)
    unit_exponent = exponent_field - spec.bias - spec.mantissa_bits
    if unit_exponent < 0:
        numerator <<= -unit_exponent
    else:
        denominator <<= unit_exponent
    significand, remainder = divmod(numerator, denominator)
    if rounding == "stochastic":
        away = draw < (remainder << STOCHASTIC_BITS) // denominator
    else:
        away = rounds_away(rounding, 2 * remainder, denominator, bool(significand & 1), number.negative)
    # The implicit bit of a normal number adds the one that is missing in (exponent_field - 1), a subnormal has none to
    # add, and a significand that rounding carried to the next power of two adds two: all three land where they belong.
    magnitude = ((exponent_field - 1) << spec.mantissa_bits) + significand + away
    return max(magnitude, 0)  # below the least value of a format without zero there is nothing to round down to


def _floor_log2(numerator: int, denominator: int) -> int:
    exponent = numerator.bit_length() - denominator.bit_length()
    below = numerator < denominator << exponent if exponent >= 0 else numerator << -exponent < denominator
    return exponent - below
