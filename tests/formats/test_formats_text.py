import math
import time
from decimal import Decimal
from fractions import Fraction

import pytest
from formats_reference import patient, same
from hypothesis import given
from hypothesis import strategies as st

from explorer import formats
from explorer.errors import InputError

FP16 = formats.get("fp16")
FP64 = formats.get("fp64")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("0.1", Fraction(1, 10)),
        ("1e-5", Fraction(1, 10**5)),
        ("1E+3", 1000),
        (".5", Fraction(1, 2)),
        ("5.", 5),
        (" -7.25 ", Fraction(-29, 4)),
        ("+3", 3),
        ("\N{MINUS SIGN}3", -3),
        ("007", 7),
        ("2^-14", Fraction(1, 2**14)),
        ("-2**3", -8),
        ("1.5*2^-3", Fraction(3, 16)),
        ("3e1 × 2 ^ 2", 120),
        ("2^-1075", Fraction(1, 2**1075)),
        ("1e1500*2^-4983", Fraction(10**1500, 2**4983)),
    ],
)
def test_a_number_is_read_exactly(text, value):
    parsed = formats.parse(text, FP16)
    assert (parsed.value, parsed.code, parsed.text) == (value, None, text.strip())


@patient
@given(st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**50), max_value=10**50))
def test_any_decimal_is_read_as_decimal_reads_it(number):
    assert Fraction(formats.parse(str(number), FP16).value) == Fraction(number)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("inf", math.inf),
        ("-inf", -math.inf),
        ("+Infinity", math.inf),
        ("-\N{INFINITY}", -math.inf),
        ("NaN", math.nan),
        ("-nan", math.nan),
    ],
)
def test_special_values_are_read(text, value):
    assert same([formats.parse(text, FP16).value], [value])


@pytest.mark.parametrize("text", ["-0", "-0.00", "-0e5", "-0*2^3"])
def test_minus_zero_keeps_its_sign(text):
    assert same([formats.parse(text, FP16).value], [-0.0])
    assert same([formats.parse(text[1:], FP16).value], [0.0])


@pytest.mark.parametrize(
    ("text", "name", "code"),
    [
        ("0x2E66", "fp16", 0x2E66),
        ("0X2e66", "fp16", 0x2E66),
        ("0b1010", "e2m1", 0b1010),
        ("0x0000FF", "e4m3fn", 255),
        ("0x7FEFFFFFFFFFFFFF", "fp64", 0x7FEFFFFFFFFFFFFF),
    ],
)
def test_a_code_of_the_format_is_read_with_its_value(text, name, code):
    parsed = formats.parse(text, formats.get(name))
    assert parsed.code == code
    assert same([parsed.value], [formats.get(name).decode(code).value])


@pytest.mark.parametrize(
    ("text", "name", "sentence"),
    [
        (
            "0x1FFFF",
            "fp16",
            "value: 0x1FFFF into 16 bits does not go: a code of FP16 has 16 bits, and this one 17.",
        ),
        ("0b10000", "e2m1", "value: 0b10000 into 4 bits does not go: a code of FP4 E2M1 has 4 bits, and this one 5."),
        (
            "0x" + "f" * 100,
            "bf16",
            f"value: 0x{'f' * 57}… into 16 bits does not go: a code of BF16 has 16 bits, and this one 400.",
        ),
    ],
)
def test_a_code_that_is_too_wide_is_refused_with_both_widths(text, name, sentence):
    with pytest.raises(InputError) as caught:
        formats.parse(text, formats.get(name))
    assert str(caught.value) == sentence


@pytest.mark.parametrize(
    "text", ["", "   ", "12e", "e5", ".", "--1", "1,5", "1 5", "0x", "0b2", "0x1.8p3", "2^", "3^2", "nan0", "٣", "-0x1"]
)
def test_what_is_no_number_is_refused_with_what_is_accepted(text):
    with pytest.raises(InputError, match=r"^value: got '.*', but takes a decimal .*, nan, inf or -inf\.$") as caught:
        formats.parse(text, FP16)
    assert caught.value.field == "value"


@pytest.mark.parametrize("text", [None, 1.5, b"1"])
def test_what_is_no_text_is_refused(text):
    with pytest.raises(InputError, match=r"^value: got .*, but takes a decimal"):
        formats.parse(text, FP16)


def test_a_decimal_is_rounded_once_however_many_digits_it_has():
    tie = Decimal(2**53 + 1)
    assert FP64.encode(formats.parse(str(tie), FP64).value) == FP64.encode(2.0**53)
    assert FP64.encode(formats.parse(f"{tie}.{'0' * 3000}1", FP64).value) == FP64.encode(2.0**53 + 2)
    assert FP16.encode(formats.parse("1.00048828125", FP16).value) == 0x3C00
    assert FP16.encode(formats.parse("1.0004882812500000000001", FP16).value) == 0x3C01
    smallest = FP64.decode(1).exact
    assert FP64.encode(formats.parse(smallest, FP64).value) == 1


@pytest.mark.parametrize(
    ("text", "nearest", "up"),
    [
        ("1e999999999", FP64.max_code + 1, FP64.max_code + 1),
        ("1e" + "9" * 5000, FP64.max_code + 1, FP64.max_code + 1),
        ("1e-999999999", 0, 1),
        ("1e-" + "9" * 5000, 0, 1),
        ("9" * 9000, FP64.max_code + 1, FP64.max_code + 1),
        ("0." + "0" * 9000 + "1", 0, 1),
        ("0." + "0" * 9000 + "1e9001", FP64.encode(1.0), FP64.encode(1.0)),
        ("2^999999999999", FP64.max_code + 1, FP64.max_code + 1),
        ("2^-999999999999", 0, 1),
        ("0e999999999", 0, 0),
        ("1e5000*2^-4000", FP64.max_code + 1, FP64.max_code + 1),
        ("1e1000*2^-9999", 0, 1),
        ("1e" + "9" * 400 + "*2^-" + "9" * 400, FP64.max_code + 1, FP64.max_code + 1),
    ],
)
def test_absurd_lengths_and_exponents_cost_nothing(text, nearest, up):
    started = time.process_time()
    value = formats.parse(text, FP64).value
    assert (FP64.encode(value), FP64.encode(value, "toward-positive")) == (nearest, up)
    assert time.process_time() - started < 0.5


@pytest.mark.parametrize("text", ["1" * 10_001, "1" * 10_000 + "x" * 90_000, " " * 20_000 + "1"])
def test_a_text_that_is_too_long_is_refused_with_its_length(text):
    with pytest.raises(InputError, match=rf"up to 10000 characters, and there are {len(text)}\.$"):
        formats.parse(text, FP16)


@pytest.mark.parametrize("text", ["1" * 9_999 + "x", "1." * 5_000, "-" * 10_000, "1" * 5_000 + "e", "9e9" * 3_000])
def test_a_long_text_that_is_no_number_is_refused_at_once(text):
    started = time.process_time()
    with pytest.raises(InputError):
        formats.parse(text, FP16)
    assert time.process_time() - started < 0.5
