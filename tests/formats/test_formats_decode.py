import math
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest
import torch
from formats_reference import DTYPES, INFOS, all_values, patient, same
from gfloat import FloatClass, decode_float
from hypothesis import given
from hypothesis import strategies as st

from explorer import formats
from explorer.errors import InputError

KIND_OF_CLASS = {
    FloatClass.ZERO: "zero",
    FloatClass.SUBNORMAL: "subnormal",
    FloatClass.NORMAL: "normal",
    FloatClass.INFINITE: "infinity",
    FloatClass.NAN: "nan",
}
TORCH_DTYPES = {"fp16": torch.float16, "bf16": torch.bfloat16}


@pytest.fixture(scope="module")
def decoded():
    """Every code of the 16-bit formats, decoded."""
    return {name: [formats.get(name).decode(code) for code in range(1 << 16)] for name in TORCH_DTYPES}


@pytest.mark.parametrize("name", TORCH_DTYPES)
def test_every_code_has_the_value_that_numpy_and_ml_dtypes_read(name, decoded):
    reference = np.arange(1 << 16, dtype=np.uint16).view(DTYPES[name])
    assert same([each.value for each in decoded[name]], reference)


@pytest.mark.parametrize("name", TORCH_DTYPES)
def test_every_code_has_the_value_that_torch_reads(name, decoded):
    codes = torch.arange(1 << 16, dtype=torch.int32).to(torch.int16)
    assert same([each.value for each in decoded[name]], codes.view(TORCH_DTYPES[name]).double().numpy())


@pytest.mark.parametrize("name", TORCH_DTYPES)
def test_every_code_has_the_value_fields_and_kind_that_gfloat_reads(name, decoded):
    assert same([each.value for each in decoded[name]], all_values(name))
    for code in range(0, 1 << 16, 3):
        ours, theirs = decoded[name][code], decode_float(INFOS[name], code)
        assert (ours.sign, ours.exponent_field, ours.mantissa_field, ours.kind) == (
            theirs.signbit,
            theirs.exp,
            theirs.significand,
            KIND_OF_CLASS[theirs.fclass],
        )


def test_every_tf32_code_has_the_value_of_the_float32_whose_low_bits_are_zero():
    reference = (np.arange(1 << 19, dtype=np.uint32) << 13).view(np.float32)
    decode = formats.get("tf32").decode
    assert same([decode(code).value for code in range(1 << 19)], reference)


@patient
@given(st.integers(0, 2**32 - 1))
def test_an_fp32_code_has_the_value_that_numpy_reads(code):
    reference = np.array([code], np.uint32).view(np.float32)
    assert same([formats.get("fp32").decode(code).value], reference)


@pytest.mark.parametrize("name", TORCH_DTYPES)
def test_the_decimal_expansion_of_every_code_is_exact(name, decoded):
    for each in decoded[name][:: 1 if name == "fp16" else 5]:
        if math.isfinite(each.value):
            assert Fraction(each.exact) == Fraction(each.value)
            assert Decimal(each.exact) == Decimal(each.value)
            assert "e" not in each.exact.lower()


@patient
@given(st.integers(0, 2**32 - 1).filter(lambda code: code >> 23 & 255 != 255))
def test_the_decimal_expansion_of_an_fp32_code_is_exact(code):
    sign, exponent, mantissa = code >> 31, code >> 23 & 255, code & (2**23 - 1)
    significand = mantissa | (2**23 if exponent else 0)
    size = Fraction(significand) * Fraction(2) ** (max(exponent, 1) - 150)
    text = formats.get("fp32").decode(code).exact
    assert Fraction(text) == (-size if sign else size)
    assert text.startswith("-") == bool(sign)


@pytest.mark.parametrize(
    ("name", "code", "kind", "exact"),
    [
        ("fp16", 0x2E66, "normal", "0.0999755859375"),
        ("fp16", 0x3C00, "normal", "1"),
        ("fp16", 0x7BFF, "normal", "65504"),
        ("fp16", 0x0001, "subnormal", "0.000000059604644775390625"),
        ("fp16", 0x0000, "zero", "0"),
        ("fp16", 0x8000, "zero", "-0"),
        ("bf16", 0x7F80, "infinity", "inf"),
        ("bf16", 0xFF80, "infinity", "-inf"),
        ("bf16", 0xFFC0, "nan", "nan"),
        ("tf32", 0x40000, "zero", "-0"),
        ("fp32", 0x3DCCCCCD, "normal", "0.100000001490116119384765625"),
        ("fp32", 0x7F7FFFFF, "normal", "340282346638528859811704183484516925440"),
    ],
)
def test_kind_and_decimal_expansion_of_codes_that_people_know(name, code, kind, exact):
    decoded = formats.get(name).decode(code)
    assert (decoded.kind, decoded.exact) == (kind, exact)
    assert decoded.kind in formats.KINDS


@pytest.mark.parametrize("code", [-1, 1 << 16, 2**70, 1.0, np.float32(1), "1", None, True, np.True_, 1j])
@pytest.mark.parametrize("method", ["decode", "neighbours", "ulp"])
def test_what_is_no_code_of_the_format_is_refused_with_the_range(method, code):
    with pytest.raises(
        InputError, match=r"^code: got .*, but takes a whole number from 0 to 65535 \(FP16: 16 bits\)\.$"
    ):
        getattr(formats.get("fp16"), method)(code)


@pytest.mark.parametrize("kind", [np.uint16, np.int64, np.uint64])
def test_a_code_may_be_a_numpy_integer(kind):
    assert formats.get("fp16").decode(kind(0x3C00)).value == 1.0
