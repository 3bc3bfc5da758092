import warnings
from fractions import Fraction

import ml_dtypes
import numpy as np
import pytest
import torch
from formats_reference import DETERMINISTIC, DTYPES, INFOS, WIDE, decision_points, gfloat_rounded, patient, same
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as st_numpy

from explorer import formats
from explorer.errors import InputError
from explorer.formats import arrays

SPECIAL = np.array([0.0, -0.0, np.inf, -np.inf, np.nan, 1e-320, -5e-324, 1e-45, 1e300, -1e300, 65520.0, 65519.99])


def _points(name, dtype):
    """Points where rounding decides, as far as a type of that width can say them, and the special values."""
    points = decision_points(name) if name in ("fp16", "bf16") else decision_points("tf32", 8)
    with np.errstate(over="ignore"):
        return np.concatenate([points, SPECIAL]).astype(dtype)


def _by_encode_and_decode(spec, array, rounding, overflow, rng=None):
    return [spec.decode(spec.encode(value, rounding, overflow, rng)).value for value in array.ravel().tolist()]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("overflow", formats.OVERFLOWS)
@pytest.mark.parametrize("rounding", DETERMINISTIC)
@pytest.mark.parametrize("name", WIDE)
def test_an_array_rounds_as_gfloat_rounds_it(name, rounding, overflow, dtype):
    points = _points(name, dtype)
    rounded = formats.get(name).quantize(points, rounding, overflow)
    assert same(rounded, gfloat_rounded(INFOS[name], points.astype(np.float64), rounding, overflow == "saturate"))


@pytest.mark.parametrize("name", ["fp16", "bf16"])
def test_to_nearest_an_array_of_float32_rounds_as_a_cast_of_ml_dtypes_and_of_torch(name):
    points = _points(name, np.float32)
    rounded = formats.get(name).quantize(points)
    with np.errstate(over="ignore"):
        assert same(rounded, points.astype(DTYPES[name]).astype(np.float32))
    torch_dtype = {"fp16": torch.float16, "bf16": torch.bfloat16}[name]
    assert same(rounded, torch.from_numpy(points).to(torch_dtype).float().numpy())


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("overflow", formats.OVERFLOWS)
@pytest.mark.parametrize("rounding", formats.ROUNDINGS)
@pytest.mark.parametrize("name", WIDE)
def test_an_array_rounds_as_its_elements_one_by_one(name, rounding, overflow, dtype):
    spec, points = formats.get(name), _points(name, dtype)
    points = np.concatenate([points[:: len(points) // 200], points[-len(SPECIAL) :]])
    seed = 5 if rounding == "stochastic" else None
    rounded = spec.quantize(points, rounding, overflow, np.random.default_rng(seed))
    assert same(rounded, _by_encode_and_decode(spec, points, rounding, overflow, np.random.default_rng(seed)))


@patient
@given(
    array=st_numpy.arrays(st.sampled_from([np.float32, np.float64]), st.integers(0, 6)),
    name=st.sampled_from(WIDE),
    rounding=st.sampled_from(formats.ROUNDINGS),
    overflow=st.sampled_from(formats.OVERFLOWS),
    seed=st.integers(0, 99),
)
def test_any_array_rounds_as_its_elements_one_by_one(array, name, rounding, overflow, seed):
    spec = formats.get(name)
    rounded = spec.quantize(array, rounding, overflow, np.random.default_rng(seed))
    assert same(rounded, _by_encode_and_decode(spec, array, rounding, overflow, np.random.default_rng(seed)))


def test_a_float64_is_not_rounded_by_way_of_float32():
    just_above = np.array([1 + 2**-8 + 2**-40])  # float32 would put it on the midpoint, which is even below
    assert formats.get("bf16").quantize(just_above).tolist() == [1 + 2**-7]


def test_nan_of_every_payload_stays_nan_in_every_format():
    payloads = np.array([0x7F800001, 0x7FFFFFFF, 0xFF800001, 0xFFFFFFFF, 0x7FC00000], np.uint32).view(np.float32)
    for name in WIDE:
        for rounding in formats.ROUNDINGS:
            assert np.isnan(formats.get(name).quantize(payloads, rounding)).all()


def test_stochastic_rounding_repeats_by_seed_across_blocks():
    array = np.random.default_rng(0).standard_normal(2 * arrays.PIECE + 17).astype(np.float32)
    fp16 = formats.get("fp16")
    first, again, other = (fp16.quantize(array, "stochastic", rng=seed) for seed in (1, 1, 2))
    assert same(first, again)
    assert not same(first, other)
    tail = array[-5:]
    rng = np.random.default_rng(1)
    rng.integers(0, 2**64, size=array.size - 5, dtype=np.uint64)
    assert same(first[-5:], _by_encode_and_decode(fp16, tail, "stochastic", "native", rng))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    ("name", "value"), [("bf16", 0.1), ("fp16", -0.1), ("fp16", 3.3e-8), ("fp16", 1e-9), ("tf32", 7e-42)]
)
def test_stochastic_rounding_is_unbiased_down_to_subnormals_and_below(name, value, dtype):
    spec, count = formats.get(name), 1 << 18
    value = dtype(value)
    rounded = spec.quantize(np.full(count, value), "stochastic", rng=11).astype(np.float64)
    down, up = (
        Fraction(spec.decode(spec.encode(value, mode)).value) for mode in ("toward-negative", "toward-positive")
    )
    assert set(rounded.tolist()) == {float(down), float(up)}
    chance = (Fraction(float(value)) - down) / (up - down)
    ups = np.count_nonzero(rounded == float(up))
    assert abs(ups - count * chance) < 5 * float(count * chance * (1 - chance)) ** 0.5


@pytest.mark.parametrize("rounding", ["nearest-even", "toward-zero"])
@pytest.mark.parametrize("name", WIDE)
@pytest.mark.parametrize("shape", [(), (0,), (3, 0), (2, 3, 4)])
def test_the_result_is_a_new_float32_array_of_the_same_shape(name, rounding, shape):
    array = np.ones(shape, np.float32)
    rounded = formats.get(name).quantize(array, rounding)
    assert isinstance(rounded, np.ndarray)
    assert (rounded.shape, rounded.dtype) == (shape, np.float32)
    assert not np.shares_memory(rounded, array)


@pytest.mark.parametrize("rounding", ["nearest-even", "toward-zero"])
@pytest.mark.parametrize("name", WIDE)
def test_strides_and_byte_order_make_no_difference_and_the_input_is_left_alone(name, rounding):
    plain = np.random.default_rng(0).standard_normal((6, 8)).astype(np.float32)
    kept = plain.copy()
    expected = formats.get(name).quantize(plain, rounding)
    assert same(formats.get(name).quantize(plain.T, rounding), expected.T)
    assert same(formats.get(name).quantize(plain[::-2, ::3], rounding), expected[::-2, ::3])
    assert same(formats.get(name).quantize(plain.astype(">f4"), rounding), expected)
    assert same(plain, kept)


@pytest.mark.parametrize(
    "dtype", [np.float16, ml_dtypes.bfloat16, ml_dtypes.float8_e4m3fn, np.int8, np.int32, np.uint64]
)
def test_arrays_of_other_types_are_taken_exactly(dtype):
    array = np.array([0, 1, 3, 100]).astype(dtype)
    assert formats.get("bf16").quantize(array, "toward-zero").tolist() == array.astype(np.float64).tolist()


def test_a_list_is_taken_as_numpy_takes_it():
    assert formats.get("bf16").quantize([1 + 2**-8, 1 + 3 * 2**-8]).tolist() == [1.0, 1 + 2**-6]
    assert formats.get("fp16").quantize(2049).tolist() == 2048


@pytest.mark.parametrize("name", WIDE)
@pytest.mark.parametrize("rounding", formats.ROUNDINGS)
def test_overflow_and_nan_give_their_results_without_a_warning(name, rounding):
    signalling = np.array([0x7C01], np.uint16).view(np.float16)
    with warnings.catch_warnings(), np.errstate(all="raise"):
        warnings.simplefilter("error")
        for dtype in (np.float32, np.float64):
            formats.get(name).quantize(np.array([np.inf, np.nan, np.finfo(dtype).max, 1e-45], dtype), rounding)
        assert np.isnan(formats.get(name).quantize(signalling, rounding)).all()


@pytest.mark.parametrize(
    "array", [np.ones(2, bool), np.ones(2, complex), np.array(["1"]), np.array([None]), np.ones(2, np.longdouble), "1"]
)
def test_an_array_of_something_else_is_refused(array):
    with pytest.raises(InputError, match=r"^array: got .*, but takes real numbers of up to 64 bits\.$"):
        formats.get("fp16").quantize(array)


@pytest.mark.parametrize("array", [np.array([2**53 + 1]), np.array([-(2**63)]), np.array([2**64 - 1], np.uint64)])
def test_whole_numbers_that_float64_does_not_hold_are_refused_rather_than_rounded_twice(array):
    with pytest.raises(InputError, match="whole numbers that float64 holds exactly"):
        formats.get("fp32").quantize(array)
