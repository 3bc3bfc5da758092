import json
import math
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest
from formats_reference import INFOS, patient
from hypothesis import given
from hypothesis import strategies as st

from explorer import formats
from explorer.errors import InputError

COLUMNS = (
    "format code hex bits sign exponent_field mantissa_field kind value exact relative_error ulp absolute_error "
    "below above given"
)


def test_the_row_of_a_tenth_in_fp16():
    row = formats.describe("0.1", formats.get("fp16"))
    assert row == {
        "given": "0.1",
        "format": "fp16",
        "code": 0x2E66,
        "hex": "0x2E66",
        "bits": "0010111001100110",
        "sign": 0,
        "exponent_field": 11,
        "mantissa_field": 0x266,
        "kind": "normal",
        "value": 0.0999755859375,
        "exact": "0.0999755859375",
        "absolute_error": float(Fraction(1, 10) - Fraction("0.0999755859375")),
        "relative_error": float(1 - 10 * Fraction("0.0999755859375")),
        "ulp": 2.0**-14,
        "below": {"code": 0x2E65, "hex": "0x2E65", "value": 0.09991455078125, "exact": "0.09991455078125"},
        "above": {"code": 0x2E67, "hex": "0x2E67", "value": 0.10003662109375, "exact": "0.10003662109375"},
    }


@pytest.mark.parametrize("text", ["0.1", "-1e-5", "0", "-0", "1e30", "-1e400", "inf", "-inf", "0b1", "2^-130"])
@pytest.mark.parametrize("name", INFOS)
def test_every_row_is_json_with_the_same_columns(name, text):
    spec = formats.get(name)
    row = formats.describe(text, spec)
    assert json.loads(json.dumps(row, allow_nan=False)) == row
    assert set(row) == set(COLUMNS.split())
    assert int(row["bits"], 2) == int(row["hex"], 16) == row["code"]
    assert len(row["bits"]) == spec.bits


@patient
@given(
    value=st.fractions(max_denominator=10**9) | st.floats(allow_nan=False, allow_infinity=False),
    name=st.sampled_from(["fp64", "fp32", "fp16", "bf16", "e5m2", "e2m1"]),
    rounding=st.sampled_from(formats.ROUNDINGS),
)
def test_the_errors_are_those_of_exact_fractions(value, name, rounding):
    row = formats.describe(value, formats.get(name), rounding, "saturate", rng=0)
    error = abs(Fraction(row["value"]) - Fraction(value))
    assert row["absolute_error"] == float(error)
    assert row["relative_error"] == (float(error / abs(Fraction(value))) if value else 0.0)


@pytest.mark.parametrize(
    ("text", "name", "absolute", "relative"),
    [
        ("1e6", "fp16", "inf", "inf"),
        ("1e999999999", "fp64", "inf", "inf"),
        ("1e-30", "fp16", 1e-30, 1.0),
        ("inf", "fp16", None, None),
        ("nan", "fp16", None, None),
        ("1e6", "e4m3fn", None, None),
        ("0", "fp16", 0.0, 0.0),
        ("0x7BFF", "fp16", 0.0, 0.0),
        ("0x7C00", "fp16", None, None),
        ("8", "e2m1", 2.0, 0.25),
    ],
)
def test_the_errors_of_what_overflows_underflows_or_is_special(text, name, absolute, relative):
    row = formats.describe(text, formats.get(name))
    assert (row["absolute_error"], row["relative_error"]) == (absolute, relative)


def test_the_error_of_a_huge_number_that_stops_at_the_largest_value_is_its_size():
    row = formats.describe("1e999999999", formats.get("fp64"), overflow="saturate")
    assert (row["value"], row["absolute_error"], row["relative_error"]) == (formats.get("fp64").max, "inf", 1.0)


def test_a_number_may_be_given_as_such():
    fp16 = formats.get("fp16")
    for given_number in (0.1, Decimal("0.1"), Fraction(1, 10), np.float32(0.1)):
        row = formats.describe(given_number, fp16)
        assert (row["code"], row["given"]) == (0x2E66, repr(given_number))


def test_rounding_and_overflow_are_those_that_were_asked_for():
    fp16 = formats.get("fp16")
    assert formats.describe("0.1", fp16, "toward-positive")["code"] == 0x2E67
    assert formats.describe("1e6", fp16, overflow="saturate")["code"] == 0x7BFF
    codes = {formats.describe("1.0003", fp16, "stochastic", rng=seed)["code"] for seed in range(20)}
    assert codes == {0x3C00, 0x3C01}


def test_a_code_is_shown_as_it_stands_even_a_nan_with_a_payload():
    row = formats.describe("0x7C01", formats.get("fp16"))
    assert (row["code"], row["kind"], row["value"], row["ulp"]) == (0x7C01, "nan", "nan", "nan")
    assert row["below"] is row["above"] is None


def test_nothing_lies_beyond_the_ends_of_a_format():
    e2m1 = formats.get("e2m1")
    assert formats.describe("6", e2m1)["above"] is None
    assert formats.describe("-6", e2m1)["below"] is None
    assert formats.describe("6", e2m1)["below"]["exact"] == "4"


def test_a_block_format_has_no_row_for_a_single_number():
    sentence = (
        r"^format: got 'mxfp4', but takes a format of single numbers; numbers of a block format come in blocks\.$"
    )
    with pytest.raises(InputError, match=sentence):
        formats.describe("1", formats.get("mxfp4"))


def test_nan_into_a_format_without_nan_is_refused():
    with pytest.raises(InputError, match=r"for FP4 E2M1 has no NaN\.$"):
        formats.describe("nan", formats.get("e2m1"))
    with pytest.raises(InputError, match=r"for FP4 E2M1 has no NaN\.$"):
        formats.describe(math.nan, formats.get("e2m1"))
