"""The block formats against a scalar implementation that follows the text of the standards in exact fractions."""

import json
import math
from bisect import bisect_right
from fractions import Fraction

import numpy as np
import pytest
from formats_reference import DETERMINISTIC, GFLOAT_ROUNDINGS, patient, same
from gfloat.block import compute_scale_amax, quantize_block
from gfloat.formats import (
    format_info_mxfp4_e2m1,
    format_info_mxfp6_e2m3,
    format_info_mxfp6_e3m2,
    format_info_mxfp8_e4m3,
    format_info_mxfp8_e5m2,
)
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as st_numpy

from explorer import formats
from explorer.errors import InputError
from explorer.formats import arrays

GFLOAT_BLOCKS = {
    "mxfp8-e4m3": format_info_mxfp8_e4m3,
    "mxfp8-e5m2": format_info_mxfp8_e5m2,
    "mxfp6-e3m2": format_info_mxfp6_e3m2,
    "mxfp6-e2m3": format_info_mxfp6_e2m3,
    "mxfp4": format_info_mxfp4_e2m1,
}
MX = tuple(GFLOAT_BLOCKS)
FINITE = st.floats(width=32, allow_nan=False, allow_infinity=False)


def _ladder(exponent_bits, mantissa_bits, bias, largest):
    """All values from zero up (OCP MX 1.0, section 5.3), as fractions."""
    values = [
        Fraction(2) ** (max(exponent, 1) - bias) * (Fraction(fraction, 2**mantissa_bits) + (exponent > 0))
        for exponent in range(2**exponent_bits)
        for fraction in range(2**mantissa_bits)
    ]
    return [value for value in values if value <= largest]


E2M1 = _ladder(2, 1, 1, 6)
E4M3 = _ladder(4, 3, 7, 448)
ELEMENTS = {
    "mxfp8-e4m3": E4M3,
    "mxfp8-e5m2": _ladder(5, 2, 15, 57344),
    "mxfp6-e3m2": _ladder(3, 2, 3, 28),
    "mxfp6-e2m3": _ladder(2, 3, 1, Fraction(15, 2)),
    "mxfp4": E2M1,
    "nvfp4": E2M1,
}


def _rounded(ladder, number, rounding):
    """The value that a fraction becomes, saturating."""
    size = min(abs(number), ladder[-1])
    at = bisect_right(ladder, size) - 1
    low, high = ladder[at], ladder[min(at + 1, len(ladder) - 1)]
    match rounding:
        case "nearest-even":
            up = size - low > high - size or (size - low == high - size and at % 2 == 1)
        case "nearest-away":
            up = size - low >= high - size
        case "toward-zero":
            up = False
        case _:
            up = (rounding == "toward-positive") == (number > 0)
    return high if up and size > low else low


def _floor_log2(number):
    exponent = number.numerator.bit_length() - number.denominator.bit_length()
    return exponent if Fraction(2) ** exponent <= number else exponent - 1


def _float32(number):
    """A fraction whose float64 is exact, rounded to float32."""
    return float(np.float32(float(number)))


def _mx_block(name, block, rounding):
    ladder = ELEMENTS[name]
    amax = max(abs(number) for number in block)
    shared = _floor_log2(amax) - _floor_log2(ladder[-1]) if amax else -127
    scale = Fraction(2) ** max(-127, min(127, shared))
    return [scale * _rounded(ladder, number / scale, rounding) for number in block]


def _nvfp4_block(block, rounding, tensor_scale):
    amax = max(abs(number) for number in block)
    scale = _rounded(E4M3, amax / 6 / tensor_scale, "nearest-even")
    if not scale:
        return [Fraction(0)] * len(block)
    return [scale * tensor_scale * _rounded(E2M1, number / scale / tensor_scale, rounding) for number in block]


def _by_the_text(name, row, rounding="nearest-even"):
    """One row of finite float32 numbers, quantized block by block."""
    size = 16 if name == "nvfp4" else 32
    numbers = [Fraction(float(each)) for each in row]
    amax = max(map(abs, numbers), default=Fraction(0))
    tensor_scale = Fraction(float(np.float32(max(float(amax / (6 * 448)), 2.0**-126)))) if amax else Fraction(1)
    magnitudes = []
    for start in range(0, len(numbers), size):
        block = numbers[start : start + size]
        magnitudes += _nvfp4_block(block, rounding, tensor_scale) if size == 16 else _mx_block(name, block, rounding)
    return [math.copysign(_float32(each), number) for each, number in zip(magnitudes, row, strict=True)]


def _rows(seed, width=96):
    """Rows of many ranges, with ties, zeros and subnormals among them."""
    rng = np.random.default_rng(seed)
    normal = rng.standard_normal((6, width)) * np.exp2([[-140], [-60], [0], [3], [60], [120]])
    ties = rng.integers(-96, 97, (2, width)) / 8
    wide = rng.standard_normal((2, width)) * np.exp2(rng.integers(-30, 30, (2, width)))
    rows = np.concatenate([normal, ties, wide, np.zeros((1, width))]).astype(np.float32)
    rows[3, ::7] = -0.0
    return rows


@pytest.mark.parametrize("rounding", DETERMINISTIC)
@pytest.mark.parametrize("name", formats.block_names())
def test_rows_are_quantized_as_the_text_says(name, rounding):
    for row in _rows(0):
        assert same(formats.get(name).quantize(row, rounding), _by_the_text(name, row, rounding))


@patient
@given(
    row=st_numpy.arrays(np.float32, st.integers(0, 40), elements=FINITE),
    name=st.sampled_from(formats.block_names()),
    rounding=st.sampled_from(DETERMINISTIC),
)
def test_any_row_is_quantized_as_the_text_says(row, name, rounding):
    assert same(formats.get(name).quantize(row, rounding), _by_the_text(name, row, rounding))


@pytest.mark.parametrize("rounding", DETERMINISTIC)
@pytest.mark.parametrize("name", MX)
def test_mx_blocks_are_quantized_as_gfloat_quantizes_them(name, rounding):
    for block in _rows(1).reshape(-1, 32).astype(np.float64):
        expected = quantize_block(GFLOAT_BLOCKS[name], block, compute_scale_amax, GFLOAT_ROUNDINGS[rounding])
        assert same(formats.get(name).quantize(block, rounding), expected)


@pytest.mark.parametrize("overflow", formats.OVERFLOWS)
@pytest.mark.parametrize("rounding", formats.ROUNDINGS)
@pytest.mark.parametrize("name", formats.block_names())
def test_the_parts_of_a_block_stand_for_what_the_array_becomes(name, rounding, overflow):
    spec = formats.get(name)
    for row in [*_rows(2), np.array([1, np.inf, -3]), np.array([np.nan, 1]), np.array([1e300, -1.0, 1e-320])]:
        block = row[: spec.block_size]
        parts = spec.parts(block, rounding, overflow, rng=4)
        assert same([each.value for each in parts.elements], spec.quantize(block, rounding, overflow, rng=4))
        assert same(spec.scale.decode(parts.scale_code).value, parts.scale)
        assert [spec.element.decode(each.code).value for each in parts.elements] == [
            each.element for each in parts.elements
        ]


@pytest.mark.parametrize("name", MX)
def test_the_scale_is_the_power_of_two_that_the_standard_names(name):
    spec = formats.get(name)
    for amax in (1.0, 1.999, 2.0, 448.0, 3e38, 1e-30, 2.0**-149, 0.0):
        parts = spec.parts([amax, 0.0, -amax / 2])
        expected = -127 if amax == 0 else max(-127, math.frexp(amax)[1] - 1 - spec.element.largest_exponent)
        assert (parts.amax, parts.scale, parts.scale_code) == (amax, 2.0**expected, expected + 127)
        assert parts.tensor_scale is None


def test_nvfp4_maps_the_largest_number_of_the_tensor_to_the_largest_scale_and_element():
    nvfp4 = formats.get("nvfp4")
    parts = nvfp4.parts([5.0, 2.5, -0.1])
    assert parts.tensor_scale == float(np.float32(5.0) / np.float32(6 * 448))
    assert (parts.scale, parts.elements[0].element) == (448.0, 6.0)
    assert nvfp4.quantize([0.0, 0.0]).tolist() == [0.0, 0.0]
    assert (nvfp4.parts([0.0]).tensor_scale, nvfp4.parts([0.0]).scale) == (1.0, 0.0)


def test_a_block_of_nvfp4_that_is_too_small_for_its_tensor_becomes_zero():
    row = np.array([1e4] + [0.0] * 15 + [1e-3, -1e-3] + [0.0] * 14, np.float32)
    rounded = formats.get("nvfp4").quantize(row)
    assert rounded[0] == np.float32(1e4)
    assert same(rounded[16:18], [0.0, -0.0])


def test_a_tensor_scale_of_ones_own_is_used():
    nvfp4 = formats.get("nvfp4")
    block = np.linspace(-1, 1, 16)
    tensor = np.concatenate([block, [100.0] * 16])
    shared = nvfp4.parts([100.0]).tensor_scale
    assert same(nvfp4.quantize(block, tensor_scale=shared), nvfp4.quantize(tensor)[:16])
    assert nvfp4.parts(block, tensor_scale=shared).tensor_scale == shared
    assert not same(nvfp4.quantize(block, tensor_scale=shared), nvfp4.quantize(block))


@pytest.mark.parametrize("name", MX)
def test_each_block_along_the_last_axis_has_a_scale_of_its_own(name):
    spec = formats.get(name)
    array = np.random.default_rng(0).standard_normal((3, 5, 64)).astype(np.float32) * np.float32(0.37)
    array[..., 32:] *= 1000
    rounded = spec.quantize(array)
    assert (rounded.shape, rounded.dtype) == (array.shape, np.float32)
    for at in np.ndindex(3, 5):
        assert same(rounded[at], np.concatenate([spec.quantize(array[at][:32]), spec.quantize(array[at][32:])]))


@pytest.mark.parametrize("name", formats.block_names())
@pytest.mark.parametrize("width", [1, 15, 31, 33, 50])
def test_a_last_block_that_is_shorter_has_a_scale_of_its_own(name, width):
    spec = formats.get(name)
    array = np.random.default_rng(width).standard_normal((4, width)).astype(np.float32)
    padded = np.pad(array, ((0, 0), (0, -width % spec.block_size)))
    assert same(spec.quantize(array), spec.quantize(padded)[:, :width])
    assert spec.quantize(array, "stochastic", rng=0).shape == array.shape


@pytest.mark.parametrize("name", formats.block_names())
@pytest.mark.parametrize("shape", [(), (0,), (3, 0), (0, 3), (2, 1, 3)])
def test_the_result_is_a_new_float32_array_of_the_same_shape(name, shape):
    array = np.full(shape, 2, np.float32)
    rounded = formats.get(name).quantize(array)
    assert (rounded.shape, rounded.dtype) == (shape, np.float32)
    assert not np.shares_memory(rounded, array)
    assert same(rounded, array)


@pytest.mark.parametrize("name", formats.block_names())
def test_nan_and_infinity_take_their_block_along_and_no_other(name):
    spec = formats.get(name)
    size = spec.block_size
    for bad in (np.nan, np.inf, -np.inf):
        row = np.ones(3 * size, np.float32)
        row[size + 1] = bad
        rounded = spec.quantize(row)
        assert np.isnan(rounded[size : 2 * size]).all()
        assert same(rounded[:size], np.ones(size))
        assert same(rounded[2 * size :], np.ones(size))


@pytest.mark.parametrize("name", formats.block_names())
def test_under_saturate_infinity_is_the_largest_that_the_block_can_say_and_nan_stays_nan(name):
    spec = formats.get(name)
    rounded = spec.quantize([np.inf, 1.0, -np.inf], overflow="saturate")
    assert rounded[0] == -rounded[2] > 2.0**127
    assert np.isfinite(rounded[0])
    assert rounded[1] == 0
    assert np.isnan(spec.quantize([np.nan, 1.0], overflow="saturate")).all()


@pytest.mark.parametrize("name", formats.block_names())
def test_stochastic_rounding_repeats_by_seed_and_is_unbiased(name):
    spec, count = formats.get(name), 4000
    block = np.r_[np.linspace(-1, 1, spec.block_size - 1), 1.9].astype(np.float32)
    array = np.tile(block, (count, 1))
    assert array.size > 2 * arrays.PIECE
    rounded = spec.quantize(array, "stochastic", rng=1)
    assert same(rounded, spec.quantize(array, "stochastic", rng=1))
    assert not same(rounded, spec.quantize(array, "stochastic", rng=2))
    down, up = (spec.quantize(block, each).astype(float) for each in ("toward-negative", "toward-positive"))
    below_max = np.abs(block) < 1.5  # what saturates cannot be unbiased
    tolerance = 5 * (up - down)[below_max] / (2 * math.sqrt(count)) + 1e-7
    assert (np.abs(rounded.mean(0, dtype=float) - block)[below_max] <= tolerance).all()


def test_the_parts_of_a_block_are_json():
    for spec in map(formats.get, formats.block_names()):
        for block in ([1.0, -0.3], [math.nan, 1.0], [math.inf]):
            data = spec.parts(block).as_data()
            assert json.loads(json.dumps(data, allow_nan=False)) == data
            assert len(data["elements"]) == len(block)
    assert data["elements"][0]["value"] == "nan"


def test_bits_per_value_count_the_share_of_the_scale():
    assert [formats.get(name).bits_per_value for name in formats.block_names()] == [8.25, 8.25, 6.25, 6.25, 4.25, 4.5]


@pytest.mark.parametrize("block", [[], [1.0] * 33, [[1.0]], 1.0])
def test_parts_take_one_block(block):
    with pytest.raises(InputError, match=r"^block: got .*, but takes a list of 1 to 32 numbers \(MXFP4\)\.$"):
        formats.get("mxfp4").parts(block)


@pytest.mark.parametrize("scale", [0.0, -1.0, math.nan, math.inf, 1e-40, "1", True])
def test_a_tensor_scale_that_is_no_positive_normal_number_is_refused(scale):
    with pytest.raises(InputError, match=r"^tensor_scale: got .*, but takes a positive normal number of float32\.$"):
        formats.get("nvfp4").quantize([1.0], tensor_scale=scale)


def test_a_tensor_scale_where_there_is_none_is_refused():
    with pytest.raises(InputError, match=r"^tensor_scale: got 1\.0, but takes nothing, for MXFP4 has no tensor scale"):
        formats.get("mxfp4").parts([1.0], tensor_scale=1.0)


@pytest.mark.parametrize("call", ["quantize", "parts"])
def test_modes_are_checked_and_arrays_of_something_else_are_refused(call):
    method = getattr(formats.get("mxfp4"), call)
    with pytest.raises(InputError, match=r"^rounding: got 'up'"):
        method([1.0], "up")
    with pytest.raises(InputError, match=r"^overflow: got 'wrap'"):
        method([1.0], overflow="wrap")
    with pytest.raises(InputError, match=r"^rng: got -1"):
        method([1.0], "stochastic", rng=-1)
    with pytest.raises(InputError, match=r"^array: got .*, but takes real numbers of up to 64 bits\.$"):
        method([True])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", formats.block_names())
def test_a_number_that_vanishes_beside_its_scale_still_rounds_up_and_down(name, dtype):
    spec = formats.get(name)
    tiny = np.finfo(dtype).smallest_subnormal
    block = np.array([2.0**100, tiny, -tiny], dtype)
    up, down = spec.quantize(block, "toward-positive"), spec.quantize(block, "toward-negative")
    assert up[1] > 0 == down[1]
    assert down[2] < 0 == up[2]
    assert same([each.value for each in spec.parts(block, "toward-positive").elements], up)
    assert same(spec.quantize(block)[1:], [0.0, -0.0])
