"""What lies next to a code, and how far away."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from explorer.formats.decode import checked_code, decode, unit_exponent
from explorer.formats.rounding import with_sign

if TYPE_CHECKING:
    from explorer.formats.spec import FormatSpec


def neighbours(spec: FormatSpec, code: int) -> tuple[int | None, int | None]:
    """Codes of the next smaller and next larger value; see :meth:`FormatSpec.neighbours`."""
    code = checked_code(spec, code)
    if decode(spec, code).kind == "nan":
        return None, None
    # Sign and magnitude: codes without their sign bit are in the order of their values, so that they can be counted.
    magnitude = code & ~spec.sign_mask
    rank = -magnitude if code & spec.sign_mask else magnitude
    highest = spec.max_code + spec.has_inf
    lowest = -highest if spec.signed else 0
    below = _at_rank(spec, rank - 1, falling=True) if rank > lowest else None
    above = _at_rank(spec, rank + 1, falling=False) if rank < highest else None
    return below, above


def ulp(spec: FormatSpec, code: int) -> float:
    """Worth of the last mantissa bit; see :meth:`FormatSpec.ulp`."""
    code = checked_code(spec, code)
    decoded = decode(spec, code)
    if not math.isfinite(decoded.value):
        return abs(decoded.value)
    return math.ldexp(1.0, unit_exponent(spec, decoded.exponent_field))


def _at_rank(spec: FormatSpec, rank: int, *, falling: bool) -> int:
    """Code that is `rank` steps from zero. Zero keeps the sign of the side it is reached from."""
    negative = rank < 0 or (rank == 0 and not falling)
    return with_sign(spec, abs(rank), negative)
