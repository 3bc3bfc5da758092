"""The codec of the pages against :mod:`explorer.formats`: what a code says, and what lies next to it."""

import math

import numpy as np
import pytest
from numbers_in_page import NAMES, array, codes_of, decoded, run, same

from explorer import formats


@pytest.mark.parametrize("name", NAMES)
def test_every_code_is_read_as_the_library_reads_it(calculator, name):
    body = """
        const read = Array.from(codes, (code) => decode(code, format));
        const column = (field) => write(Float64Array.from(read, (one) => one[field]));
        return [['sign', 'exponentField', 'mantissaField', 'value'].map(column), read.map(({ kind }) => kind)];
    """
    (sign, exponent, mantissa, value), kinds = run(calculator, body, spec=formats.get(name), codes=codes_of(name))
    wanted = decoded(name)
    assert kinds == [one.kind for one in wanted]
    assert array(sign).tolist() == [one.sign for one in wanted]
    assert array(exponent).tolist() == [one.exponent_field for one in wanted]
    assert array(mantissa).tolist() == [one.mantissa_field for one in wanted]
    assert same(array(value), [one.value for one in wanted])


@pytest.mark.parametrize("name", [name for name in NAMES if formats.get(name).bits <= 32])
def test_a_code_may_be_a_number_where_a_number_holds_it(calculator, name):
    spec = formats.get(name)
    body = """
        const plain = (answer) => JSON.stringify(answer, (_, one) => (typeof one === 'bigint' ? `${one}n` : one));
        const answers = (code) => plain([decode, fields, neighbours, ulp].map((ask) => ask(code, format)));
        return Array.from(codes).every((code) => answers(code) === answers(Number(code)));
    """
    assert run(calculator, body, spec=spec, codes=codes_of(name)[::7])


@pytest.mark.parametrize("name", NAMES)
def test_the_fields_are_the_code_s_digits(calculator, name):
    spec, codes = formats.get(name), codes_of(name)[:: 1 if formats.get(name).bits <= 8 else 101]
    answers = run(calculator, "return Array.from(codes, (code) => fields(code, format));", spec=spec, codes=codes)
    widths = (int(spec.signed), spec.exponent_bits, spec.mantissa_bits)
    for code, fields in zip(codes, answers, strict=True):
        assert fields["sign"] + fields["exponent"] + fields["mantissa"] == f"{code:0{spec.bits}b}"
        assert tuple(len(fields[part]) for part in ("sign", "exponent", "mantissa")) == widths


@pytest.mark.parametrize("name", NAMES)
def test_the_exact_value_is_the_library_s_to_the_last_digit(calculator, name):
    every = slice(None, None, 1 if formats.get(name).bits <= 8 else 7 if formats.get(name).bits > 16 else 101)
    wanted = decoded(name)[every]
    assert run(calculator, "return Array.from(numbers, exact);", numbers=[one.value for one in wanted]) == [
        one.exact for one in wanted
    ]


@pytest.mark.parametrize("name", NAMES)
def test_every_value_encodes_to_its_own_code_and_every_nan_to_the_quiet_one(calculator, name):
    spec, codes = formats.get(name), codes_of(name)
    body = """
        return given.roundings.map((rounding) => write(BigUint64Array.from(codes, (code) =>
            encode(fromNumber(decode(code, format).value), format, rounding, 'native'))));
    """
    wanted = [spec.nan_code if one.kind == "nan" else code for code, one in zip(codes, decoded(name), strict=True)]
    for answer in run(
        calculator, body, spec=spec, codes=codes, roundings=["nearest-even", "toward-positive", "stochastic"]
    ):
        assert array(answer, "u8").tolist() == wanted


@pytest.mark.parametrize("name", NAMES)
def test_what_lies_next_to_a_code_and_how_far_is_what_the_library_says(calculator, name):
    spec, codes = formats.get(name), codes_of(name)
    # Every whole number is a code of some format, so that null travels in an array of its own.
    body = """
        const sides = Array.from(codes, (code) => neighbours(code, format));
        const side = (which) => [
            write(BigUint64Array.from(sides, (one) => one[which] ?? 0n)),
            write(Uint8Array.from(sides, (one) => Number(one[which] === null))),
        ];
        return [side('below'), side('above'), write(Float64Array.from(codes, (code) => ulp(code, format) ?? NaN))];
    """
    below, above, unit = run(calculator, body, spec=spec, codes=codes)
    wanted = [spec.neighbours(code) for code in codes]
    for (answer, missing), side in ((below, 0), (above, 1)):
        found = [
            None if none else code
            for code, none in zip(array(answer, "u8").tolist(), array(missing, "u1").tolist(), strict=True)
        ]
        assert found == [pair[side] for pair in wanted]
    units = np.array([spec.ulp(code) for code in codes])
    assert same(array(unit), np.where(np.isfinite(units), units, math.nan))
