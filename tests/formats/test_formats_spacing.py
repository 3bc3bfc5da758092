import math

import numpy as np
import pytest
from formats_reference import DTYPES, WIDE, all_values, patient
from hypothesis import assume, given
from hypothesis import strategies as st

from explorer import formats


@pytest.mark.parametrize(("name", "step"), [("fp16", 1), ("bf16", 1), ("tf32", 7)])
def test_neighbours_are_the_next_values_in_the_sorted_list_of_all(name, step):
    spec, values = formats.get(name), all_values(name)
    ladder = np.unique(values[~np.isnan(values)])  # one zero, for -0 == +0
    for code in range(0, len(values), step):
        if math.isnan(values[code]):
            assert spec.neighbours(code) == (None, None)
            continue
        place = np.searchsorted(ladder, values[code])
        below, above = spec.neighbours(code)
        assert (below is None) == (place == 0)
        assert (above is None) == (place == len(ladder) - 1)
        assert below is None or values[below] == ladder[place - 1]
        assert above is None or values[above] == ladder[place + 1]


@patient
@given(st.floats(width=32, allow_nan=False))
def test_neighbours_in_fp32_are_numpys_nextafter(value):
    fp32 = formats.get("fp32")
    for code, toward in zip(fp32.neighbours(fp32.encode(value)), (-math.inf, math.inf), strict=True):
        if value == toward:
            assert code is None
        else:
            with np.errstate(over="ignore"):
                following = float(np.nextafter(np.float32(value), np.float32(toward)))
            assert fp32.decode(code).value == following


@pytest.mark.parametrize("name", WIDE)
def test_both_zeros_lie_between_the_smallest_subnormals(name):
    spec = formats.get(name)
    assert spec.neighbours(0) == spec.neighbours(spec.sign_mask) == (spec.sign_mask | 1, 1)


@pytest.mark.parametrize("name", WIDE)
def test_zero_has_the_sign_of_the_side_it_is_reached_from(name):
    spec = formats.get(name)
    assert spec.neighbours(1)[0] == 0
    assert spec.neighbours(spec.sign_mask | 1)[1] == spec.sign_mask


@pytest.mark.parametrize("name", WIDE)
def test_infinity_lies_beyond_the_largest_value_and_nothing_beyond_infinity(name):
    spec = formats.get(name)
    infinity = spec.max_code + 1
    assert spec.neighbours(spec.max_code)[1] == infinity
    assert spec.neighbours(infinity) == (spec.max_code, None)
    assert spec.neighbours(infinity | spec.sign_mask) == (None, spec.max_code | spec.sign_mask)


@pytest.mark.parametrize("name", WIDE)
def test_the_ulp_of_one_is_epsilon_and_that_of_zero_the_smallest_subnormal(name):
    spec = formats.get(name)
    assert spec.ulp(spec.encode(1)) == spec.ulp(spec.encode(-1.0)) == spec.epsilon
    assert spec.ulp(0) == spec.ulp(spec.sign_mask) == spec.ulp(1) == spec.smallest_subnormal


@pytest.mark.parametrize("name", WIDE)
def test_the_ulp_of_what_is_not_finite_is_as_in_math_ulp(name):
    spec = formats.get(name)
    assert spec.ulp(spec.max_code + 1) == spec.ulp(spec.encode(-math.inf)) == math.inf
    assert math.isnan(spec.ulp(spec.nan_code))


@pytest.mark.parametrize("name", ["fp16", "bf16"])
def test_the_ulp_of_every_positive_code_is_the_distance_to_the_next_larger_value(name):
    spec, values = formats.get(name), all_values(name)
    steps = np.diff(values[: spec.max_code + 1])
    assert [spec.ulp(code) for code in range(spec.max_code)] == steps.tolist()
    assert spec.ulp(spec.max_code) == steps[-1]


@patient
@given(st.floats(width=32, allow_nan=False, allow_infinity=False))
def test_the_ulp_in_fp32_is_numpys_spacing(value):
    fp32 = formats.get("fp32")
    assume(abs(value) < fp32.max)  # numpy: infinity, the distance to infinity
    assert fp32.ulp(fp32.encode(value)) == abs(float(np.spacing(np.float32(value))))


def test_every_numpy_type_has_its_format():
    assert {formats.get(name).storage for name in DTYPES} == {np.dtype(dtype).name for dtype in DTYPES.values()}
