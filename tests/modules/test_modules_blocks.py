"""The block section: its codec against :mod:`explorer.formats`, its sentence, and what editing an element does."""

import json
import math
import random

import pytest

from explorer import formats
from explorer.formats import scales

MODES = [
    ("nearest-even", "native"),
    ("nearest-even", "saturate"),
    ("toward-zero", "native"),
    ("nearest-away", "saturate"),
]
MODES += [("toward-positive", "native"), ("toward-negative", "saturate")]

TAKE_APART = """async ([catalogue, format, cases]) => {
    const { partsOf } = await import(new URL('static-files/bits/block_codec.js', document.baseURI));
    const find = (name) => catalogue.find((each) => each.name === name);
    const formats = { block: format, element: find(format.element), scale: find(format.scale) };
    const word = (x) => (Object.is(x, -0) ? '-0' : String(x));
    return cases.map(({ numbers, rounding, overflow, tensorScale }) => {
        const how = { rounding, overflow, tensorScale: tensorScale ?? undefined };
        const parts = partsOf(numbers.map(Number), formats, how);
        return {
            amax: word(parts.amax), scale: word(parts.scale),
            tensorScale: parts.tensorScale === null ? null : word(parts.tensorScale),
            scaleCode: String(parts.scaleCode),
            codes: parts.elements.map(({ code }) => String(code)),
            scaled: parts.elements.map(({ scaled }) => word(scaled)),
            values: parts.elements.map(({ value }) => word(value)),
        };
    });
}"""


def _text(x: float) -> str:
    """A number as JavaScript's Number() reads it, for JSON says neither infinity nor NaN."""
    return {"inf": "Infinity", "-inf": "-Infinity", "nan": "NaN"}.get(repr(x), repr(x))


def _same(text: str | None, x: float | None) -> bool:
    """Whether JavaScript's text is that number, the sign of zero included."""
    return text is x if text is None or x is None else repr(float(text)) == repr(float(x))


def _numbers(size: int) -> list[list[float]]:
    """Blocks of every kind there is, the same each time."""
    chance = random.Random(size)
    normal = [chance.gauss(0, 1) for _ in range(size)]
    spread = [chance.choice((-1, 1)) * 2 ** chance.uniform(-150, 120) for _ in range(size)]
    ties = [chance.choice((-1, 1)) * chance.randrange(64) / 8 for _ in range(size)]
    return [
        normal,
        [1000.0, *normal[1:]],
        spread,
        ties,
        [0.0] * size,
        [-0.0, 0.0, 1.0],
        [x * 1e-44 for x in normal],
        [x * 5e-324 * 40 for x in normal],
        [x * 1e38 for x in normal],
        [x * 1e300 for x in normal],
        [math.inf, *normal[1:]],
        [-math.inf, 1e39, 1.0],
        [math.nan, *normal[1:]],
        [math.nan, math.inf, 2.0],
        [math.nextafter(8.0, 0), 1.0],
        [8.0, 1.0],
        [7.0],
    ]


def _cases(spec) -> list[dict]:
    cases = []
    for numbers in _numbers(spec.block_size):
        for rounding, overflow in MODES:
            cases.append({"numbers": numbers, "rounding": rounding, "overflow": overflow, "tensorScale": None})
    if spec.has_tensor_scale:
        for scale in (scales.tensor_scale(spec, 3e4), 1.0, 2.0**-126, 1e30):
            cases += [{**case, "tensorScale": float(scale)} for case in cases[: len(MODES) * 8 : 2]]
    return cases


def test_blocks_of_all_formats_are_taken_apart_as_the_library_does(page):
    for name in formats.block_names():
        _assert_alike(page, name)


def _assert_alike(page, name: str) -> None:
    spec = formats.get(name)
    cases = _cases(spec)
    data = next(block for block in formats.block_catalogue() if block["name"] == name)
    given = [{**case, "numbers": [_text(x) for x in case["numbers"]]} for case in cases]
    answers = page.evaluate(TAKE_APART, [formats.catalogue(), data, given])
    for case, answer in zip(cases, answers, strict=True):
        extra = {} if case["tensorScale"] is None else {"tensor_scale": case["tensorScale"]}
        wanted = spec.parts(case["numbers"], case["rounding"], case["overflow"], **extra)
        assert answer["scaleCode"] == str(wanted.scale_code), (name, case)
        assert answer["codes"] == [str(each.code) for each in wanted.elements], (name, case)
        numbers = [(answer["amax"], wanted.amax), (answer["scale"], wanted.scale)]
        numbers += [(answer["tensorScale"], wanted.tensor_scale)]
        numbers += zip(answer["scaled"], [each.scaled for each in wanted.elements], strict=True)
        numbers += zip(answer["values"], [each.value for each in wanted.elements], strict=True)
        assert [pair for pair in numbers if not _same(*pair)] == [], (name, case)


def test_the_tensor_scale_follows_from_the_tensor_as_in_the_library(page):
    tensors = [0.0, 1e-45, 1e-300, 0.3, 1.0, 2688.0, 3e4, 1e38, 1e300]
    answers = page.evaluate(
        """async ([catalogue, amaxes]) => {
            const { tensorScaleFor } = await import(new URL('static-files/bits/block_codec.js', document.baseURI));
            const find = (name) => catalogue.find((each) => each.name === name);
            return amaxes.map((amax) => tensorScaleFor(amax, find('e2m1'), find('e4m3fn')));
        }""",
        [formats.catalogue(), tensors],
    )
    assert answers == [scales.tensor_scale(formats.get("nvfp4"), amax) for amax in tensors]


SHOW = """async ([catalogue, blocks, block]) => {
    const module = await import(new URL('static-files/bits/blocks.js', document.baseURI));
    document.body.innerHTML = '<div class="bits"><section></section></div>';
    let state = { block, rounding: 'nearest-even', overflow: 'native', seed: 0 };
    const change = (patch) => {
        state = window.state = { ...state, ...patch };
        section.update(state);
    };
    window.change = change;
    const section = module.create(document.querySelector('section'), { catalogue, blocks, change });
    change({});
}"""


@pytest.fixture
def shown(page):
    """A function that shows the section with a state of its own and gives the page."""

    def show(block):
        page.evaluate(SHOW, [formats.catalogue(), formats.block_catalogue(), block])
        return page

    return show


def _values(page) -> list[str]:
    return page.locator(".block-value").all_inner_texts()


def _sentence(page) -> str:
    return page.locator(".bits-sentence").inner_text()


def test_an_outlier_crushes_the_others_and_the_sentence_counts_them(shown):
    page = shown({"format": "mxfp4", "values": [1] * 32})
    assert _sentence(page).startswith("No number became 0: the largest, 1, sets the scale 2⁻²")
    page.get_by_text("outlier").click()
    assert page.evaluate("state.block.values[0]") == 1000
    assert _sentence(page) == (
        "31 of 32 numbers became 0: the largest, 1000, sets the scale 2⁷, and the smallest step is then 64. "
        "One lies beyond 768, the largest that this scale can say, and stops there."
    )
    assert _values(page) == ["768", *["0"] * 31]
    assert page.locator("li[data-fate=crushed]").count() == 31


def test_typing_a_number_moves_its_bar_the_scale_and_the_others(shown):
    page = shown({"format": "mxfp4", "values": [1] * 32})
    bar = page.locator(".block-given").nth(4)
    before = bar.get_attribute("height")
    page.get_by_label("Number 5", exact=True).fill("-100")
    wanted = formats.get("mxfp4").parts([1, 1, 1, 1, -100, *[1] * 27])
    assert _values(page)[4] == f"−{abs(wanted.elements[4].value):g}"
    assert "the largest, 100, sets the scale 2⁴" in _sentence(page)
    assert float(bar.get_attribute("height")) > float(before)
    assert page.locator(".block-facts").inner_text().count("0x83") == 1


@pytest.mark.parametrize(("text", "cause"), [("nan", "A NaN"), ("inf", "An infinity")])
def test_one_number_that_is_not_finite_takes_its_whole_block_along(shown, text, cause):
    page = shown({})
    page.get_by_label("Number 1", exact=True).fill(text)
    assert _sentence(page) == f"{cause} among them makes the scale NaN, and with it all 32 numbers."
    assert set(_values(page)) == {"NaN"}
    json.loads(page.evaluate("JSON.stringify(state.block, (_, x) => Number.isNaN(x) ? undefined : x)"))
    assert page.evaluate("state.block.values[0]") == text


def test_what_is_no_number_is_refused_in_words_and_changes_nothing(shown):
    page = shown({"format": "mxfp4"})
    before = page.evaluate("JSON.stringify(state)")
    field = page.get_by_label("Number 2", exact=True)
    field.fill("one")
    assert "one" in page.get_by_role("alert").inner_text()
    assert field.get_attribute("aria-invalid") == "true"
    assert page.evaluate("JSON.stringify(state)") == before


def test_dragging_a_bar_changes_its_number(shown):
    page = shown({"format": "mxfp8-e4m3", "linear": True, "values": [1] * 32})
    box = page.locator(".block-chart").bounding_box()
    x = box["x"] + box["width"] * 2.5 / 32
    page.mouse.move(x, box["y"] + 60)
    page.mouse.down()
    page.mouse.move(x, box["y"] + box["height"] - 40)
    during = page.evaluate("state.block.values[2]")
    page.mouse.up()
    assert during == pytest.approx(-1.18 * (95 - 40) / 95, abs=0.03)
    assert page.evaluate("state.block.values.filter((x) => x !== 1).length") == 1
    assert _values(page)[2].startswith("−")


def test_the_slider_sets_the_first_number_s_size_and_reset_takes_it_back(shown):
    page = shown({})
    usual = _values(page)
    page.get_by_label("size of the first number").fill("4")
    assert page.evaluate("state.block.values[0]") == 10_000
    assert _values(page)[1:] == ["0"] * 31
    page.get_by_text("reset").click()
    assert page.evaluate("JSON.stringify(state.block)") == "{}"
    assert _values(page) == usual


def test_nvfp4_has_sixteen_numbers_and_a_tensor_scale_from_the_rest_of_the_tensor(shown):
    page = shown({"format": "nvfp4", "values": [1, -2, 0.5], "elsewhere": 30_000})
    assert page.locator(".block-cells li").count() == 16
    wanted = float(scales.tensor_scale(formats.get("nvfp4"), 30_000))
    assert f"{wanted:.4g}" in page.locator(".block-facts").inner_text()
    page.get_by_label("Block format").select_option("mxfp6-e2m3")
    assert page.locator(".block-cells li").count() == 32
    assert not page.get_by_label("rest of the tensor").is_visible()


GARBAGE = [None, 7, "x", [], {"format": 3, "values": "no"}, {"values": [None, {}, "inf", 1e999]}, {"elsewhere": "far"}]


def test_a_link_that_makes_no_sense_shows_a_block_all_the_same(shown):
    for block in GARBAGE:
        page = shown(block)
        assert page.locator(".block-cells li").count() == 32, block
        assert _sentence(page), block
