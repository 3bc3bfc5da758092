import dataclasses
import json
import math
import pickle

import ml_dtypes
import numpy as np
import pytest
from formats_reference import DTYPES, INFOS, SMALL, WIDE, all_values, same

from explorer import formats
from explorer.errors import InputError
from explorer.formats.scales import RULES


def test_names_are_listed_in_the_order_of_a_page():
    singles = "fp64 fp32 tf32 fp16 bf16 e4m3fn e5m2 e4m3fnuz e5m2fnuz e8m0 e3m2 e2m3 e2m1"
    blocks = "mxfp8-e4m3 mxfp8-e5m2 mxfp6-e3m2 mxfp6-e2m3 mxfp4 nvfp4"
    assert formats.names() == tuple(f"{singles} {blocks}".split())
    assert formats.block_names() == tuple(blocks.split())


def test_get_returns_the_format_of_that_name():
    assert [formats.get(name).name for name in formats.names()] == list(formats.names())


@pytest.mark.parametrize("name", ["fp17", "FP16", "", None, ["fp16"], 16])
def test_an_unknown_format_is_refused_with_the_names_there_are(name):
    with pytest.raises(InputError, match="one of fp64, fp32, tf32, fp16, bf16") as caught:
        formats.get(name)
    assert caught.value.field == "format"


def test_the_sentence_about_an_unknown_format():
    with pytest.raises(ValueError, match=r"^format: got 'fp17', but takes one of fp64, fp32, .*\.$"):
        formats.get("fp17")


@pytest.mark.parametrize("name", DTYPES)
def test_limits_are_those_of_numpy_and_ml_dtypes(name):
    spec, finfo = formats.get(name), ml_dtypes.finfo(DTYPES[name])
    assert (spec.bits, spec.mantissa_bits, spec.exponent_bits) == (finfo.bits, finfo.nmant, finfo.iexp)
    assert spec.max == float(finfo.max)
    assert spec.smallest_normal == float(finfo.smallest_normal)
    assert spec.smallest_subnormal in (float(finfo.smallest_subnormal), None)
    assert spec.has_subnormals == (name != "e8m0") == (spec.smallest_subnormal is not None)
    assert spec.epsilon == float(finfo.eps)
    assert 2.0 ** (spec.least_exponent_field - spec.bias) == spec.smallest_normal
    assert 2**spec.largest_exponent <= spec.max < 2 ** (spec.largest_exponent + 1)


def test_tf32_has_the_exponent_of_fp32_and_the_mantissa_of_fp16():
    tf32, fp32, fp16 = (formats.get(name) for name in ("tf32", "fp32", "fp16"))
    assert tf32.bits == 19
    assert (tf32.exponent_bits, tf32.bias, tf32.smallest_normal) == (8, fp32.bias, fp32.smallest_normal)
    assert (tf32.mantissa_bits, tf32.epsilon) == (10, fp16.epsilon)
    assert tf32.max == (2 - 2**-10) * 2.0**127


@pytest.mark.parametrize("name", [name for name in DTYPES if formats.get(name).has_nan])
def test_rounding_gives_the_nan_that_a_cast_gives(name):
    spec = formats.get(name)
    cast = np.array([np.nan], np.float32).astype(DTYPES[name])
    assert spec.nan_code == int(cast.view(f"uint{spec.bits}")[0])


@pytest.mark.parametrize("name", INFOS)
def test_the_widths_of_the_fields_make_up_the_code(name):
    spec = formats.get(name)
    assert spec.signed + spec.exponent_bits + spec.mantissa_bits == spec.bits
    assert spec.has_nan == (spec.nan_code is not None) == bool(INFOS[name].num_nans)


def test_a_format_cannot_be_changed():
    with pytest.raises(dataclasses.FrozenInstanceError):
        formats.get("fp16").max = 1.0


@pytest.mark.parametrize("name", WIDE)
def test_a_format_travels_between_processes_and_serves_as_a_key(name):
    spec = formats.get(name)
    assert pickle.loads(pickle.dumps(spec)) == spec
    assert {spec: 1}[spec] == 1


def test_the_catalogue_is_json_and_holds_every_field():
    entries = json.loads(json.dumps(formats.catalogue(), allow_nan=False))
    assert entries == formats.catalogue()
    assert [entry["name"] for entry in entries] == [*INFOS]
    fields = {field.name for field in dataclasses.fields(formats.FormatSpec)}
    assert all(entry.keys() > fields for entry in entries)


def test_the_catalogue_of_blocks_is_json_and_names_formats_of_the_other_one():
    entries = json.loads(json.dumps(formats.block_catalogue(), allow_nan=False))
    assert entries == formats.block_catalogue()
    assert [entry["name"] for entry in entries] == list(formats.block_names())
    for entry in entries:
        element, scale = formats.get(entry["element"]), formats.get(entry["scale"])
        assert 2 ** entry["largest_element_exponent"] <= element.max < 2 ** (entry["largest_element_exponent"] + 1)
        assert entry["bits_per_value"] * entry["block_size"] == element.bits * entry["block_size"] + scale.bits
        assert entry["has_tensor_scale"] == (entry["name"] == "nvfp4")
        assert entry["scale_rule"] in RULES


@pytest.mark.parametrize("name", ["e4m3fn", "e5m2", "e4m3fnuz", "e5m2fnuz", "e8m0", "e2m1", "fp16", "bf16"])
def test_the_catalogue_says_which_codes_are_nan_in_hexadecimal(name):
    entry = next(entry for entry in formats.catalogue() if entry["name"] == name)
    runs = [range(int(first, 16), int(last, 16) + 1) for first, last in entry["nan_ranges"]]
    assert sorted(code for run in runs for code in run) == np.flatnonzero(np.isnan(all_values(name))).tolist()
    assert int(entry["max_code_hex"], 16) == entry["max_code"]
    assert entry["nan_code_hex"] == (None if entry["nan_code"] is None else hex(entry["nan_code"]))


def test_a_code_of_fp64_survives_in_a_reader_whose_numbers_are_doubles():
    entry = formats.catalogue()[0]
    assert entry["name"] == "fp64"
    assert int(entry["max_code_hex"], 16) == 0x7FEFFFFFFFFFFFFF
    assert entry["nan_ranges"][0] == ["0x7ff0000000000001", "0x7fffffffffffffff"]


def test_changing_the_catalogue_changes_no_format():
    formats.catalogue()[0]["max"] = 0.0
    assert formats.catalogue()[0]["max"] == formats.get(formats.names()[0]).max


def _decoded_by_the_catalogue_alone(entry, code):
    sign = code >> (entry["bits"] - 1) if entry["signed"] else 0
    m = code & ((1 << (entry["bits"] - entry["signed"])) - 1)
    mantissa, exponent = m & (2 ** entry["mantissa_bits"] - 1), m >> entry["mantissa_bits"]
    if m > entry["max_code"]:
        value = math.inf if entry["has_inf"] and m == entry["max_code"] + 1 else math.nan
    elif sign and m == 0 and not entry["has_negative_zero"]:
        value = math.nan
    elif exponent == 0 and entry["has_subnormals"]:
        value = mantissa * 2.0 ** (1 - entry["bias"] - entry["mantissa_bits"])
    else:
        value = (2 ** entry["mantissa_bits"] + mantissa) * 2.0 ** (exponent - entry["bias"] - entry["mantissa_bits"])
    return -value if sign else value


@pytest.mark.parametrize(
    ("name", "step"), [("fp16", 1), ("bf16", 1), ("tf32", 17), *((name, 1) for name in (*SMALL, "e8m0"))]
)
def test_the_catalogue_alone_is_enough_to_decode_a_code(name, step):
    entry = next(entry for entry in formats.catalogue() if entry["name"] == name)
    expected = all_values(name)[::step]
    assert same([_decoded_by_the_catalogue_alone(entry, code) for code in range(0, 2 ** entry["bits"], step)], expected)
