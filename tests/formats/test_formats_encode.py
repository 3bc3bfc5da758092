import math
from decimal import Context, Decimal, FloatOperation, Inexact, Overflow, localcontext
from fractions import Fraction

import ml_dtypes
import numpy as np
import pytest
from formats_reference import (
    DETERMINISTIC,
    INFOS,
    WIDE,
    all_values,
    decision_points,
    gfloat_codes,
    gfloat_rounded,
    patient,
)
from hypothesis import given
from hypothesis import strategies as st

from explorer import formats
from explorer.errors import InputError

NUMPY_SCALARS = (np.float16, np.float32, np.float64, np.uint8, np.int64, ml_dtypes.bfloat16, ml_dtypes.float8_e4m3fn)
ONE = {"fp32": 0x3F800000, "tf32": 0x1FC00, "fp16": 0x3C00, "bf16": 0x3F80}


@pytest.mark.parametrize("name", ["fp16", "bf16"])
@pytest.mark.parametrize("rounding", formats.ROUNDINGS)
def test_every_value_of_a_format_encodes_to_its_own_code(name, rounding):
    spec, values = formats.get(name), all_values(name)
    rng = np.random.default_rng(0) if rounding == "stochastic" else None
    step = 11 if rounding == "stochastic" else 3  # a draw costs ten times a rounding
    codes = np.flatnonzero(~np.isnan(values))[::step]
    assert [spec.encode(value, rounding, rng=rng) for value in values[codes].tolist()] == codes.tolist()


@pytest.mark.parametrize("name", WIDE)
def test_every_nan_becomes_the_one_quiet_nan(name):
    spec = formats.get(name)
    for value in (math.nan, -math.nan, np.float32("nan"), Decimal("NaN"), Decimal("-NaN"), Decimal("sNaN")):
        assert spec.encode(value) == spec.nan_code
        assert spec.encode(value, "toward-zero", "saturate") == spec.nan_code
    assert spec.decode(spec.nan_code).kind == "nan"


@patient
@given(code=st.integers(0, 2**32 - 1), rounding=st.sampled_from(DETERMINISTIC))
def test_every_fp32_value_encodes_to_its_own_code(code, rounding):
    spec = formats.get("fp32")
    decoded = spec.decode(code)
    assert spec.encode(decoded.value, rounding) == (spec.nan_code if decoded.kind == "nan" else code)


@patient
@given(st.floats(allow_nan=False))
def test_fp32_rounds_a_float64_as_numpy_does(value):
    with np.errstate(over="ignore"):
        expected = int(np.array([value]).astype(np.float32).view(np.uint32)[0])
    assert formats.get("fp32").encode(value) == expected


@patient
@given(value=st.floats(allow_nan=False), rounding=st.sampled_from(DETERMINISTIC), name=st.sampled_from(WIDE))
def test_any_float64_rounds_as_gfloat_rounds_it(value, rounding, name):
    expected = gfloat_codes(INFOS[name], gfloat_rounded(INFOS[name], np.array([value]), rounding))
    assert formats.get(name).encode(value, rounding) == int(expected[0])


@pytest.mark.parametrize("overflow", formats.OVERFLOWS)
@pytest.mark.parametrize("rounding", DETERMINISTIC)
@pytest.mark.parametrize(("name", "step"), [("fp16", 50), ("bf16", 50), ("tf32", 400), ("fp32", 2**22 - 1)])
def test_around_midpoints_it_rounds_as_gfloat_does(name, step, rounding, overflow):
    spec, info = formats.get(name), INFOS[name]
    points = decision_points(name, step) if name != "fp32" else _fp32_points(step)
    expected = gfloat_codes(info, gfloat_rounded(info, points, rounding, overflow == "saturate"))
    assert [spec.encode(point, rounding, overflow) for point in points.tolist()] == expected.tolist()


def _fp32_points(step):
    codes = np.r_[np.arange(0, 0x7F7FFFFF, step), 0:4, 0x7F7FFFFC:0x7F7FFFFF].astype(np.uint32)
    low = codes.view(np.float32).astype(np.float64)
    high = (codes + np.uint32(1)).view(np.float32).astype(np.float64)
    middle = (low + high) / 2
    edge = np.array([2.0**128, 2.0**128 - 2.0**103, np.nextafter(2.0**128 - 2.0**103, 0), 1e300, math.inf])
    positive = np.concatenate([low, middle, np.nextafter(middle, 0), np.nextafter(middle, np.inf), edge])
    return np.concatenate([positive, -positive])


@pytest.mark.parametrize(
    ("name", "value", "above"),
    [
        ("fp16", 1 + 2**-11 + 2**-40, 1),  # float32 would put it on the midpoint, which is even below
        ("bf16", 1 + 2**-8 + 2**-40, 1),
        ("tf32", 1 + 2**-11 + 2**-52, 1),
        ("fp32", Fraction(1) + Fraction(1, 2**24) + Fraction(1, 2**80), 1),  # float64 would put it on the midpoint
        ("fp32", Fraction(1) + Fraction(1, 2**24), 0),
        ("fp16", Decimal("1.00048828125"), 0),
        ("fp16", Decimal("1.00048828125000000000000000000000000000000001"), 1),
        ("fp16", Decimal("1.00048828124999999999999999999999999999999999"), 0),
    ],
)
def test_a_number_is_rounded_once_from_its_exact_value(name, value, above):
    assert formats.get(name).encode(value) == ONE[name] + above


def test_a_whole_number_beyond_float64_is_rounded_once():
    fp32 = formats.get("fp32")
    assert fp32.decode(fp32.encode(2**60 + 2**36 + 1)).value == 2.0**60 + 2.0**37
    assert fp32.decode(fp32.encode(2**60 + 2**36)).value == 2.0**60
    assert fp32.encode(10**400) == fp32.max_code + 1


@patient
@given(st.fractions(max_denominator=10**12))
def test_directed_roundings_enclose_the_number_and_nearest_is_one_of_them(value):
    spec = formats.get("bf16")
    down, up, near = (
        Fraction(spec.decode(spec.encode(value, rounding)).value)
        for rounding in ("toward-negative", "toward-positive", "nearest-even")
    )
    assert down <= value <= up
    assert abs(value - near) == min(value - down, up - value)


@pytest.mark.parametrize("name", WIDE)
@pytest.mark.parametrize(
    ("rounding", "positive", "negative"),
    [
        ("nearest-even", "inf", "inf"),
        ("nearest-away", "inf", "inf"),
        ("toward-zero", "max", "max"),
        ("toward-positive", "inf", "max"),
        ("toward-negative", "max", "inf"),
        ("stochastic", "inf", "inf"),
    ],
)
def test_far_beyond_the_largest_value_the_rounding_decides_between_it_and_infinity(name, rounding, positive, negative):
    spec = formats.get(name)
    code = {"max": spec.max_code, "inf": spec.max_code + 1}
    assert spec.encode(10**60, rounding, rng=0) == code[positive]
    assert spec.encode(-(10**60), rounding, rng=0) == code[negative] | spec.sign_mask
    assert spec.encode(10**60, rounding, "saturate", rng=0) == spec.max_code
    assert spec.encode(-(10**60), rounding, "saturate", rng=0) == spec.max_code | spec.sign_mask


@pytest.mark.parametrize("name", WIDE)
def test_overflow_to_nearest_begins_at_half_a_unit_beyond_the_largest_value(name):
    spec = formats.get(name)
    edge = Fraction(spec.max) + Fraction(spec.ulp(spec.max_code)) / 2
    assert spec.encode(edge) == spec.max_code + 1
    assert spec.encode(edge - Fraction(1, 10**30)) == spec.max_code
    assert spec.encode(edge, overflow="saturate") == spec.max_code


@pytest.mark.parametrize("name", WIDE)
@pytest.mark.parametrize("rounding", formats.ROUNDINGS)
@pytest.mark.parametrize("infinity", [math.inf, Decimal("Infinity"), np.float16("inf")])
def test_infinity_stays_infinity_in_every_rounding_unless_saturated(name, rounding, infinity):
    spec = formats.get(name)
    assert spec.encode(infinity, rounding) == spec.max_code + 1
    assert spec.encode(-infinity, rounding) == (spec.max_code + 1) | spec.sign_mask
    assert spec.encode(-infinity, rounding, "saturate") == spec.max_code | spec.sign_mask


@pytest.mark.parametrize("name", WIDE)
@pytest.mark.parametrize("rounding", formats.ROUNDINGS)
def test_zero_keeps_its_sign(name, rounding):
    spec = formats.get(name)
    for zero in (0, 0.0, Fraction(0), Decimal(0), np.int8(0)):
        assert spec.encode(zero, rounding) == 0
    for zero in (-0.0, Decimal("-0"), Decimal("-0e-99999999999"), np.float32(-0.0), ml_dtypes.bfloat16(-0.0)):
        assert spec.encode(zero, rounding) == spec.sign_mask


@pytest.mark.parametrize("name", WIDE)
def test_a_negative_number_that_rounds_to_zero_gives_minus_zero(name):
    spec = formats.get(name)
    assert spec.encode(-spec.smallest_subnormal / 4) == spec.sign_mask
    assert spec.encode(-spec.smallest_subnormal / 4, "toward-positive") == spec.sign_mask
    assert spec.encode(-spec.smallest_subnormal / 4, "toward-negative") == spec.sign_mask | 1


@pytest.mark.parametrize("name", WIDE)
def test_half_the_smallest_subnormal_is_a_tie_with_zero(name):
    spec = formats.get(name)
    half = Fraction(spec.smallest_subnormal) / 2
    assert spec.encode(half) == 0
    assert spec.encode(half, "nearest-away") == 1
    assert spec.encode(half + half / 10**30) == 1
    assert spec.encode(3 * half) == 2


@pytest.mark.timeout(10)
def test_a_decimal_with_an_absurd_exponent_costs_nothing():
    spec = formats.get("fp16")
    assert spec.encode(Decimal("-1e999999999")) == spec.sign_mask | (spec.max_code + 1)
    assert spec.encode(Decimal("1e999999999"), "toward-zero") == spec.max_code
    assert spec.encode(Decimal("1e-999999999")) == 0
    assert spec.encode(Decimal("1e-999999999"), "toward-positive") == 1


@pytest.mark.parametrize("kind", [int, float, Fraction, Decimal, *NUMPY_SCALARS])
def test_every_kind_of_number_is_taken(kind):
    assert formats.get("fp16").encode(kind(1)) == ONE["fp16"]


def test_a_large_numpy_integer_is_taken_exactly():
    fp32 = formats.get("fp32")
    assert fp32.encode(np.int64(2**60 + 2**36 + 1)) == fp32.encode(2**60 + 2**36 + 1)


def test_stochastic_rounding_repeats_by_seed():
    spec = formats.get("bf16")

    def codes(rng):
        return [spec.encode(0.1 * n, "stochastic", rng=rng) for n in range(200)]

    assert codes(np.random.default_rng(7)) == codes(np.random.default_rng(7))
    assert codes(np.random.default_rng(7)) != codes(np.random.default_rng(8))
    assert spec.encode(0.1, "stochastic", rng=7) == spec.encode(0.1, "stochastic", rng=np.random.default_rng(7))


def test_stochastic_rounding_without_a_seed_still_rounds_to_a_neighbour():
    spec = formats.get("fp16")
    assert spec.encode(1 + 2**-12, "stochastic") in (ONE["fp16"], ONE["fp16"] + 1)


@pytest.mark.parametrize("chance", [Fraction(1, 2), Fraction(1, 4), Fraction(9, 10), Fraction(1, 1000)])
@pytest.mark.parametrize("start", [Fraction(1), Fraction(-3), Fraction(0), Fraction(5, 2**24)])
def test_stochastic_rounding_goes_away_from_zero_as_often_as_the_number_lies_that_way(start, chance):
    spec, rng, count = formats.get("fp16"), np.random.default_rng(3), 4000
    low = spec.encode(start)
    unit = Fraction(spec.ulp(low))
    value = start - chance * unit if start < 0 else start + chance * unit
    away = [spec.encode(value, "stochastic", rng=rng) - low for _ in range(count)]
    assert set(away) <= {0, 1}
    assert abs(sum(away) - count * chance) < 5 * math.sqrt(count * chance * (1 - chance)) + 1


@pytest.mark.parametrize("name", WIDE)
def test_stochastic_rounding_may_pass_the_largest_value_unless_saturated(name):
    spec, rng = formats.get(name), np.random.default_rng(0)
    value = Fraction(spec.max) + Fraction(spec.ulp(spec.max_code)) / 2
    assert {spec.encode(value, "stochastic", rng=rng) for _ in range(50)} == {spec.max_code, spec.max_code + 1}
    assert {spec.encode(value, "stochastic", "saturate", rng) for _ in range(50)} == {spec.max_code}


def test_the_callers_decimal_context_makes_no_difference():
    with localcontext(Context(prec=1, Emax=3, Emin=-3, traps=[FloatOperation, Inexact, Overflow])):
        assert formats.get("fp16").encode(Decimal("1.00048828126")) == ONE["fp16"] + 1
        assert formats.get("fp16").encode(Decimal("1e50000"), "toward-zero") == 0x7BFF
        assert formats.get("fp16").decode(0x2E66).exact == "0.0999755859375"


@pytest.mark.parametrize("value", ["1", None, True, np.True_, 1j, [1.0], np.ones(1), np.longdouble(1), np.str_("1")])
def test_what_is_no_number_is_refused(value):
    with pytest.raises(
        InputError, match=r"^value: got .*, but takes a number: int, float, Fraction, Decimal or a NumPy"
    ):
        formats.get("fp16").encode(value)


@pytest.mark.parametrize("rounding", ["up", "", None, 0, ["nearest-even"]])
def test_an_unknown_rounding_is_refused_with_those_there_are(rounding):
    sentence = r"^rounding: got .*, but takes one of nearest-even, nearest-away, toward-zero, .*, stochastic\.$"
    with pytest.raises(InputError, match=sentence):
        formats.get("fp16").encode(1.0, rounding)
    with pytest.raises(InputError, match=sentence):
        formats.get("fp16").quantize([1.0], rounding)


def test_an_unknown_overflow_is_refused_with_those_there_are():
    sentence = r"^overflow: got 'wrap', but takes one of native, saturate\.$"
    with pytest.raises(InputError, match=sentence):
        formats.get("fp16").encode(1.0, overflow="wrap")
    with pytest.raises(InputError, match=sentence):
        formats.get("fp16").quantize([1.0], overflow="wrap")


@pytest.mark.parametrize("rng", ["7", -1, 1.5, True, np.random.RandomState(0)])
def test_what_gives_no_random_bits_is_refused(rng):
    sentence = r"^rng: got .*, but takes a numpy\.random\.Generator, a seed from 0 up, or None\.$"
    with pytest.raises(InputError, match=sentence):
        formats.get("fp16").encode(1.0, "stochastic", rng=rng)
    with pytest.raises(InputError, match=sentence):
        formats.get("fp16").quantize([1.0], "stochastic", rng=rng)
