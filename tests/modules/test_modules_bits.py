"""What the Bits page computes by itself: links, conversions, sentences."""

import json
import math
import random
from urllib.parse import parse_qs

import pytest

from explorer import formats
from explorer.formats.row import describe
from explorer.formats.text import parse

SINGLE = [name for name in formats.names() if name not in formats.block_names()]
NUMBERS = ["0.1", "0.0001", "0.00001", "0.01024", "1e-8", "2^-25", "2^-14", "65504", "65520", "448", "464", "1e39",
           "0", "-0", "-1", "3", "5", "6", "7", "1e-45", "1e400", "1e-400", "2^-1075", "inf", "-inf", "nan", "2^-127",
           "2^-128", "6.1e-5", "3.3e38", "-57344", "1.5*2^-10"]  # fmt: skip
SCRIPT = """async ([body, given]) => {
    const names = ['bits/state', 'bits/conversion', 'bits/sentence', 'bits/words', 'shared/rational', 'shared/codec'];
    const load = (name) => import(new URL(`static-files/${name}.js`, document.baseURI));
    const [state, conversion, sentence, words, rational, codec] = await Promise.all(names.map(load));
    const formats = new Map(given.catalogue.map((format) => [format.name, format]));
    return JSON.stringify(
        await new Function('m', 'formats', 'given', body)(
            {state, conversion, sentence, words, rational, codec}, formats, given),
        (_, value) => typeof value === 'bigint' ? `0x${value.toString(16)}`
            : typeof value === 'number' && !Number.isFinite(value) ? String(value) : value);
}"""


def run(page, body, **given):
    """Run a function body in the page, with the modules as ``m``; its answer."""
    return json.loads(page.evaluate(SCRIPT, [body, {"catalogue": formats.catalogue(), **given}]))


@pytest.mark.parametrize("name", SINGLE)
def test_sentences_are_the_library_s(page, name):
    spec = formats.get(name)
    said = run(
        page,
        """const format = formats.get(given.name);
        return given.texts.map((text) => m.sentence.rangeSentence(m.rational.parse(text).exact, format))""",
        texts=NUMBERS,
        name=name,
    )
    assert said == [formats.range_sentence(parse(text, spec).value, spec) for text in NUMBERS]


def test_errors_are_the_library_s(page):
    chance = random.Random(1)
    texts = [*NUMBERS, *(repr(chance.lognormvariate(0, 8)) for _ in range(60))]
    given = [(text, name) for text in texts for name in ("fp16", "bf16", "e4m3fn", "fp64")]
    found = run(
        page,
        """return given.pairs.map(([text, name]) => {
            const exact = m.rational.parse(text).exact, format = formats.get(name);
            const state = {exact, code: null, rounding: 'nearest-even', overflow: 'native', seed: 0};
            return m.conversion.errors(exact, m.codec.decode(m.conversion.codeIn(state, format), format).value);
        })""",
        pairs=given,
    )
    for (text, name), errors in zip(given, found, strict=True):
        expected = describe(text, formats.get(name))
        if errors is None:
            assert expected["absolute_error"] in (None, "inf"), (text, name)
            continue
        assert abs(errors["absolute"]) == expected["absolute_error"], (text, name)
        if errors["relative"] is not None:
            assert abs(errors["relative"]) == expected["relative_error"], (text, name)


def test_moving_goes_by_ulps_and_by_exponents(page):
    body = """const format = formats.get('fp16');
        return given.texts.map((text) => [1, -1].flatMap((direction) => [false, true].map((far) => {
            const parsed = m.rational.parse(text, format);
            const state = {exact: parsed.exact, code: null, rounding: 'nearest-even', overflow: 'native', seed: 0};
            const code = m.conversion.moved(state, format, direction, far);
            return code === null ? null : m.codec.decode(code, format).value;
        })))"""
    texts = ["1", "-1", "0", "65504", "inf", "2^-24", "nan"]
    ulp = 2.0**-10
    assert run(page, body, texts=texts) == [
        [1 + ulp, 2, 1 - ulp / 2, 0.5],
        [-1 + ulp / 2, -0.5, -1 - ulp, -2],
        [2.0**-24, 2.0**-24, -(2.0**-24), -(2.0**-24)],
        ["Infinity", 65504, 65472, 32752],
        [None, None, 65504, 65504],
        [2.0**-23, 2.0**-23, 0, 0],
        [None, None, None, None],
    ]


def test_a_link_restores_the_state_it_was_written_from(page):
    state = {
        "text": "1.5*2^-14",
        "formats": ["fp64", "fp16", "e8m0"],
        "focus": "e8m0",
        "rounding": "stochastic",
        "overflow": "saturate",
        "seed": 41,
        "scale": -12,
        "line": {"kind": "log", "low": -3, "high": 4.5},
        "block": {"values": [1, 2]},
        "tensor": {"source": "normal"},
    }
    body = """const link = m.state.writeLink(given.state);
        return [link, m.state.readLink(new URLSearchParams(link), [...formats.keys()])]"""
    link, restored = run(page, body, state=state)
    assert restored == state
    assert link.startswith("?v=1.5")
    assert "f=fp64,fp16,e8m0" in link
    assert set(parse_qs(link[1:])) == {"v", "f", "c", "r", "o", "s", "k", "l", "b", "t"}


def test_the_page_as_it_opens_needs_no_query(page):
    body = """const { DEFAULTS, readLink, writeLink } = m.state;
        return [DEFAULTS, writeLink(DEFAULTS), readLink(new URLSearchParams(''), [...formats.keys()])]"""
    defaults, link, read = run(page, body)
    assert link == ""
    assert read == defaults


@pytest.mark.parametrize(
    "query",
    ["f=nothing,fp99&c=zz&r=up&o=x&s=-1&k=400&l=[1]&b=nonsense&t=null", "k=1e1&s=0x10&l={&b=7", "f=&c=&r=&o=&s=&k="],
)
def test_what_a_link_says_that_makes_no_sense_is_left_at_its_default(page, query):
    defaults, read = run(
        page,
        "return [m.state.DEFAULTS, m.state.readLink(new URLSearchParams(given.query), [...formats.keys()])]",
        query=query,
    )
    assert read == defaults


def test_equal_seeds_draw_equal_numbers_that_fill_the_unit_interval(page):
    body = """const draw = (seed) => { const next = m.state.random(seed); return Array.from({length: 4000}, next); };
        return [draw(7), draw(7), draw(8)]"""
    first, again, other = run(page, body)
    assert first == again != other
    assert all(0 <= value < 1 for value in first)
    # The mean of 4,000 uniform numbers has a standard deviation of 0.0046.
    assert abs(sum(first) / len(first) - 0.5) < 0.025
    assert math.isclose(sum(value < 0.1 for value in first) / len(first), 0.1, abs_tol=0.03)


def test_figures_are_short(page):
    body = "return [65504, 0.1, 1, 1e-8, 6.103515625e-5, -3.5, 0, NaN, 1e300].map(m.words.figure)"
    assert run(page, body) == ["65504", "0.1", "1", "1e−8", "6.10352e−5", "−3.5", "0", "NaN", "1e+300"]
    body = "return [-1, -0.0625, 0.000244, 1.5e-8, 12.5, null].map(m.words.percent)"
    assert run(page, body) == ["−100 %", "−6.25 %", "+0.0244 %", "+1.5e−6 %", "+1250 %", "—"]
