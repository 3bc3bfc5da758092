"""The table of disagreements is true, for its casts are performed, and complete, for a search finds no other."""

import json

import numpy as np
import pytest
import torch
from formats_reference import DTYPES, INFOS, decision_points, same
from gfloat import decode_float

from explorer import formats
from explorer.formats.disagreements import DISAGREEMENTS

TORCH = {name: getattr(torch, formats.get(name).storage, None) for name in DTYPES}
SIGNED = {1: torch.uint8, 2: torch.int16, 4: torch.int32, 8: torch.int64}
NAN = -1
"""Stands for all codes of NaN where its sign and payload are not looked at."""

IDS = [f"{entry.format}, {entry.inputs}, {index}" for index, entry in enumerate(DISAGREEMENTS)]
every_entry = pytest.mark.parametrize("entry", DISAGREEMENTS, ids=IDS)


def _unsigned(array):
    return array.view(f"u{array.itemsize}")


def _by_ml_dtypes(numbers, name):
    """Codes that a cast of ml_dtypes (numpy's, between numpy's own types) gives; None where it has no such cast."""
    if not np.can_cast(numbers.dtype, DTYPES[name], "unsafe"):
        return None
    with np.errstate(all="ignore"):
        return _unsigned(numbers.astype(DTYPES[name]))


@np.errstate(invalid="ignore")  # a signalling NaN
def _wide(numbers):
    """The numbers in float64, which holds them all."""
    return numbers.astype(np.float64)


def _by_torch(numbers, source, name):
    """Codes that a cast of torch gives, from an array of the source's type; None where torch lacks one of the two."""
    if TORCH[source] is None or TORCH[name] is None:
        return None
    bits = torch.from_numpy(_unsigned(numbers).view(f"i{numbers.itemsize}" if numbers.itemsize > 1 else "u1"))
    cast = bits.view(TORCH[source]).to(TORCH[name])
    return _unsigned(cast.view(SIGNED[cast.element_size()]).numpy())


def _array(source, codes):
    width = max(formats.get(source).bits, 8)
    return np.asarray(codes, f"u{width // 8}" if width % 8 == 0 else "u1").view(DTYPES[source])


def _without_nan_bits(name, codes):
    """The codes, every NaN alike."""
    spec = formats.get(name)
    magnitude = codes & codes.dtype.type((1 << (spec.bits - spec.signed)) - 1)
    nan = (magnitude > spec.max_code + spec.has_inf) | (
        (codes == spec.sign_mask) & (spec.signed and not spec.has_negative_zero)
    )
    return np.where(nan, np.int64(NAN), codes.astype(np.int64))


def _by_the_standard(numbers, name):
    """Codes of what our rounding gives, every NaN alike: the values are in the format, so a cast only reads them."""
    values = formats.get(name).quantize(numbers)
    return np.where(np.isnan(values), np.int64(NAN), _by_ml_dtypes(values, name).astype(np.int64))


def _numbers(source, name):
    """What is searched: every code of a source of up to 16 bits; float32 and float64 around decisions and anywhere."""
    if INFOS[source].k <= 16:
        return _array(source, np.arange(2 ** INFOS[source].k))
    chance = np.random.default_rng(0)
    width = INFOS[source].k
    anywhere = chance.integers(0, 2**width, 100_000, dtype=f"u{width // 8}").view(DTYPES[source])
    small = INFOS[name].k <= 16
    points = decision_points(name, 1 if INFOS[name].k <= 8 else 23) if small else decision_points("bf16", 23)
    with np.errstate(all="ignore"):
        around = np.concatenate([points, points * (1 + 2.0**-40), points * (1 - 2.0**-40)]).astype(DTYPES[source])
    special = _array(source, [0, 1 << (width - 1)])
    return np.concatenate([anywhere, around, special])


@every_entry
def test_the_casts_of_every_entry_give_what_it_says(entry):
    numbers = np.repeat(_array(entry.source, [entry.given]), 64)
    assert entry.concerns(_wide(numbers)).all()
    assert set(_by_ml_dtypes(numbers, entry.format).tolist()) == {entry.ml_dtypes}
    if TORCH[entry.format] is None:
        assert entry.torch is None
    elif entry.format != "bf16" or torch.backends.cpu.get_cpu_capability().startswith("AVX"):
        assert set(_by_torch(numbers, entry.source, entry.format).tolist()) == {entry.torch}


@every_entry
def test_the_standards_result_is_what_encode_gives(entry):
    spec, number = formats.get(entry.format), formats.get(entry.source).decode(entry.given).value
    if entry.standard is None:
        with pytest.raises(ValueError, match="has no NaN"):
            spec.encode(number)
    else:
        assert spec.encode(number) == entry.standard


@every_entry
def test_every_entry_is_a_disagreement(entry):
    libraries = {entry.ml_dtypes, entry.torch} - {None}
    assert len(libraries | {entry.standard}) > 1


def _found(source, name):
    """The numbers on which a library's cast parts from the standard's, NaN apart."""
    numbers = _numbers(source, name)
    wide = _wide(numbers)
    numbers, wide = numbers[~np.isnan(wide)], wide[~np.isnan(wide)]
    standard = _by_the_standard(wide, name)
    for codes in (_by_ml_dtypes(numbers, name), _by_torch(numbers, source, name)):
        if codes is not None:
            yield wide[_without_nan_bits(name, codes) != standard]


@pytest.mark.parametrize("source", DTYPES)
@pytest.mark.parametrize("name", DTYPES)
def test_no_cast_of_a_number_parts_from_the_standard_but_for_those_in_the_table(name, source):
    entries = [entry for entry in DISAGREEMENTS if entry.format == name]
    for numbers in _found(source, name):
        explained = np.zeros(numbers.shape, bool)
        for entry in entries:
            explained |= entry.concerns(numbers)
        assert explained.all(), numbers[~explained][:5]


@pytest.mark.parametrize("source", [name for name in DTYPES if formats.get(name).has_nan])
@pytest.mark.parametrize("name", DTYPES)
def test_no_cast_of_nan_parts_from_another_but_for_those_in_the_table(name, source):
    numbers = _numbers(source, name)
    numbers = numbers[np.isnan(_wide(numbers))]
    listed = any(entry.format == name and entry.concerns(np.array([np.nan]))[0] for entry in DISAGREEMENTS)
    ours, theirs = _by_ml_dtypes(numbers, name), _by_torch(numbers, source, name)
    for codes in (ours, theirs):
        if codes is not None and formats.get(name).has_nan:
            assert set(_without_nan_bits(name, codes).tolist()) == {NAN}
    assert listed or ours is None or theirs is None or np.array_equal(ours, theirs)


@pytest.mark.parametrize("name", [name for name in DTYPES if TORCH[name] is not None])
def test_every_code_is_read_alike_by_torch_and_ml_dtypes(name):
    codes = np.arange(2 ** min(INFOS[name].k, 16), dtype=np.uint64) << max(INFOS[name].k - 16, 0)
    numbers = _array(name, codes)
    read = torch.from_numpy(_unsigned(numbers).view(f"i{numbers.itemsize}" if numbers.itemsize > 1 else "u1"))
    assert same(read.view(TORCH[name]).double().numpy(), numbers)


@pytest.mark.parametrize(
    ("name", "inputs"),
    [
        ("e4m3fn", "finite numbers beyond 464"),
        ("e4m3fn", "infinity"),
        ("e8m0", "zero"),
        ("e8m0", "numbers between"),
        ("e8m0", "neg"),
    ],
)
def test_all_of_the_inputs_that_an_entry_names_are_cast_differently(name, inputs):
    (entry,) = [each for each in DISAGREEMENTS if each.format == name and each.inputs.startswith(inputs)]
    numbers = _numbers("fp32", name)
    numbers = numbers[entry.concerns(_wide(numbers))]
    assert len(numbers) > 1
    standard = _by_the_standard(numbers, name)
    assert (_without_nan_bits(name, _by_torch(numbers, "fp32", name)) != standard).all()


@pytest.mark.parametrize("name", ["e4m3fnuz", "e5m2fnuz"])
def test_the_zeros_infinities_and_nans_of_fnuz_are_cast_alike_everywhere(name):
    numbers = np.array([0.0, -0.0, -1e-30, np.inf, -np.inf, np.nan, 1e30], np.float32)
    expected = [0, 0, 0, 0x80, 0x80, 0x80, 0x80]
    assert _by_ml_dtypes(numbers, name).tolist() == expected
    assert _by_torch(numbers, "fp32", name).tolist() == expected
    assert [formats.get(name).encode(number) for number in numbers] == expected


def test_the_table_is_json_with_the_numbers_in_words():
    data = [entry.as_data() for entry in DISAGREEMENTS]
    assert json.loads(json.dumps(data, allow_nan=False)) == data
    overflow = data[0]
    assert (overflow["given"]["exact"], overflow["standard"]["exact"], overflow["torch"]["exact"]) == (
        "465",
        "nan",
        "448",
    )
    assert overflow["torch"]["hex"] == "0x7E"
    assert all(entry["sentence"].endswith(".") and entry["reference"] for entry in data)


@every_entry
def test_the_codes_in_the_table_mean_what_gfloat_reads(entry):
    for code in {entry.standard, entry.ml_dtypes, entry.torch} - {None}:
        read = decode_float(INFOS[entry.format], code).fval
        assert same([formats.get(entry.format).decode(code).value], [read])
