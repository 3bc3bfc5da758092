"""Exact numbers in the pages, and what people type, against :mod:`explorer.formats`."""

import math
import random
from fractions import Fraction

import numpy as np
import pytest
from numbers_in_page import array, run, same

from explorer import formats
from explorer.errors import InputError

_PARSED = """
    const asked = (text) => {
        const started = performance.now();
        try {
            const { exact, code } = parse(text, format);
            const { kind, negative, n, d } = exact;
            const number = kind === 'finite' ? [negative, n.toString(16), d.toString(16)] : [negative];
            return { kind, number, code: code?.toString(16), took: performance.now() - started };
        } catch (error) {
            if (!(error instanceof BadInput)) throw error;
            return { sentence: error.message, took: performance.now() - started };
        }
    };
    return given.texts.map(asked);
"""


def _read(answer: dict):
    """What the page read, or the sentence by which it refused."""
    if "sentence" in answer:
        return answer["sentence"]
    code = None if answer.get("code") is None else int(answer["code"], 16)
    if answer["kind"] == "nan":
        return "nan", code
    if answer["kind"] == "infinity":
        return "-inf" if answer["number"][0] else "inf", code
    negative, n, d = answer["number"]
    value = Fraction(int(n, 16), int(d, 16))
    return ("-" if negative else "+", value), code


def _wanted(text: str, spec):
    """The same from the library."""
    try:
        parsed = formats.parse(text, spec)
    except InputError as error:
        return str(error)
    value = parsed.value
    if isinstance(value, float) and not math.isfinite(value):
        return str(value), parsed.code
    negative = value < 0 or (isinstance(value, float) and math.copysign(1, value) < 0)
    return ("-" if negative else "+", abs(Fraction(value))), parsed.code


GOOD = [
    *[
        "0.1",
        "1e-5",
        "1E+3",
        ".5",
        "5.",
        " -7.25 ",
        "+3",
        "007",
        "-0",
        "0",
        "-0.00e7",
        "\N{MINUS SIGN}3",
        "1e\N{MINUS SIGN}5",
    ],
    *["2^-14", "-2^-14", "2**3", "1.5*2^-3", "3e1 × 2 ^ 2", "-.5*2**+4", "2^-1075", "-0*2^3", "1e1500*2^-4983"],
    *["nan", "NaN", "-nan", "inf", "-INF", "+infinity", "\N{INFINITY}", "\N{MINUS SIGN}\N{INFINITY}"],
    *[
        "0x2E66",
        "0X2e66",
        "0b1010",
        "0x0",
        "0x00000000000000000001",
        "0b" + "0" * 500 + "1",
        "0xFFFF",
        "0x7c01",
        "0x8000",
    ],
]
BAD = [
    *[
        "",
        "   ",
        "12e",
        "e5",
        ".",
        "-",
        "+",
        "--1",
        "+-1",
        "1,5",
        "1 5",
        "1_000",
        "1,000.5",
        "0x",
        "0b2",
        "0x1.8p3",
        "2^",
    ],
    *[
        "3^2",
        "^2",
        "*2^3",
        "1.5**2^3",
        "2^0.5",
        "nan0",
        "infin",
        "٣",
        "-0x1",
        "1e5.5",
        "1/3",
        "0x1FFFF",
        "0x" + "f" * 100,
    ],
    *[
        "one",
        "it's",
        'say "5"',
        'it\'s "5"',
        "back\\slash",
        "tab\there",
        "new\nline",
        "\x7f\x01",
        "\N{NO-BREAK SPACE}x\N{NO-BREAK SPACE}y",
    ],
    *["\N{GRINNING FACE}" * 70, "\u2028z\ufeffz", "\U000e0001x", "x" * 59, "x" * 58, "x" * 61, "<b>1</b>"],
    *["9" * 10_001, "0" * 20_000, " " * 20_000, "1" * 10_000 + "x" * 90_000],
]
ABSURD = [
    *["1e999999999", "-1e999999999", "1e-999999999", "1e" + "9" * 5000, "1e-" + "9" * 5000, "9" * 9000, "0e999999999"],
    *[
        "0." + "0" * 9000 + "1",
        "0." + "0" * 9000 + "1e9001",
        "1." + "3" * 9990,
        "1" + "0" * 3000 + "e-3000",
        "8" * 10_000,
    ],
    *["1e1000", "1e1001", "9.9e1000", "1e-1000", "9.9e-1001", "2^3321", "2^3323", "2^999999999999", "2^-999999999999"],
    *["1e5000*2^-4000", "1e1000*2^-9999", "1e12000*2^-39863", "1e12100*2^-40200"],
    *[
        "1e" + "9" * 400 + "*2^-" + "9" * 400,
        "1" * 9_999 + "x",
        "1." * 5_000,
        "-" * 10_000,
        "1" * 5_000 + "e",
        "9e9" * 3_000,
    ],
    *["1" + " " * 9_990 + "x", "1 * 2" + " " * 9_000 + "^", "0x" + "f" * 9_998, "0b" + "0" * 9_990 + "1"],
]


@pytest.mark.parametrize("name", ["fp16", "e2m1", "e8m0", "fp64"])
def test_what_is_typed_is_read_or_refused_as_the_library_does(calculator, name):
    spec, texts = formats.get(name), GOOD + BAD + ABSURD
    answers = run(calculator, _PARSED, spec=spec, texts=texts)
    for text, answer in zip(texts, answers, strict=True):
        assert _read(answer) == _wanted(text, spec), text[:80]


def test_the_lists_of_what_is_read_and_refused_are_what_they_say(calculator):
    answers = run(calculator, _PARSED, spec=formats.get("fp64"), texts=GOOD + BAD)
    refused = ["sentence" in answer for answer in answers]
    assert refused[: len(GOOD)] == [False] * len(GOOD)
    # FP64 has room for the code that FP16 refuses.
    assert [text for text, was in zip(BAD, refused[len(GOOD) :], strict=True) if not was] == ["0x1FFFF"]


def test_any_decimal_and_any_power_is_read_as_the_library_does(calculator):
    chance = random.Random(11)
    digits = [f"{chance.uniform(-9, 9)!r}" for _ in range(100)] + [str(chance.randrange(10**40)) for _ in range(50)]
    texts = [f"{number}e{chance.randint(-400, 400)}" for number in digits]
    texts += [f"{number}*2^{chance.randint(-1200, 1200)}" for number in texts]
    spec = formats.get("fp16")
    assert [_read(answer) for answer in run(calculator, _PARSED, spec=spec, texts=texts)] == [
        _wanted(text, spec) for text in texts
    ]


def test_absurd_text_holds_nothing_up(calculator):
    body = _PARSED.replace(
        "const { kind,", "encode(exact, format, 'nearest-even', 'native'); toNumber(exact);\nconst { kind,"
    )
    answers = run(calculator, body, spec=formats.get("fp64"), texts=ABSURD + BAD)
    assert max(answer["took"] for answer in answers) < 500


def test_a_code_without_its_format_is_refused(calculator):
    (answer,) = run(calculator, _PARSED, texts=["0x3C00"])
    assert answer["sentence"] == ("value: got '0x3C00', but takes a code together with the format that it is one of.")


def test_every_double_is_itself_as_a_fraction(calculator):
    numbers = np.random.default_rng(2).integers(0, 2**64 - 1, 5000, dtype=np.uint64).view(np.float64)
    numbers = np.concatenate(
        [numbers, [0.0, -0.0, 5e-324, -5e-324, 2.0**-1022, 1.7976931348623157e308, math.inf, -math.inf]]
    )
    assert same(
        array(run(calculator, "return write(numbers.map((x) => toNumber(fromNumber(x))));", numbers=numbers)), numbers
    )


def test_a_fraction_gives_the_nearest_double(calculator):
    chance = random.Random(5)

    def anything():
        n, d = chance.getrandbits(chance.randint(1, 1500)), chance.getrandbits(chance.randint(1, 1500)) + 1
        return Fraction(n, d)

    ties = [Fraction(2**53 + odd) * Fraction(2) ** power for odd in (1, 3) for power in (-1074, -1000, 0, 900)]
    ties += [Fraction(odd, 2) * Fraction(5e-324) for odd in (1, 3, 5)] + [Fraction(2**1024 - 2**970)]
    ratios = [anything() for _ in range(500)] + ties + [tie * (1 + Fraction(1, 10**40)) for tie in ties]
    body = """
        const number = ([n, d]) => toNumber({ kind: 'finite', negative: false, n: BigInt(n), d: BigInt(d) });
        return write(Float64Array.from(given.ratios, number));
    """
    answer = array(run(calculator, body, ratios=[[hex(one.numerator), hex(one.denominator)] for one in ratios]))

    def nearest(number):
        try:
            return float(number)
        except OverflowError:
            return math.inf

    assert answer.tolist() == [nearest(one) for one in ratios]


def test_a_power_of_two_is_taken_exactly(calculator):
    body = """
        const scaled = (text, k) => timesPowerOfTwo(parse(text).exact, k);
        const back = timesPowerOfTwo(scaled('0.1', 40), -40);
        return [
            toNumber(scaled('0.1', 40)), toNumber(scaled('0.1', -40)), toNumber(back), toNumber(scaled('-1e-320', 30)),
            toNumber(scaled('-inf', 3)), String(toNumber(scaled('nan', 3))), Object.is(toNumber(scaled('-0', 3)), -0),
        ];
    """
    assert run(calculator, body) == [
        0.1 * 2**40,
        0.1 * 2**-40,
        0.1,
        float(Fraction(-1, 10**320) * 2**30),
        -math.inf,
        "NaN",
        True,
    ]
