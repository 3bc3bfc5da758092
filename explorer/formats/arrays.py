"""Rounding of whole arrays, in pieces that stay in a core's cache.

An array is worked on in float32 if that holds its elements exactly and has room for the arithmetic, and in float64 if
not: its *carrier*. Nothing is rounded on the way in, so the result is rounded once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import ml_dtypes  # noqa: F401  registers bfloat16 and its kin with np.dtype
import numpy as np
import numpy.typing as npt

from explorer.errors import InputError
from explorer.formats.grid import fits, round_to_grid, with_signs_of
from explorer.formats.rounding import STOCHASTIC_BITS, RandomSource, check_modes, random_source, random_words

if TYPE_CHECKING:
    from explorer.formats.spec import FormatSpec

PIECE = 1 << 14
"""Elements taken at a time, so that the temporaries stay in a core's cache."""


@np.errstate(all="ignore")  # overflow to infinity is an answer here, not an accident, and a NaN may be signalling
def quantize(spec: FormatSpec, array: npt.ArrayLike, rounding: str, overflow: str, rng: RandomSource) -> np.ndarray:
    """Round every element of an array; see :meth:`FormatSpec.quantize`."""
    check_modes(rounding, overflow)
    given = real_numbers(array)
    x = given.reshape(-1)
    source = np.dtype(np.float32 if np.can_cast(x.dtype, np.float32) else np.float64)
    rounded = np.empty(x.shape, np.float64 if spec.bits > 32 else np.float32)
    generator = random_source(rng) if rounding == "stochastic" else None
    carrier = source if fits(source, spec.mantissa_bits, spec.largest_exponent) else np.dtype(np.float64)
    cut = np.finfo(source).nmant - spec.mantissa_bits
    for start in range(0, x.size, PIECE):
        piece = slice(start, start + PIECE)
        draws = None if generator is None else random_words(generator, x[piece].size)
        if cut <= 0 or _is_upper_bits(spec, source):
            _cut_low_bits(
                spec, x[piece].astype(source, copy=False), max(cut, 0), rounding, overflow, draws, rounded[piece]
            )
        else:
            _round_piece(spec, x[piece].astype(carrier, copy=False), rounding, overflow, draws, rounded[piece])
    return rounded.reshape(given.shape)


def real_numbers(array: npt.ArrayLike) -> np.ndarray:
    """Return what was given as an array whose elements float64 holds exactly, in native byte order, or refuse it."""
    given = np.asarray(array)
    if given.dtype == np.bool_ or not np.can_cast(given.dtype, np.float64):
        raise InputError("array", f"an array of {given.dtype}", "real numbers of up to 64 bits")
    if given.dtype.kind in "iu" and given.dtype.itemsize == 8 and given.size:
        limit = 2 ** (np.finfo(np.float64).nmant + 1)
        if int(given.max()) > limit or int(given.min()) < -limit:
            raise InputError("array", array, "whole numbers that float64 holds exactly, to ±2**53")
    return given.astype(given.dtype.newbyteorder("="), copy=False)


def _is_upper_bits(spec: FormatSpec, source: np.dtype) -> bool:
    """Whether the format is what is left of the source's bits when the low ones are cut off: BF16 and TF32 of FP32."""
    limits = np.finfo(source)
    return spec.signed and spec.has_inf and (spec.exponent_bits, spec.bias) == (limits.iexp, limits.maxexp - 1)


def _cut_low_bits(
    spec: FormatSpec,
    x: np.ndarray,
    cut: int,
    rounding: str,
    overflow: str,
    draws: np.ndarray | None,
    rounded: np.ndarray,
) -> None:
    """Round by whole-number addition: what is added to the low bits decides whether they carry.

    The carry runs from the mantissa into the exponent and from the largest value into infinity, as it should. Where no
    bit is cut the number is in the format as it stands.
    """
    if overflow == "saturate":
        x = np.clip(x, -spec.max, spec.max)  # before, for rounding keeps order and leaves the largest value where it is
    if not cut:
        rounded[:] = x
        return
    bits, out = x.view(np.uint32), rounded.view(np.uint32)
    low = (1 << cut) - 1
    match rounding:
        case "nearest-even":  # half a unit, less one if the last kept bit is even
            np.right_shift(bits, cut, out=out)
            out &= 1
            out += low >> 1
        case "nearest-away":
            out[:] = (low >> 1) + 1
        case "toward-zero":
            out[:] = 0
        case "toward-positive" | "toward-negative":
            np.right_shift(bits, 31, out=out)  # 1 for a negative number
            if rounding == "toward-positive":
                out ^= 1
            out *= low
        case "stochastic":  # carries if the low bits are above that many random ones
            np.right_shift(draws, STOCHASTIC_BITS - cut, out=out, casting="unsafe")
            out ^= low
    out += bits
    out &= 0xFFFFFFFF & ~low
    nan = np.isnan(x)
    if nan.any():
        rounded[nan] = np.nan  # the carry may have run through a payload


def _round_piece(
    spec: FormatSpec, x: np.ndarray, rounding: str, overflow: str, draws: np.ndarray | None, rounded: np.ndarray
) -> None:
    """Round a carrier's numbers into `rounded`. The array twin of :func:`explorer.formats.encode.encode`."""
    magnitude = np.abs(x)
    within = bool(magnitude.max(initial=0) <= spec.max)  # a piece with a NaN is not
    if overflow == "saturate":
        np.minimum(magnitude, spec.max, out=magnitude)
    elif not within:
        # From the power of two after the largest value on everything overflows alike; the carrier has room to there.
        np.minimum(magnitude, 2.0 ** (spec.largest_exponent + 1), out=magnitude)
    result = round_to_grid(magnitude, x, spec.smallest_normal, spec.mantissa_bits, rounding, draws)
    if not spec.has_zero:
        np.maximum(result, spec.smallest_normal, out=result)
    if not within:
        if spec.nan_code is None and np.isnan(x).any():
            raise InputError("array", x, f"numbers that are not NaN, for {spec.label} has no NaN")
        if overflow == "native":
            _overflow(spec, x, result, rounding)
    if spec.signed:
        with_signs_of(result, x)
        if not spec.has_negative_zero:
            result += 0  # turns -0 into +0
    else:
        positive = x > 0
        if not positive.all():
            result[~positive] = np.nan
    if not within:
        result[np.isnan(result)] = np.nan  # one NaN, with no sign and no payload
    rounded[:] = result


def _overflow(spec: FormatSpec, x: np.ndarray, result: np.ndarray, rounding: str) -> None:
    """Put in place what stands for magnitudes beyond the largest: the array twin of ``rounding.overflow_code``."""
    over = result > spec.max
    beyond = np.inf if spec.has_inf else np.nan if spec.nan_code is not None else spec.max
    result[over] = beyond
    if rounding in ("toward-zero", "toward-positive", "toward-negative"):
        finite = over & np.isfinite(x)
        back_at_zero = {"toward-zero": finite, "toward-positive": finite & (x < 0), "toward-negative": finite & (x > 0)}
        result[back_at_zero[rounding]] = spec.max
