"""The rules of rounding and overflow: their names, where random bits come from, and what one number does."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from explorer.errors import InputError

if TYPE_CHECKING:
    from explorer.formats.spec import FormatSpec

ROUNDINGS = ("nearest-even", "nearest-away", "toward-zero", "toward-positive", "toward-negative", "stochastic")
"""The rounding-direction attributes of IEEE 754-2019, clause 4.3, and stochastic rounding."""

OVERFLOWS = ("native", "saturate")
"""What becomes of a number beyond the largest: what the format's standard conversion does, or the largest value."""

STOCHASTIC_BITS = 63
"""Random bits that decide one stochastic rounding: those of a word that are not its sign, for processors turn numbers
into signed words ten times faster than into unsigned ones."""

RandomSource = np.random.Generator | int | None
"""Where random bits come from: a generator, the seed of a new one, or fresh entropy."""


def check_modes(rounding: str, overflow: str) -> None:
    """Refuse a rounding or an overflow that is none of :data:`ROUNDINGS`, :data:`OVERFLOWS`."""
    if rounding not in ROUNDINGS:
        raise InputError("rounding", rounding, f"one of {', '.join(ROUNDINGS)}")
    if overflow not in OVERFLOWS:
        raise InputError("overflow", overflow, f"one of {', '.join(OVERFLOWS)}")


def random_source(rng: RandomSource) -> np.random.Generator:
    """The generator that was given, or a new one from the seed or from fresh entropy.

    Raises
    ------
    InputError
        Something that gives no random bits.
    """
    if isinstance(rng, np.random.Generator):
        return rng
    if isinstance(rng, bool) or not (rng is None or (isinstance(rng, int | np.integer) and rng >= 0)):
        raise InputError("rng", rng, "a numpy.random.Generator, a seed from 0 up, or None")
    return np.random.default_rng(rng)


def random_words(generator: np.random.Generator, count: int) -> npt.NDArray[np.int64]:
    """Draw `count` words of :data:`STOCHASTIC_BITS` random bits, shape (count,): the upper ones of 64-bit draws.

    A generator gives the same words in one call for n as in n calls for one, so that rounding an array and rounding its
    elements in turn agree.
    """
    draws = generator.integers(0, 2**64, size=count, dtype=np.uint64)
    draws >>= np.uint64(64 - STOCHASTIC_BITS)
    return draws.view(np.int64)


def rounds_away(rounding: str, twice_remainder: int, unit: int, odd: bool, negative: bool) -> bool:
    """Whether the magnitude goes up to the next code rather than down, for every rounding but stochastic.

    Parameters
    ----------
    rounding : str
        One of :data:`ROUNDINGS`.
    twice_remainder, unit : int
        Twice what truncation drops, and the distance between the two codes, on one scale.
    odd, negative : bool
        Whether the last digit of the truncated significand is odd; whether the number is below zero.
    """
    match rounding:
        case "nearest-even":
            return twice_remainder > unit or (twice_remainder == unit and odd)
        case "nearest-away":
            return twice_remainder >= unit
        case "toward-zero":
            return False
        case "toward-positive":
            return twice_remainder > 0 and not negative
        case "toward-negative":
            return twice_remainder > 0 and negative
        case _:
            raise ValueError(f"{rounding} is not decided by the remainder alone")


def overflow_code(spec: FormatSpec, negative: bool, rounding: str, overflow: str) -> int:
    """Code for a finite number beyond the largest (IEEE 754-2019, clause 7.4), sign included.

    A rounding that points back at zero stops at the largest value; the others go on to infinity, or to what the format
    has in its place. Infinity itself is exact, so it takes this code under ``nearest-even``, whatever the rounding.
    """
    back_at_zero = rounding in ("toward-zero", "toward-positive" if negative else "toward-negative")
    if overflow == "native" and not back_at_zero:
        if spec.has_inf:
            return with_sign(spec, spec.max_code + 1, negative)
        if spec.nan_code is not None:
            return spec.nan_code
    return with_sign(spec, spec.max_code, negative)


def with_sign(spec: FormatSpec, magnitude: int, negative: bool) -> int:
    """Set the sign bit of a code that is not NaN; a format without -0 has one zero."""
    return magnitude | spec.sign_mask if negative and (magnitude or spec.has_negative_zero) else magnitude
