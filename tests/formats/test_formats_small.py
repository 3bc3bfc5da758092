"""Every format of up to 8 bits with sign and subnormals: all codes, and all points where rounding decides."""

import math

import numpy as np
import pytest
import torch
from formats_reference import DETERMINISTIC, DTYPES, INFOS, SMALL, all_values, decision_points, gfloat_codes, same
from formats_reference import gfloat_rounded as rounded_by_gfloat
from gfloat import FloatClass, decode_float

from explorer import formats
from explorer.errors import InputError

WITHOUT_NAN = ("e3m2", "e2m3", "e2m1")
KIND_OF_CLASS = {
    FloatClass.ZERO: "zero",
    FloatClass.SUBNORMAL: "subnormal",
    FloatClass.NORMAL: "normal",
    FloatClass.INFINITE: "infinity",
    FloatClass.NAN: "nan",
}


def _points(name, dtype):
    return decision_points(name).astype(dtype).astype(np.float64)


def _expected(name, points, rounding, overflow):
    # Where there is neither infinity nor NaN, gfloat refuses to overflow and the largest value stands in.
    return rounded_by_gfloat(INFOS[name], points, rounding, overflow == "saturate" or name in WITHOUT_NAN)


@pytest.mark.parametrize("name", SMALL)
def test_every_code_decodes_as_gfloat_and_ml_dtypes_decode_it(name):
    decoded = [formats.get(name).decode(code) for code in range(2 ** INFOS[name].k)]
    codes = np.arange(2 ** INFOS[name].k, dtype=np.uint8)
    assert same([each.value for each in decoded], all_values(name))
    assert same([each.value for each in decoded], codes.view(DTYPES[name]))
    for code, ours in enumerate(decoded):
        theirs = decode_float(INFOS[name], code)
        assert (ours.sign, ours.exponent_field, ours.mantissa_field, ours.kind) == (
            theirs.signbit,
            theirs.exp,
            theirs.significand,
            KIND_OF_CLASS[theirs.fclass],
        )


@pytest.mark.parametrize("name", [name for name in SMALL if name not in WITHOUT_NAN])
def test_every_code_decodes_as_torch_decodes_it(name):
    spec = formats.get(name)
    read = torch.arange(256, dtype=torch.uint8).view(getattr(torch, spec.storage)).double().numpy()
    assert same([spec.decode(code).value for code in range(256)], read)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("overflow", formats.OVERFLOWS)
@pytest.mark.parametrize("rounding", DETERMINISTIC)
@pytest.mark.parametrize("name", SMALL)
def test_every_decision_rounds_as_gfloat_rounds_it_in_arrays(name, rounding, overflow, dtype):
    points = _points(name, dtype)
    ours = formats.get(name).quantize(points.astype(dtype), rounding, overflow)
    assert same(ours, _expected(name, points, rounding, overflow))


@pytest.mark.parametrize("overflow", formats.OVERFLOWS)
@pytest.mark.parametrize("rounding", DETERMINISTIC)
@pytest.mark.parametrize("name", SMALL)
def test_every_decision_rounds_as_gfloat_rounds_it_one_by_one(name, rounding, overflow):
    spec, points = formats.get(name), _points(name, np.float64)
    expected = _expected(name, points, rounding, overflow)
    codes = np.array([spec.encode(point, rounding, overflow) for point in points.tolist()])
    finite = ~np.isnan(expected)
    assert codes[finite].tolist() == gfloat_codes(INFOS[name], expected[finite]).tolist()
    assert set(codes[~finite].tolist()) <= {spec.nan_code}


@pytest.mark.parametrize("overflow", formats.OVERFLOWS)
@pytest.mark.parametrize("name", SMALL)
def test_arrays_and_single_numbers_draw_alike_in_stochastic_rounding(name, overflow):
    spec = formats.get(name)
    for dtype in (np.float32, np.float64):
        points = _points(name, dtype)[:: 1 if INFOS[name].k < 8 else 5]
        rng = np.random.default_rng(5)
        one_by_one = [spec.decode(spec.encode(each, "stochastic", overflow, rng)).value for each in points.tolist()]
        assert same(spec.quantize(points.astype(dtype), "stochastic", overflow, rng=5), one_by_one)


@pytest.mark.parametrize("name", SMALL)
def test_neighbours_walk_through_every_value(name):
    spec, values = formats.get(name), all_values(name)
    code, walk = (spec.max_code + spec.has_inf) | spec.sign_mask, []
    while code is not None:
        walk.append(spec.decode(code).value)
        code = spec.neighbours(code)[1]
    assert walk == np.unique(values[~np.isnan(values)]).tolist()
    assert spec.neighbours(spec.max_code)[1] == (spec.max_code + 1 if spec.has_inf else None)


@pytest.mark.parametrize("name", SMALL)
def test_the_ulp_is_the_distance_to_the_next_larger_value(name):
    spec, values = formats.get(name), all_values(name)
    assert [spec.ulp(code) for code in range(spec.max_code)] == np.diff(values[: spec.max_code + 1]).tolist()


@pytest.mark.parametrize("name", ["e4m3fnuz", "e5m2fnuz"])
@pytest.mark.parametrize("rounding", ["nearest-even", "nearest-away", "toward-zero", "toward-positive"])
def test_fnuz_has_one_zero_and_the_code_of_minus_zero_is_its_nan(name, rounding):
    spec = formats.get(name)
    assert spec.encode(-0.0, rounding) == spec.encode(-1e-30, rounding) == 0
    assert not np.signbit(spec.quantize([-0.0, -1e-30], rounding)).any()
    assert (spec.decode(0x80).kind, spec.nan_code) == ("nan", 0x80)


@pytest.mark.parametrize("name", WITHOUT_NAN)
def test_nan_into_a_format_without_nan_is_refused(name):
    spec = formats.get(name)
    with pytest.raises(
        InputError, match=rf"^value: got nan, but takes a number that is not NaN, for {spec.label} has no NaN\.$"
    ):
        spec.encode(math.nan)
    for overflow in formats.OVERFLOWS:
        with pytest.raises(InputError, match=rf"^array: .*numbers that are not NaN, for {spec.label} has no NaN\.$"):
            spec.quantize([*[1.0] * 20000, math.nan], overflow=overflow)


@pytest.mark.parametrize("name", WITHOUT_NAN)
def test_infinity_into_a_format_without_infinity_and_nan_is_the_largest_value(name):
    spec = formats.get(name)
    assert spec.quantize([np.inf, -np.inf], "toward-zero").tolist() == [spec.max, -spec.max]
    assert spec.encode(-math.inf) == spec.max_code | spec.sign_mask


@pytest.mark.parametrize("name", [*SMALL, "fp16", "bf16", "fp32"])
def test_the_underflow_threshold_is_the_largest_number_that_becomes_zero(name):
    spec = formats.get(name)
    threshold = spec.underflow_threshold
    assert spec.decode(spec.encode(threshold)).kind == "zero"
    assert spec.decode(spec.encode(threshold * (1 + threshold))).kind == "subnormal"
