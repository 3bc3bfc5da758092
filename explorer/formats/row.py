"""One number in one format, as a row of a table: its code, its fields, its value, and how far off that is."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

from explorer.errors import InputError
from explorer.formats.exact import Number, exact, plain
from explorer.formats.rounding import RandomSource
from explorer.formats.spec import FormatSpec
from explorer.formats.text import parse


def describe(
    value: str | Number,
    spec: FormatSpec,
    rounding: str = "nearest-even",
    overflow: str = "native",
    rng: RandomSource = None,
) -> dict[str, Any]:
    """Round a number to a format and say all there is to say about the result.

    Parameters
    ----------
    value : str or number
        Text as :func:`explorer.formats.text.parse` reads it, or a number as :meth:`FormatSpec.encode` takes it.
    spec : FormatSpec
        Any but a block format.
    rounding, overflow, rng
        As for :meth:`FormatSpec.encode`. A code that was given as such is not rounded.

    Returns
    -------
    dict
        Plain data for JSON; numbers that are not finite are the strings "nan" "inf" "-inf".

        ``given`` (the text, or the number's repr), ``format``, ``code``, ``hex`` and ``bits`` (the code as text, all
        digits), ``sign``, ``exponent_field``, ``mantissa_field``, ``kind``, ``value``, ``exact`` (all decimal digits),
        ``ulp``; ``absolute_error`` and ``relative_error``: ``|value - given|``, and that over ``|given|``, computed in
        fractions and rounded once to float64; "inf" where a finite number became infinite, None where there is no
        such thing (NaN on either side, or infinity given); ``below`` and ``above``: ``{code, hex, value, exact}`` of
        the neighbours, or None where there is none.

    Raises
    ------
    InputError
        Text that is no number, a code too wide for the format, a block format, and as :meth:`FormatSpec.encode`.

    Examples
    --------
    >>> describe("0.1", get("fp16"))["exact"]
    '0.0999755859375'
    """
    if not isinstance(spec, FormatSpec):
        name = getattr(spec, "name", spec)
        raise InputError("format", name, "a format of single numbers; numbers of a block format come in blocks")
    number, code = value, None
    if isinstance(value, str):
        parsed = parse(value, spec)
        number, code = parsed.value, parsed.code
    if code is None:
        code = spec.encode(number, rounding, overflow, rng)
    decoded = spec.decode(code)
    absolute, relative = errors(number, decoded.value)
    below, above = spec.neighbours(code)
    return {
        "given": value.strip() if isinstance(value, str) else repr(value),
        "format": spec.name,
        **_code(spec, code),
        "bits": f"{code:0{spec.bits}b}",
        "sign": decoded.sign,
        "exponent_field": decoded.exponent_field,
        "mantissa_field": decoded.mantissa_field,
        "kind": decoded.kind,
        "value": plain(decoded.value),
        "exact": decoded.exact,
        "absolute_error": absolute,
        "relative_error": relative,
        "ulp": plain(spec.ulp(code)),
        "below": None if below is None else _neighbour(spec, below),
        "above": None if above is None else _neighbour(spec, above),
    }


def errors(given: Number, value: float) -> tuple[float | str | None, float | str | None]:
    """Absolute and relative error of a value that stands for a number, exact but for one rounding to float64.

    The relative error of what stands for zero is 0 if it is zero too, and "inf" if not. None and "inf" otherwise as
    :func:`describe` says.
    """
    number = exact(given)
    if number.is_nan or number.is_infinite or math.isnan(value):
        return None, None
    if math.isinf(value):
        return "inf", "inf"
    true = Fraction(number.numerator, number.denominator) * (-1 if number.negative else 1)
    absolute = abs(Fraction(value) - true)
    if not true:
        return _float(absolute), "inf" if absolute else 0.0
    return _float(absolute), _float(absolute / abs(true))


def _float(size: Fraction) -> float | str:
    try:
        return float(size)
    except OverflowError:
        return "inf"


def _code(spec: FormatSpec, code: int) -> dict[str, Any]:
    return {"code": code, "hex": f"0x{code:0{-(-spec.bits // 4)}X}"}


def _neighbour(spec: FormatSpec, code: int) -> dict[str, Any]:
    decoded = spec.decode(code)
    return {**_code(spec, code), "value": plain(decoded.value), "exact": decoded.exact}
