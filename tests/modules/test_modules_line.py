"""The number line: its axis and ticks against :mod:`explorer.formats`, and what hands and keys do to it."""

import bisect
import functools
import itertools
import math
import re
from urllib.parse import urljoin

import pytest

from explorer import formats

NAMES = [spec["name"] for spec in formats.catalogue()]
SPECS = {name: formats.get(name) for name in NAMES}
WIDTH = 1000


def _evaluate(page, script: str, *arguments):
    """Run a script with the modules of the line and the formats by name at hand."""
    return page.evaluate(
        """async ([catalogue, script, given]) => {
            const load = (name) => import(new URL(`static-files/bits/${name}.js`, document.baseURI));
            const [axis, ticks] = [await load('axis'), await load('ticks')];
            const formats = Object.fromEntries(catalogue.map((format) => [format.name, format]));
            return new Function('axis', 'ticks', 'formats', ...given.keys().map((at) => `$${at}`), script)(
                axis, ticks, formats, ...given);
        }""",
        [formats.catalogue(), script, list(arguments)],
    )


def _linear(low: float, high: float) -> dict:
    return {"kind": "linear", "low": low, "high": high, "negative": False}


def _log(low: float, high: float, negative: bool = False) -> dict:
    return {"kind": "log", "low": low, "high": high, "negative": negative}


def _bounds(view: dict) -> tuple[float, float]:
    """The least and the greatest number in view."""
    if view["kind"] == "linear":
        return view["low"], view["high"]
    low, high = 2.0 ** view["low"], 2.0 ** view["high"]
    return (-high, -low) if view["negative"] else (low, high)


def _place(view: dict, x: float) -> float:
    """The pixel of a number."""
    if view["kind"] == "linear":
        return (x - view["low"]) / (view["high"] - view["low"]) * WIDTH
    if x == 0 or (x < 0) != view["negative"]:
        return -math.inf
    along = (math.log2(abs(x)) - view["low"]) / (view["high"] - view["low"])
    return (1 - along if view["negative"] else along) * WIDTH


def _values_in(spec, low: float, high: float) -> list[float]:
    """Every finite value of a format from one number to another."""
    if spec.bits <= 16:
        values = _all_values(spec.name)
        return values[bisect.bisect_left(values, low) : bisect.bisect_right(values, high)]
    code = spec.encode(max(low, -spec.max), "toward-positive", "saturate")
    found = []
    while code is not None and spec.decode(code).value <= min(high, spec.max):
        found.append(spec.decode(code).value + 0.0)
        code = spec.neighbours(code)[1]
    return found


@functools.cache
def _all_values(name: str) -> list[float]:
    spec = SPECS[name]
    return sorted({value for code in range(2**spec.bits) if math.isfinite(value := spec.decode(code).value)})


def _row(page, view: dict, name: str) -> tuple[list[float], list[dict]]:
    row = _evaluate(page, "return ticks.rowOf($0, $1, formats[$2])", view, WIDTH, name)
    return sorted(float(value) for value in row["ticks"]), row["shades"]


def _close_to(x: float, spec) -> dict:
    """A view of some values about a number, within its binade and its neighbours."""
    reach = min(50 * spec.ulp(spec.encode(x)), 0.4 * abs(x))
    return _linear(x - reach, x + reach)


def _close_views(spec) -> list[dict]:
    views = [_close_to(x, spec) for x in (1.0, 0.75, spec.smallest_normal, min(spec.max, 1e300) / 3)]
    views += [_close_to(-1.0, spec)] if spec.signed else []
    if spec.smallest_subnormal:
        reach = spec.smallest_subnormal * min(50, 2**spec.mantissa_bits)
        views += [_linear(-reach, reach), _linear(-reach, -reach / 3)]
    if spec.max < 1e300:
        part = min(20 * spec.epsilon, 0.4)
        views += [_linear(spec.max * (1 - part), spec.max * (1 + part))]
    if spec.mantissa_bits <= 23:
        octaves = 100 * 2.0**-spec.mantissa_bits
        views += [_log(0.3, 0.3 + octaves)]
        views += [_log(0.3, 0.3 + octaves, negative=True)] if spec.signed else []
    return views


def test_where_values_are_far_apart_each_has_a_line_and_nothing_else_has(page):
    for name, spec in SPECS.items():
        for view in _close_views(spec):
            found, shades = _row(page, view, name)
            assert shades == [], (name, view)
            assert found == _values_in(spec, *_bounds(view)), (name, view)


def _assert_complete(page, view: dict, name: str) -> None:
    where = (name, view)
    wanted = _values_in(SPECS[name], *_bounds(view))
    found, shades = _row(page, view, name)
    lines = set(found)
    assert lines <= set(wanted), where
    hidden = [_place(view, value) for value in wanted if value not in lines]
    starts = [shade["from"] - 0.01 for shade in shades]
    assert all(at >= starts[0] for at in hidden), where
    assert all(at <= shades[bisect.bisect_right(starts, at) - 1]["to"] + 0.01 for at in hidden), where
    places = sorted(_place(view, value) for value in found if _place(view, value) > -math.inf)
    # The ends of a shade have lines of their own, as near to the next line as they happen to be.
    assert sum(b - a < 2.8 for a, b in itertools.pairwise(places)) <= 4, where
    counted = sum((shade["to"] - shade["from"]) * 2 ** (shade["level"] / 2) for shade in shades)
    assert counted == pytest.approx(len(hidden), rel=0.2, abs=4), where


def test_every_value_in_view_is_a_line_or_in_a_shade_that_counts_it(page):
    views = [_linear(-0.025, 0.225), _linear(-4, 4), _linear(-500, 100), _linear(0.3, 70000), _log(-20, 12)]
    views += [_log(-30, 20), _log(-150, 140), _log(-20, 12, negative=True), _log(-140, -120)]
    for name in [name for name in NAMES if SPECS[name].bits <= 16]:
        for view in views:
            _assert_complete(page, view, name)


def test_density_halves_from_each_binade_to_the_next_and_ends_at_the_largest(page):
    _, shades = _row(page, _linear(0, 70000), "fp16")
    levels = [shade["level"] for shade in shades]
    assert levels == sorted(levels, reverse=True)
    by_pixel = {pixel: s["level"] for s in shades for pixel in range(math.ceil(s["from"]), math.floor(s["to"]))}
    place = WIDTH / 70000
    assert by_pixel[int(12000 * place)] - by_pixel[int(20000 * place)] == 2
    assert by_pixel[int(20000 * place)] - by_pixel[int(40000 * place)] == 2
    assert shades[-1]["to"] == pytest.approx(65504 * place)


def test_a_place_on_the_axis_is_a_number_and_back(page):
    views = [_linear(-3, 5), _linear(1e300, 2e300), _log(-20, 5), _log(-20, 5, negative=True)]
    for view in views:
        for along in (0, 0.2, 0.9):
            script = "const x = axis.valueAt($0, $1); return [x, axis.fraction($0, x)]"
            x, back = _evaluate(page, script, view, along)
            assert back == pytest.approx(along, abs=1e-9)
            assert _place(view, x) == pytest.approx(along * WIDTH, abs=1e-6)


def test_zooming_keeps_what_is_under_the_pointer_and_stops_at_both_ends(page):
    for view, nearest in ((_linear(-3, 5), 1e-14), (_log(-20, 5, negative=True), 1e-6)):
        script = """
            const near = axis.zoomed($0, 0.5, 0.3);
            const span = (of) => of.high - of.low;
            let [closest, farthest] = [near, near];
            for (let i = 0; i < 200; i++) closest = axis.zoomed(closest, 0.5, 0.3);
            for (let i = 0; i < 3000; i++) farthest = axis.zoomed(farthest, 2, 0.5);
            const fixed = [axis.valueAt($0, 0.3), axis.valueAt(near, 0.3)];
            return [...fixed, span(near) / span($0), span(closest), span(farthest)]"""
        before, after, ratio, closest, farthest = _evaluate(page, script, view)
        assert after == pytest.approx(before, rel=2e-3)
        assert ratio == pytest.approx(0.5, rel=1e-3)
        assert 0 < closest < nearest
        assert math.isfinite(farthest)


def test_the_axis_is_marked_by_round_numbers(page):
    script = "return axis.axisMarks($0, $1).map(({ at, power }) => [at, power])"
    assert _evaluate(page, script, _linear(-0.05, 0.31), 8) == [[0 if k == 0 else k / 20, None] for k in range(-1, 7)]
    assert _evaluate(page, script, _log(-4.5, 4.5), 9) == [[2.0**k, k] for k in range(-4, 5)]
    assert _evaluate(page, script, _linear(0, 5e-323), 4)


SAID = [
    (0.123456789, 1e-4, "0.1235"),
    (0.123456789, 3.7e-7, "0.1234568"),
    (-1234.5678, 20, "-1230"),
    (1e-9 / 3, 1e-12, "3.33e-10"),
    (4e-6, 1e-3, "0"),
    (6.02e23, 1e21, "6.02e23"),
]


def test_a_place_is_said_in_the_digits_that_a_pixel_tells_apart(page):
    for x, step, text in SAID:
        assert _evaluate(page, "return axis.shortText($0, $1)", x, step) == text


LABELS = [
    ("fp64", 0.1, "0.10000000000000001"),
    ("fp64", 1e16, "10000000000000000"),
    ("fp64", -0.375, "−0.375"),
    ("fp16", 0.1, "0.099976"),
    ("e4m3fn", 450, "448"),
    ("e5m2", 1e-5, "0.000015"),
    ("e5m2", 57344, "57344"),
    ("e5m2", 1e9, "∞"),
    ("e2m1", 0.1, "0"),
]


def test_a_rounded_value_is_labelled_so_that_it_is_told_from_its_neighbours(page):
    for name, x, text in LABELS:
        label = page.evaluate(
            """async ([format, x]) => {
                const load = (path) => import(new URL(`static-files/${path}`, document.baseURI));
                const { fromNumber } = await load('shared/rational.js');
                const { markOf, markTexts } = await load('bits/line_marks.js');
                const how = { rounding: 'nearest-even', overflow: 'native', seed: 0 };
                return markTexts(markOf({ exact: fromNumber(x), code: null, ...how }, format)).value;
            }""",
            [next(spec for spec in formats.catalogue() if spec["name"] == name), x],
        )
        assert label == text, (name, x)


GARBAGE = [None, 3, "log", {"kind": "cubic"}, {"low": 1}, {"low": 2, "high": 1}, {"low": "a", "high": "b"}]


def test_a_link_that_makes_no_sense_shows_the_part_about_the_number(page):
    for line in GARBAGE:
        view = _evaluate(page, "return axis.viewOf($0, 0.1)", line)
        assert view == _evaluate(page, "return axis.around('linear', 0.1)"), line
    for x in ("0", "-0", "Infinity", "-Infinity", "NaN", "5e-324", "1.7976931348623157e308"):
        for kind in ("linear", "log"):
            view = _evaluate(page, "return axis.around($0, Number($1))", kind, x)
            assert view["low"] < view["high"], (kind, x)


SHOW = """async ([catalogue, patch]) => {
    const load = (name) => import(new URL(`static-files/${name}`, document.baseURI));
    const { parse, fromNumber } = await load('shared/rational.js');
    const { decode, exact } = await load('shared/codec.js');
    const line = await load('bits/line.js');
    const root = document.createElement('div');
    root.className = 'bits';
    root.append(document.createElement('section'));
    document.body.replaceChildren(root);
    let state = { text: '0.1', formats: ['fp16', 'e4m3fn'], focus: 'fp16', rounding: 'nearest-even',
                  overflow: 'native', seed: 0, code: null, line: {} };
    const change = (patch) => {
        const next = { ...state, ...patch };
        if (patch.code) {
            const format = catalogue.find(({ name }) => name === patch.code.format);
            const { value } = decode(patch.code.code, format);
            Object.assign(next, { text: exact(value), exact: fromNumber(value), focus: format.name });
        } else if (patch.text !== undefined) Object.assign(next, { exact: parse(patch.text).exact, code: null });
        state = window.state = next;
        window.texts.push(state.text);
        const start = performance.now();
        section.update(state);
        window.times.push(performance.now() - start);
    };
    window.change = change;
    [window.times, window.texts] = [[], []];
    const section = line.create(root.firstChild, { catalogue, change });
    change({ text: '0.1', ...patch });
}"""


@pytest.fixture
def shown(page):
    """A function that shows the section with a state of its own and gives the page."""

    def show(**patch):
        for sheet in ("shared/tokens.css", "bits/line.css"):
            page.add_style_tag(url=urljoin(page.url, f"static-files/{sheet}"))
        page.evaluate(SHOW, [formats.catalogue(), patch])
        return page

    return show


def _state(page, field: str):
    return page.evaluate(f"state.{field}")


def _canvas(page) -> dict:
    return page.get_by_role("slider").bounding_box()


def _pixel(page, view: dict, x: float) -> float:
    """The window's pixel of a number: the canvas keeps 108 px for names at its left."""
    box = _canvas(page)
    plot = box["width"] - 109
    return box["x"] + 108 + _place(view, x) / WIDTH * plot


def _inked(page) -> list[int]:
    """How many pixels of each row of the canvas are painted, from 22 px on, 38 px a row."""
    return page.evaluate(
        """() => {
            const canvas = document.querySelector('canvas');
            const pen = canvas.getContext('2d');
            const rows = Math.floor((canvas.height - 22 - 36) / 38);
            return Array.from({ length: rows }, (_, row) => {
                const { data } = pen.getImageData(110, 22 + row * 38, canvas.width - 110, 24);
                return data.filter((value, at) => at % 4 === 3 && value).length;
            });
        }"""
    )


def test_all_formats_are_drawn_a_row_each_in_both_kinds_of_view(shown):
    page = shown(formats=NAMES)
    for line in ({}, {"kind": "log"}):
        page.evaluate("(line) => change({ line })", line)
        inked = _inked(page)
        assert len(inked) == len(NAMES)
        assert min(inked) > 10_000
    assert page.get_by_role("slider").get_attribute("aria-valuetext") == "0.1; FP16 makes it 0.099976"


def _drag(page, view: dict, row: int, points: list[float]) -> list[str]:
    """Press in a row and drag over these numbers; the texts that the section asked for."""
    box = _canvas(page)
    y = box["y"] + 22 + 38 * row + 10
    pixels = [box["x"] + 108 + _place(view, x) / WIDTH * (box["width"] - 109) for x in points]
    page.mouse.move(pixels[0], y)
    page.mouse.down()
    page.evaluate("[times.length, texts.length] = [0, 0]")
    for pixel in pixels[1:]:
        page.mouse.move(pixel, y)
    page.mouse.up()
    return page.evaluate("texts")


def test_dragging_sets_a_number_of_few_digits_and_stays_smooth(shown):
    page = shown(formats=NAMES)
    view = _evaluate(page, "return axis.around('linear', 0.1)")
    texts = _drag(page, view, 2, [0.05 + step * 0.001 for step in range(101)])
    assert len(set(texts)) > 90
    assert all(re.fullmatch(r"0\.\d{1,5}", text) for text in texts)
    assert float(texts[-1]) == pytest.approx(0.15, abs=3e-4)
    # Having been dragged in, the view no longer follows the number.
    assert _state(page, "line.low") == view["low"]
    times = sorted(page.evaluate("times"))
    assert times[len(times) // 2] < 8


def test_a_click_on_a_line_takes_that_value_exactly(shown):
    page = shown(formats=["fp32", "e4m3fn"])
    view = _evaluate(page, "return axis.around('linear', 0.1)")
    page.mouse.click(_pixel(page, view, 0.15625) + 2, _canvas(page)["y"] + 22 + 38 + 10)
    assert _state(page, "text") == "0.15625"
    assert _state(page, "code.format") == "e4m3fn"
    assert page.evaluate("Number(state.code.code)") == SPECS["e4m3fn"].encode(0.15625)


def test_snapping_keeps_a_drag_to_the_values_of_the_row_it_began_in(shown):
    page = shown(formats=["fp32", "e5m2"])
    page.get_by_role("button", name="Dragging stops").click()
    view = _evaluate(page, "return axis.around('linear', 0.1)")
    seen = {float(text) for text in _drag(page, view, 1, [0.03 + step * 0.009 for step in range(20)])}
    assert seen <= set(_values_in(SPECS["e5m2"], 0, 1))
    assert len(seen) > 5


def test_the_wheel_zooms_about_the_pointer_and_shift_moves_along(shown):
    page = shown()
    view = _evaluate(page, "return axis.around('linear', 0.1)")
    x = _pixel(page, view, 0.2)
    page.mouse.move(x, _canvas(page)["y"] + 60)
    page.mouse.wheel(0, -300)
    page.wait_for_function("state.line.low !== undefined")
    near = {"negative": False, **_state(page, "line")}
    assert near["high"] - near["low"] < 0.6 * (view["high"] - view["low"])
    assert _pixel(page, near, 0.2) == pytest.approx(x, abs=2)
    assert _state(page, "text") == "0.1"
    page.get_by_role("button", name="Move the view right").click()
    assert _state(page, "line.low") > near["low"]
    page.get_by_role("button", name="Show the part").click()
    assert _state(page, "line") == {}


def test_dragging_the_axis_moves_along_it(shown):
    page = shown(line={"kind": "log", "low": -10, "high": 10})
    box = _canvas(page)
    page.mouse.move(box["x"] + 500, box["y"] + box["height"] - 10)
    page.mouse.down()
    page.mouse.move(box["x"] + 400, box["y"] + box["height"] - 10)
    page.mouse.up()
    assert _state(page, "text") == "0.1"
    moved = 100 / (box["width"] - 109) * 20
    assert _state(page, "line.low") == pytest.approx(-10 + moved, abs=0.02)
    assert _state(page, "line.high") == pytest.approx(10 + moved, abs=0.02)


def test_arrow_keys_move_by_one_ulp_and_with_shift_by_one_exponent(shown):
    page = shown(formats=["fp16", "e4m3fn"])
    spec = SPECS["fp16"]
    code = spec.encode(0.1)
    slider = page.get_by_role("slider")
    slider.focus()
    slider.press("ArrowRight")
    assert float(_state(page, "text")) == spec.decode(spec.neighbours(code)[1]).value
    slider.press("ArrowLeft")
    slider.press("ArrowDown")
    assert float(_state(page, "text")) == spec.decode(spec.neighbours(code)[0]).value
    before = float(_state(page, "text"))
    slider.press("Shift+ArrowUp")
    assert float(_state(page, "text")) == 2 * before
    slider.press("Shift+ArrowLeft")
    slider.press("Shift+ArrowLeft")
    assert float(_state(page, "text")) == before / 2
    assert slider.get_attribute("aria-valuetext").startswith(_state(page, "text")[:20])


def test_a_number_that_leaves_the_view_takes_it_along_but_a_view_may_leave_the_number(shown):
    page = shown(line={"kind": "linear", "low": 0, "high": 1})
    page.evaluate("change({ text: '300' })")
    page.wait_for_function("state.line.low === undefined")
    page.evaluate("change({ line: { kind: 'linear', low: 0, high: 1 } })")
    page.evaluate("change({ rounding: 'toward-zero' })")
    assert _state(page, "line") == {"kind": "linear", "low": 0, "high": 1}


def test_numbers_without_a_place_of_their_own_are_drawn_and_can_be_left(shown):
    page = shown(formats=NAMES)
    for text in ("nan", "inf", "-inf", "0", "-0", "1e-400", "1e400", "-3"):
        for line in ({}, {"kind": "log"}):
            page.evaluate("([text, line]) => change({ text, line })", [text, line])
            assert min(_inked(page)) > 10_000, (text, line)
        box = _canvas(page)
        page.mouse.click(box["x"] + box["width"] / 2, box["y"] + 30)
        assert math.isfinite(float(_state(page, "text"))), text
