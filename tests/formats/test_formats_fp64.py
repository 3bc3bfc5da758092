"""FP64, which is its own carrier: held against Python's floats and struct."""

import math
import struct
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest
from formats_reference import DETERMINISTIC, patient, same
from hypothesis import given
from hypothesis import strategies as st

from explorer import formats

FP64 = formats.get("fp64")


def _float_of(code):
    return struct.unpack("<d", struct.pack("<Q", code))[0]


@patient
@given(st.integers(0, 2**64 - 1))
def test_a_code_has_the_value_that_the_machine_reads(code):
    decoded = FP64.decode(code)
    assert same([decoded.value], [_float_of(code)])
    if math.isfinite(decoded.value):
        assert Fraction(decoded.exact) == Fraction(decoded.value)


@patient
@given(value=st.floats(allow_nan=False), rounding=st.sampled_from(DETERMINISTIC))
def test_a_float64_encodes_to_its_own_code_in_every_rounding(value, rounding):
    assert FP64.encode(value, rounding) == struct.unpack("<Q", struct.pack("<d", value))[0]


@patient
@given(st.decimals(allow_nan=False, allow_infinity=False))
def test_a_decimal_rounds_as_pythons_correctly_rounded_strtod(value):
    assert same([FP64.decode(FP64.encode(value)).value], [float(str(value))])


@patient
@given(st.fractions())
def test_directed_roundings_enclose_a_fraction_in_neighbouring_values(value):
    down, up = FP64.encode(value, "toward-negative"), FP64.encode(value, "toward-positive")
    low, high = (FP64.decode(code).value for code in (down, up))
    assert Fraction(low) <= value <= Fraction(high)
    assert low == high or FP64.neighbours(down)[1] == up or math.nextafter(low, math.inf) == high


@patient
@given(st.floats(allow_nan=False, allow_infinity=False))
def test_neighbours_and_ulp_are_those_of_math(value):
    code = FP64.encode(value)
    below, above = (FP64.decode(each).value for each in FP64.neighbours(code))
    assert (below, above) == (math.nextafter(value, -math.inf), math.nextafter(value, math.inf))
    assert FP64.ulp(code) == math.ulp(value)


@pytest.mark.parametrize("rounding", formats.ROUNDINGS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int64])
def test_an_array_stays_as_it_is_in_float64(rounding, dtype):
    given_array = np.array([0, 1, -3, 2**53]).astype(dtype)
    rounded = FP64.quantize(given_array, rounding, rng=0)
    assert rounded.dtype == np.float64
    assert rounded.tolist() == given_array.tolist()
    assert not np.shares_memory(rounded, given_array)


def test_special_values_pass_and_infinity_saturates():
    special = [math.nan, math.inf, -math.inf, -0.0, 5e-324]
    assert same(FP64.quantize(special), special)
    assert same(FP64.quantize(special, overflow="saturate"), [math.nan, FP64.max, -FP64.max, -0.0, 5e-324])


def test_half_the_smallest_subnormal_cannot_be_said_in_float64_and_still_is_a_tie():
    assert FP64.underflow_threshold == Fraction(1, 2**1075)
    assert FP64.encode(FP64.underflow_threshold) == 0
    assert FP64.encode(FP64.underflow_threshold + Fraction(1, 2**1200)) == 1
    assert FP64.encode(Decimal("2.4703282292062327e-324")) == 0
