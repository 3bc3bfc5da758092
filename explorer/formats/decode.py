"""From a code to its fields, its kind and its value."""

from __future__ import annotations

import math
import operator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from explorer.errors import InputError
from explorer.formats.exact import decimal_expansion

if TYPE_CHECKING:
    from explorer.formats.spec import FormatSpec

KINDS = ("zero", "subnormal", "normal", "infinity", "nan")
"""What a code can be (IEEE 754-2019, clause 3.4)."""


@dataclass(frozen=True)
class Decoded:
    """What a code says.

    Attributes
    ----------
    sign : int
        The sign bit, 0 or 1; 0 in a format without one.
    exponent_field, mantissa_field : int
        The fields as they stand in the code, bias and implicit bit not taken into account.
    kind : str
        One of :data:`KINDS`.
    value : float
        The value, exact: no format here is wider than float64.
    exact : str
        The value with all its decimal digits: "0.0999755859375", "-0", "inf", "-inf", "nan".
    """

    sign: int
    exponent_field: int
    mantissa_field: int
    kind: str
    value: float
    exact: str


def decode(spec: FormatSpec, code: int) -> Decoded:
    """Read a code; see :meth:`FormatSpec.decode`."""
    code = checked_code(spec, code)
    sign = int(bool(code & spec.sign_mask))
    magnitude = code & ~spec.sign_mask
    exponent_field, mantissa_field = split(spec, magnitude)
    kind = _kind(spec, sign, magnitude)
    if kind == "nan":
        value = math.nan
    elif kind == "infinity":
        value = -math.inf if sign else math.inf
    else:
        implicit = 0 if spec.has_subnormals and exponent_field == 0 else 1 << spec.mantissa_bits
        size = math.ldexp(implicit | mantissa_field, unit_exponent(spec, exponent_field))
        value = -size if sign else size
    return Decoded(sign, exponent_field, mantissa_field, kind, value, decimal_expansion(value))


def checked_code(spec: FormatSpec, code: int) -> int:
    """Return the code as an int, or refuse it."""
    try:
        index = -1 if isinstance(code, bool | np.bool_) else operator.index(code)
    except TypeError:
        index = -1
    if not 0 <= index < 1 << spec.bits:
        raise InputError(
            "code", code, f"a whole number from 0 to {(1 << spec.bits) - 1} ({spec.label}: {spec.bits} bits)"
        )
    return index


def split(spec: FormatSpec, magnitude: int) -> tuple[int, int]:
    """Exponent and mantissa field of a code without its sign bit."""
    return magnitude >> spec.mantissa_bits, magnitude & ((1 << spec.mantissa_bits) - 1)


def unit_exponent(spec: FormatSpec, exponent_field: int) -> int:
    """Power of two that the last mantissa bit is worth. Subnormals share the binade of the least normals."""
    return max(exponent_field, spec.least_exponent_field) - spec.bias - spec.mantissa_bits


def _kind(spec: FormatSpec, sign: int, magnitude: int) -> str:
    if magnitude > spec.max_code:
        return "infinity" if spec.has_inf and magnitude == spec.max_code + 1 else "nan"
    if magnitude == 0 and spec.has_zero:
        return "nan" if sign and not spec.has_negative_zero else "zero"
    return "normal" if magnitude >> spec.mantissa_bits >= spec.least_exponent_field else "subnormal"
