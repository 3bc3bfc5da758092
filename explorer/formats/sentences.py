"""What a format does to a number, in one plain sentence for a learner: how much of it is left, and why."""

from __future__ import annotations

import math
from fractions import Fraction

from explorer.formats.exact import Number, exact
from explorer.formats.spec import FormatSpec


def range_sentence(value: Number, spec: FormatSpec) -> str:
    """Say where a number lies in a format's range: normal, subnormal, lost to zero, or beyond the largest value.

    Parameters
    ----------
    value : int, float, Fraction, Decimal or NumPy scalar
        Taken exactly, and rounded to nearest even (IEEE 754-2019, clause 4.3.1) with native overflow.
    spec : FormatSpec
        Any but a block format.

    Raises
    ------
    InputError
        What is no number.

    Examples
    --------
    >>> range_sentence(65520, get("fp16"))
    'Beyond 65504, the largest number of FP16: it becomes infinity.'
    """
    number = exact(value)
    if number.is_nan:
        ending = "and stays NaN" if spec.has_nan else "which this format cannot say"
        return f"NaN in {spec.label}: not a number, {ending}."
    if number.negative and not spec.signed:
        return f"NaN in {spec.label}: it has no negative numbers."
    if number.is_infinite:
        return (
            f"Infinity, and stays it in {spec.label}."
            if spec.has_inf
            else f"Infinity in {spec.label}: it {_beyond(spec)}."
        )
    size = Fraction(number.numerator, number.denominator)
    if not size:
        return f"Zero in {spec.label}, exactly." if spec.has_zero else f"NaN in {spec.label}: it has no zero."
    if spec.has_zero and size <= spec.underflow_threshold:
        return (
            f"Becomes 0 in {spec.label}: it is not above {_power(spec.underflow_threshold)}, half the smallest "
            f"subnormal number {_power(Fraction(spec.smallest_subnormal))}."
        )
    if size < Fraction(spec.smallest_normal):
        return _below_normal(spec, size)
    if size > Fraction(spec.max):
        near = spec.has_nan and spec.encode(size) == spec.max_code
        reason = "rounds down to it" if near else _beyond(spec)
        return f"Beyond {spec.max:g}, the largest number of {spec.label}: it {reason}."
    return (
        f"Normal in {spec.label}: its size lies between {_power(Fraction(spec.smallest_normal))} and "
        f"{spec.max:g}, so that it has the full {_bits(spec.mantissa_bits + 1)}."
        f"{_where_zero_begins(spec) if size < 1 else ''}"
    )


def _below_normal(spec: FormatSpec, size: Fraction) -> str:
    smallest_normal = _power(Fraction(spec.smallest_normal))
    if not spec.has_subnormals:
        return f"Below the smallest number of {spec.label}, {smallest_normal}, which it becomes."
    left = spec.encode(size).bit_length()
    if left > spec.mantissa_bits:
        return f"Rounds up to {smallest_normal} in {spec.label}, the smallest normal number."
    return (
        f"Subnormal in {spec.label}: it is below the smallest normal number {smallest_normal}, and {left} of "
        f"{_bits(spec.mantissa_bits + 1)} {'is' if left == 1 else 'are'} left.{_where_zero_begins(spec)}"
    )


def _where_zero_begins(spec: FormatSpec) -> str:
    """What a learner takes a small number for, put right."""
    return f" Only at or below {_power(spec.underflow_threshold)} would it become 0." if spec.has_zero else ""


def _beyond(spec: FormatSpec) -> str:
    if spec.has_inf:
        return "becomes infinity"
    if spec.has_nan:
        return "becomes NaN, for there is no infinity"
    return f"becomes {spec.max:g}, for there is neither infinity nor NaN"


def _bits(count: int) -> str:
    return f"{count} significant bit{'s' if count > 1 else ''}"


def _power(size: Fraction) -> str:
    """A power of two as a person writes it."""
    exponent = size.numerator.bit_length() - size.denominator.bit_length()
    return f"2^{exponent}" if abs(exponent) > 3 else f"{math.ldexp(1.0, exponent):g}"
