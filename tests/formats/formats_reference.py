"""What the formats are held against: gfloat's definitions and the other libraries' types for the same bits."""

import ml_dtypes
import numpy as np
from gfloat import Domain, FormatInfo, RoundMode, decode_ndarray, encode_ndarray, round_ndarray
from gfloat.formats import (
    format_info_bfloat16,
    format_info_binary16,
    format_info_binary32,
    format_info_binary64,
    format_info_ocp_e2m1,
    format_info_ocp_e2m3,
    format_info_ocp_e3m2,
    format_info_ocp_e4m3,
    format_info_ocp_e5m2,
    format_info_ocp_e8m0,
)
from hypothesis import settings


def _fnuz(name, precision, bias):
    return FormatInfo(
        name,
        k=8,
        precision=precision,
        bias=bias,
        is_signed=True,
        domain=Domain.Finite,
        has_nz=False,
        num_high_nans=0,
        has_subnormals=True,
        is_twos_complement=False,
    )


INFOS = {
    "fp64": format_info_binary64,
    "fp32": format_info_binary32,
    "tf32": FormatInfo(
        "tf32",
        k=19,
        precision=11,
        bias=127,
        has_nz=True,
        domain=Domain.Extended,
        num_high_nans=1023,
        has_subnormals=True,
        is_signed=True,
        is_twos_complement=False,
    ),
    "fp16": format_info_binary16,
    "bf16": format_info_bfloat16,
    "e4m3fn": format_info_ocp_e4m3,
    "e5m2": format_info_ocp_e5m2,
    "e4m3fnuz": _fnuz("e4m3fnuz", 4, 8),
    "e5m2fnuz": _fnuz("e5m2fnuz", 3, 16),
    "e8m0": format_info_ocp_e8m0,
    "e3m2": format_info_ocp_e3m2,
    "e2m3": format_info_ocp_e2m3,
    "e2m1": format_info_ocp_e2m1,
}
WIDE = ("fp32", "tf32", "fp16", "bf16")
"""The formats above 8 bits that float32 holds; they have infinity, NaN and both zeros."""

SMALL = ("e4m3fn", "e5m2", "e4m3fnuz", "e5m2fnuz", "e3m2", "e2m3", "e2m1")
"""The formats of up to 8 bits with sign, zero and subnormals: all but E8M0."""

DTYPES = {
    "fp64": np.float64,
    "fp32": np.float32,
    "fp16": np.float16,
    "bf16": ml_dtypes.bfloat16,
    "e4m3fn": ml_dtypes.float8_e4m3fn,
    "e5m2": ml_dtypes.float8_e5m2,
    "e4m3fnuz": ml_dtypes.float8_e4m3fnuz,
    "e5m2fnuz": ml_dtypes.float8_e5m2fnuz,
    "e8m0": ml_dtypes.float8_e8m0fnu,
    "e3m2": ml_dtypes.float6_e3m2fn,
    "e2m3": ml_dtypes.float6_e2m3fn,
    "e2m1": ml_dtypes.float4_e2m1fn,
}
GFLOAT_ROUNDINGS = {
    "nearest-even": RoundMode.TiesToEven,
    "nearest-away": RoundMode.TiesToAway,
    "toward-zero": RoundMode.TowardZero,
    "toward-positive": RoundMode.TowardPositive,
    "toward-negative": RoundMode.TowardNegative,
}
DETERMINISTIC = tuple(GFLOAT_ROUNDINGS)

patient = settings(deadline=None)
"""For hypothesis: a busy machine is not a failure."""


def all_values(name):
    """Value of every code, as gfloat decodes it, float64."""
    return decode_ndarray(INFOS[name], np.arange(2 ** INFOS[name].k))


def gfloat_rounded(info, values, rounding, saturate=False):
    """float64 values rounded by gfloat."""
    with np.errstate(all="ignore"):
        return round_ndarray(info, values, GFLOAT_ROUNDINGS[rounding], saturate)


def gfloat_codes(info, rounded):
    """Codes of values that are in the format, by gfloat."""
    return encode_ndarray(info, np.asarray(rounded, np.float64))


def decision_points(name, step=1):
    """Where rounding decides, float64: every step-th code's value, the midpoint to the next, and both sides of it.

    Both signs. At the upper end: the midpoint to the power of two that follows the largest value, that power itself,
    values far beyond, and infinity.
    """
    info = INFOS[name]
    ladder = np.append(decode_ndarray(info, np.arange(info.code_of_max + 1)), 2.0 ** (info.emax + 1))
    keep = np.unique(np.r_[np.arange(0, len(ladder) - 1, step), 0:4, len(ladder) - 4 : len(ladder) - 1])
    low, high = ladder[keep], ladder[keep + 1]
    middle = (low + high) / 2
    beyond = np.array([ladder[-1] * 1.5, ladder[-1] * 2**40, np.inf, info.smallest * 2.0**-60])
    sides = [np.nextafter(middle, 0), np.nextafter(middle, np.inf), np.nextafter(low, np.inf), np.nextafter(high, 0)]
    positive = np.concatenate([low, high, middle, *sides, beyond])
    return np.concatenate([positive, -positive])


def same(left, right):
    """Whether two float arrays hold the same numbers, -0 told from +0 and NaN equal to NaN."""
    with np.errstate(invalid="ignore"):  # a signalling NaN
        left, right = np.asarray(left, np.float64), np.asarray(right, np.float64)
    return (np.array_equal(left, right, equal_nan=True)) and np.array_equal(
        np.signbit(left[~np.isnan(left)]), np.signbit(right[~np.isnan(right)])
    )
