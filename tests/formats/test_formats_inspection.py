"""One text in many formats."""

import pytest

from explorer import formats
from explorer.errors import InputError
from explorer.formats.inspection import inspect

SINGLE = [name for name in formats.names() if name not in formats.block_names()]


def test_without_names_all_formats_of_single_numbers_answer():
    rows = inspect("0.1")
    assert [row["format"] for row in rows] == SINGLE
    assert {row["given"] for row in rows} == {"0.1"}
    by_name = {row["format"]: row for row in rows}
    assert by_name["fp16"]["exact"] == "0.0999755859375"
    # The shortest decimals that lie within FP64's rounding of 0.1 are not it: the error is that of the decimal.
    assert 0 < by_name["fp64"]["relative_error"] < 2**-53


def test_the_rows_come_in_the_order_of_the_names():
    assert [row["format"] for row in inspect("1", ["e5m2", "fp16", "e2m1"])] == ["e5m2", "fp16", "e2m1"]


def test_a_code_belongs_to_the_first_format_and_its_value_to_the_others():
    first, second = inspect("0x3C01", ["fp16", "bf16"])
    assert first["code"] == 0x3C01
    assert first["relative_error"] == 0
    assert second["code"] == formats.get("bf16").encode(formats.get("fp16").decode(0x3C01).value)
    # A NaN's payload is part of the code, and the value has none.
    assert [row["hex"] for row in inspect("0x7E01", ["fp16", "bf16"])] == ["0x7E01", "0x7FC0"]


def test_nan_is_left_out_where_there_is_none_unless_that_was_asked_for():
    asked = [row["format"] for row in inspect("nan")]
    assert asked == [name for name in SINGLE if formats.get(name).has_nan]
    with pytest.raises(InputError, match="NaN"):
        inspect("nan", ["e2m1"])


def test_stochastic_rounding_is_reproducible_by_its_seed():
    asked = [[row["code"] for row in inspect("0.1", rounding="stochastic", seed=seed)] for seed in (3, 3, 4, 5, 6, 7)]
    assert asked[0] == asked[1]
    assert len({tuple(codes) for codes in asked}) > 1


@pytest.mark.parametrize(
    ("text", "names", "words"),
    [
        ("12e", ["fp16"], "12e"),
        ("", ["fp16"], "takes a decimal"),
        ("0x1FFFF", ["fp16"], "16 bits"),
        ("0x3C00", [], "the format that it is one of"),
        ("1", ["fp17"], "one of fp64"),
        ("1", ["mxfp4"], "a format of single numbers"),
        ("1", "fp16", "a list"),
        ("1", ["fp16"] * 51, "up to 50"),
    ],
)
def test_bad_input_is_one_sentence(text, names, words):
    with pytest.raises(InputError, match=words) as caught:
        inspect(text, names)
    assert str(caught.value).endswith(".")
    assert len(str(caught.value)) < 400
