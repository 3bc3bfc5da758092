"""What people type for a number, read exactly: decimals, powers of two, codes, infinity and NaN."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

from explorer.errors import LONGEST_ECHO, InputError
from explorer.formats.exact import FARTHEST_DECIMAL_EXPONENT, Number

if TYPE_CHECKING:
    from explorer.formats.spec import FormatSpec

ACCEPTED = "a decimal (0.1, 1e-5), a power (2^-14, 1.5*2^-3), a code (0x2E66, 0b1010), nan, inf or -inf"
"""What :func:`parse` takes, as its sentences say it."""

LONGEST = 10_000
"""Characters that are read. The longest float64 written out has 1077."""

DIGITS_KEPT = 2_000
"""Significant digits that are taken as they are; what follows is at most told from zero. Halfway between two float64
lies no number of more than 768 digits, so no rounding is decided any further out."""

FARTHEST_BINARY_EXPONENT = 40_000
"""A number with a larger power of two in it is taken to be as far out as its size says, and read as 10**±1000."""

_NUMBER = r"(\d+(?:\.\d*)?|\.\d+)(?:e([+-]?\d+))?"
_DECIMAL = re.compile(_NUMBER, re.ASCII)
_POWER = re.compile(rf"(?:{_NUMBER}\s*[*×]\s*)?2\s*(?:\^|\*\*)\s*([+-]?\d+)", re.ASCII)
_CODE = re.compile(r"0(?:x[0-9a-f]+|b[01]+)", re.ASCII)


@dataclass(frozen=True)
class Parsed:
    """What a text says.

    Attributes
    ----------
    text : str
        As it was given, without the spaces around it.
    value : int, float or Fraction
        The number, exactly. For a code what it decodes to; zero with a minus sign is the float -0.0.
    code : int or None
        The code that was given, None for a number.
    """

    text: str
    value: Number
    code: int | None = None


def parse(text: str, spec: FormatSpec) -> Parsed:
    """Read what a person typed.

    Parameters
    ----------
    text : str
        A decimal number, a power of two (``2^-14``, ``2**-14``, ``1.5*2^-3``), ``0x…`` or ``0b…`` for a code of the
        format, ``nan``, ``inf``, ``-inf``, ``-∞``. Case and spaces around it do not matter. Up to :data:`LONGEST`
        characters.
    spec : FormatSpec
        Whose codes are meant.

    Returns
    -------
    Parsed
        The number as it was written, not rounded to anything. An exponent so large that the number lies beyond every
        format is cut to :data:`FARTHEST_DECIMAL_EXPONENT`, and digits after the first :data:`DIGITS_KEPT` count only
        as "and a little more": neither changes what it rounds to.

    Raises
    ------
    InputError
        Anything else, and a code of more bits than the format has.

    Examples
    --------
    >>> parse("2^-14", get("fp16")).value
    Fraction(1, 16384)
    """
    if not isinstance(text, str) or not text.strip():
        raise InputError("value", text, ACCEPTED)
    if len(text) > LONGEST:
        raise InputError("value", text, f"up to {LONGEST} characters, and there are {len(text)}")
    given = text.strip()
    body = given.lower().replace("−", "-").replace("∞", "inf")
    if _CODE.fullmatch(body):
        code = _code(given, body, spec)
        return Parsed(given, spec.decode(code).value, code)
    negative = body.startswith("-")
    body = body[1:] if body[0] in "+-" else body
    if body in ("inf", "infinity"):
        return Parsed(given, -math.inf if negative else math.inf)
    if body == "nan":
        return Parsed(given, math.nan)
    if match := _POWER.fullmatch(body):
        digits, exponent, power = match.groups()
        magnitude = _magnitude(digits or "1", float(exponent or 0), float(power))
    elif match := _DECIMAL.fullmatch(body):
        digits, exponent = match.groups()
        magnitude = _magnitude(digits, float(exponent or 0), 0.0)
    else:
        raise InputError("value", given, ACCEPTED)
    if not magnitude:
        return Parsed(given, -0.0 if negative else 0)
    return Parsed(given, -magnitude if negative else magnitude)


def _code(given: str, body: str, spec: FormatSpec) -> int:
    code = int(body, 0)
    if code >> spec.bits:
        echo = given if len(given) <= LONGEST_ECHO else given[: LONGEST_ECHO - 1] + "…"
        reason = f"a code of {spec.label} has {spec.bits} bits, and this one {code.bit_length()}"
        sentence = f"value: {echo} into {spec.bits} bits does not go: {reason}."
        raise InputError("value", given, f"a code of up to {spec.bits} bits", sentence=sentence)
    return code


def _magnitude(digits: str, exponent: float, power: float) -> Fraction:
    """Digits with a point, times 10**exponent, times 2**power. Exponents are floats, for they may be absurd."""
    whole, _, part = digits.partition(".")
    significant = (whole + part).lstrip("0")
    if not significant:
        return Fraction(0)
    leading = exponent - len(part) + len(significant) - 1
    # Of the number as a whole: the two exponents may be far out each and cancel.
    size = leading + power * math.log10(2)
    if abs(size) > FARTHEST_DECIMAL_EXPONENT or abs(power) > FARTHEST_BINARY_EXPONENT:
        return Fraction(10) ** (-FARTHEST_DECIMAL_EXPONENT if size < 0 else FARTHEST_DECIMAL_EXPONENT)
    kept = significant[:DIGITS_KEPT] + ("1" if significant[DIGITS_KEPT:].strip("0") else "")
    return int(kept) * Fraction(10) ** (int(leading) - len(kept) + 1) * Fraction(2) ** int(power)
