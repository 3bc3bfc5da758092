from fractions import Fraction

import pytest
from formats_reference import INFOS, patient
from hypothesis import given
from hypothesis import strategies as st

from explorer import formats


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        (
            "fp16",
            1e-4,
            "Normal in FP16: its size lies between 2^-14 and 65504, so that it has the full 11 significant bits. "
            "Only at or below 2^-25 would it become 0.",
        ),
        (
            "fp16",
            1e-5,
            "Subnormal in FP16: it is below the smallest normal number 2^-14, and 8 of 11 significant bits are left. "
            "Only at or below 2^-25 would it become 0.",
        ),
        (
            "fp16",
            2**-25,
            "Becomes 0 in FP16: it is not above 2^-25, half the smallest subnormal number 2^-24.",
        ),
        (
            "fp16",
            -3e-8,
            "Subnormal in FP16: it is below the smallest normal number 2^-14, and 1 of 11 significant bits is left. "
            "Only at or below 2^-25 would it become 0.",
        ),
        ("fp16", 6.1034e-5, "Rounds up to 2^-14 in FP16, the smallest normal number."),
        ("fp16", 65519, "Beyond 65504, the largest number of FP16: it rounds down to it."),
        ("fp16", 65520, "Beyond 65504, the largest number of FP16: it becomes infinity."),
        ("fp16", float("inf"), "Infinity, and stays it in FP16."),
        ("fp16", float("nan"), "NaN in FP16: not a number, and stays NaN."),
        ("fp16", -0.0, "Zero in FP16, exactly."),
        ("e4m3fn", 464, "Beyond 448, the largest number of FP8 E4M3: it rounds down to it."),
        ("e4m3fn", 465, "Beyond 448, the largest number of FP8 E4M3: it becomes NaN, for there is no infinity."),
        ("e4m3fn", float("-inf"), "Infinity in FP8 E4M3: it becomes NaN, for there is no infinity."),
        ("e2m1", 7, "Beyond 6, the largest number of FP4 E2M1: it becomes 6, for there is neither infinity nor NaN."),
        ("e2m1", float("nan"), "NaN in FP4 E2M1: not a number, which this format cannot say."),
        ("e2m1", 0.8, "Rounds up to 1 in FP4 E2M1, the smallest normal number."),
        ("e8m0", 0, "NaN in E8M0: it has no zero."),
        ("e8m0", -2, "NaN in E8M0: it has no negative numbers."),
        ("e8m0", 1e-40, "Below the smallest number of E8M0, 2^-127, which it becomes."),
        (
            "fp64",
            Fraction(1, 2**1075),
            "Becomes 0 in FP64: it is not above 2^-1075, half the smallest subnormal number",
        ),
    ],
)
def test_the_sentence_about_a_number(name, value, sentence):
    assert formats.range_sentence(value, formats.get(name)).startswith(sentence)


@patient
@given(value=st.floats(), name=st.sampled_from([*INFOS]))
def test_the_sentence_agrees_with_what_encode_gives(value, name):
    spec = formats.get(name)
    sentence = formats.range_sentence(value, spec)
    assert sentence.endswith(".")
    if sentence.startswith("NaN") and not spec.has_nan:
        return
    decoded = spec.decode(spec.encode(value))
    if sentence.startswith(("Zero", "Becomes 0")):
        assert decoded.kind == "zero"
    elif sentence.startswith("Subnormal"):
        assert decoded.kind == "subnormal"
        assert f" {abs(decoded.mantissa_field).bit_length()} of {spec.mantissa_bits + 1} significant" in sentence
    elif sentence.startswith(("Normal", "Rounds up", "Below")):
        assert decoded.kind == "normal"
    elif sentence.startswith("NaN") or "becomes NaN" in sentence:
        assert decoded.kind == "nan"
    elif "infinity." in sentence or "stays it" in sentence:
        assert decoded.kind == "infinity"
    else:
        assert abs(decoded.value) == spec.max
