"""A format that is not in the catalogue needs nothing but its description: the small OCP formats, from gfloat's."""

import math

import numpy as np
import pytest
from formats_reference import DETERMINISTIC, gfloat_codes, gfloat_rounded, same
from gfloat import Domain, FormatInfo, decode_float, decode_ndarray
from gfloat.formats import (
    format_info_ocp_e2m1,
    format_info_ocp_e2m3,
    format_info_ocp_e3m2,
    format_info_ocp_e4m3,
    format_info_ocp_e5m2,
)

from explorer import formats
from explorer.errors import InputError

E4M3FNUZ = FormatInfo(
    "e4m3fnuz",
    k=8,
    precision=4,
    bias=8,
    is_signed=True,
    domain=Domain.Finite,
    has_nz=False,
    num_high_nans=0,
    has_subnormals=True,
    is_twos_complement=False,
)
CASES = {
    "float8_e5m2": format_info_ocp_e5m2,
    "float8_e4m3fn": format_info_ocp_e4m3,
    "float8_e4m3fnuz": E4M3FNUZ,
    "float6_e3m2fn": format_info_ocp_e3m2,
    "float6_e2m3fn": format_info_ocp_e2m3,
    "float4_e2m1fn": format_info_ocp_e2m1,
}


@pytest.fixture(params=CASES)
def info_and_spec(request):
    info = CASES[request.param]
    return info, formats.FormatSpec.from_info("small", "Small", info, storage=request.param)


def _points(info):
    values = decode_ndarray(info, np.arange(2**info.k))
    ladder = np.unique(values[np.isfinite(values)])
    middle = (ladder[1:] + ladder[:-1]) / 2
    beyond = info.max * np.array([1 + 2.0**-7, 1.03, 1.1, 1.25, 2, 1e9, np.inf])
    sides = [np.nextafter(middle, -np.inf), middle, np.nextafter(middle, np.inf)]
    return np.concatenate([ladder, *sides, beyond, -beyond, [-0.0, 1e-30, -1e-30]])


def test_every_code_decodes_as_gfloat_decodes_it(info_and_spec):
    info, spec = info_and_spec
    for code in range(2**info.k):
        ours, theirs = spec.decode(code), decode_float(info, code)
        assert same([ours.value], [theirs.fval])
        assert ours.kind == ("infinity" if theirs.fclass.name == "INFINITE" else theirs.fclass.name.lower())


@pytest.mark.parametrize("overflow", formats.OVERFLOWS)
@pytest.mark.parametrize("rounding", DETERMINISTIC)
def test_values_round_as_gfloat_rounds_them(info_and_spec, rounding, overflow):
    info, spec = info_and_spec
    points = _points(info)
    # Where there is neither infinity nor NaN, gfloat refuses to overflow and the largest value stands in.
    saturate = overflow == "saturate" or not (spec.has_inf or spec.has_nan)
    expected = gfloat_rounded(info, points, rounding, saturate)
    assert same(spec.quantize(points, rounding, overflow), expected)
    assert same(
        spec.quantize(points.astype(np.float32), rounding, overflow), _float32(info, points, rounding, saturate)
    )
    codes = [spec.encode(point, rounding, overflow) for point in points.tolist()]
    finite = ~np.isnan(expected)
    assert np.array(codes)[finite].tolist() == gfloat_codes(info, expected)[finite].tolist()
    assert {spec.decode(code).kind for code in np.array(codes)[~finite].tolist()} <= {"nan"}


def _float32(info, points, rounding, saturate):
    return gfloat_rounded(info, points.astype(np.float32).astype(np.float64), rounding, saturate)


def test_neighbours_walk_through_every_value(info_and_spec):
    info, spec = info_and_spec
    values = decode_ndarray(info, np.arange(2**info.k))
    code, walk = (spec.max_code + spec.has_inf) | spec.sign_mask, []
    while code is not None:
        walk.append(spec.decode(code).value)
        code = spec.neighbours(code)[1]
    assert walk == np.unique(values[~np.isnan(values)]).tolist()
    assert spec.neighbours(spec.max_code)[1] == (spec.max_code + 1 if spec.has_inf else None)


def test_nan_into_a_format_without_nan_is_refused(info_and_spec):
    _, spec = info_and_spec
    if spec.has_nan:
        assert spec.encode(math.nan) == spec.nan_code
        assert spec.decode(spec.nan_code).kind == "nan"
        return
    with pytest.raises(
        InputError, match=r"^value: got nan, but takes a number that is not NaN, for Small has no NaN\.$"
    ):
        spec.encode(math.nan)
    with pytest.raises(
        InputError, match=r"^array: got .*, but takes numbers that are not NaN, for Small has no NaN\.$"
    ):
        spec.quantize([1.0, math.nan])
