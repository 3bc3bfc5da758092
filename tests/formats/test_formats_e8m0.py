"""E8M0, the scale of MX blocks: no sign, no zero, no mantissa."""

import math
from fractions import Fraction

import ml_dtypes
import numpy as np
import pytest
import torch
from formats_reference import DETERMINISTIC, INFOS, all_values, gfloat_rounded, same

from explorer import formats

E8M0 = formats.get("e8m0")
LADDER = 2.0 ** np.arange(-127, 128)


def _between():
    """Points within the range and around the midpoints, float64."""
    middle = LADDER * 1.5
    return np.concatenate([LADDER, np.nextafter(LADDER, np.inf), np.nextafter(middle, 0), np.nextafter(middle, np.inf)])


def test_every_code_decodes_as_gfloat_ml_dtypes_and_torch_decode_it():
    decoded = [E8M0.decode(code) for code in range(256)]
    codes = np.arange(256, dtype=np.uint8)
    assert same([each.value for each in decoded], all_values("e8m0"))
    assert same([each.value for each in decoded], codes.view(ml_dtypes.float8_e8m0fnu))
    assert same([each.value for each in decoded], torch.from_numpy(codes).view(torch.float8_e8m0fnu).double().numpy())
    assert [each.kind for each in decoded] == ["normal"] * 255 + ["nan"]
    assert {(each.sign, each.mantissa_field) for each in decoded} == {(0, 0)}
    assert [each.exponent_field for each in decoded] == list(range(256))


@pytest.mark.parametrize("overflow", formats.OVERFLOWS)
@pytest.mark.parametrize("rounding", DETERMINISTIC)
def test_positive_numbers_round_as_gfloat_rounds_them(rounding, overflow):
    points = _between()
    expected = gfloat_rounded(INFOS["e8m0"], points, rounding, overflow == "saturate")
    assert same(E8M0.quantize(points, rounding, overflow), expected)
    assert same([E8M0.decode(E8M0.encode(each, rounding, overflow)).value for each in points.tolist()], expected)


@pytest.mark.parametrize("rounding", ["nearest-even", "nearest-away"])
def test_a_tie_goes_up_as_in_ml_dtypes_and_torch_for_no_digit_is_even(rounding):
    middle = (LADDER * 1.5).astype(np.float32)
    with np.errstate(over="ignore"):
        upper = np.append(LADDER[1:], np.nan)
    assert same(E8M0.quantize(middle, rounding), upper)
    assert same([E8M0.decode(E8M0.encode(each, rounding)).value for each in middle.tolist()], upper)
    assert same(middle.astype(ml_dtypes.float8_e8m0fnu), upper)
    assert same(torch.from_numpy(middle).to(torch.float8_e8m0fnu).double().numpy(), upper)


@pytest.mark.parametrize("overflow", formats.OVERFLOWS)
@pytest.mark.parametrize("rounding", formats.ROUNDINGS)
def test_zero_negative_numbers_and_nan_give_nan(rounding, overflow):
    numbers = [0.0, -0.0, -1.0, -1e-40, -1e300, -math.inf, math.nan]
    assert np.isnan(E8M0.quantize(numbers, rounding, overflow, rng=0)).all()
    assert {E8M0.encode(each, rounding, overflow, rng=0) for each in [*numbers, 0, Fraction(-1, 3)]} == {255}


@pytest.mark.parametrize("rounding", formats.ROUNDINGS)
def test_below_the_smallest_value_there_is_nothing_to_round_down_to(rounding):
    numbers = [2.0**-127, 2.0**-128, 5e-324]
    assert E8M0.quantize(numbers, rounding, rng=0).tolist() == [2.0**-127] * 3
    assert [E8M0.encode(each, rounding, rng=0) for each in numbers] == [0, 0, 0]


@pytest.mark.parametrize("rounding", formats.ROUNDINGS)
def test_beyond_the_largest_value_it_is_nan_unless_the_rounding_points_back_or_saturates(rounding):
    back = rounding in ("toward-zero", "toward-negative")
    for number in (2.0**128, 1e300):
        assert E8M0.encode(number, rounding, rng=0) == (254 if back else 255)
        assert same(E8M0.quantize([number], rounding, rng=0), [2.0**127 if back else np.nan])
        assert E8M0.quantize([number], rounding, "saturate", rng=0).tolist() == [2.0**127]
    assert E8M0.encode(math.inf, rounding, rng=0) == 255
    assert E8M0.encode(math.inf, rounding, "saturate", rng=0) == 254
    assert E8M0.quantize([np.inf], rounding, "saturate", rng=0).tolist() == [2.0**127]


def test_stochastic_rounding_draws_alike_in_arrays_and_one_by_one():
    points = _between()
    rng = np.random.default_rng(3)
    one_by_one = [E8M0.decode(E8M0.encode(each, "stochastic", rng=rng)).value for each in points.tolist()]
    assert same(E8M0.quantize(points, "stochastic", rng=3), one_by_one)


def test_neighbours_and_ulp_follow_the_powers_of_two():
    assert E8M0.neighbours(0) == (None, 1)
    assert E8M0.neighbours(127) == (126, 128)
    assert E8M0.neighbours(254) == (253, None)
    assert E8M0.neighbours(255) == (None, None)
    assert [E8M0.ulp(code) for code in range(255)] == LADDER.tolist()
    assert E8M0.underflow_threshold is None
