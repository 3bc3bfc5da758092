"""Rounding in the pages, of exact numbers and of plain doubles, against :mod:`explorer.formats`."""

import math
from fractions import Fraction

import numpy as np
import pytest
from numbers_in_page import DETERMINISTIC, NAMES, array, deciding_doubles, deciding_fractions, run, same

from explorer import formats
from explorer.errors import InputError

MODES = [(rounding, overflow) for rounding in DETERMINISTIC for overflow in formats.OVERFLOWS]
WITHOUT_NAN = [name for name in NAMES if not formats.get(name).has_nan]

_RATIOS = """
    const ratios = given.ratios.map(([negative, n, d]) => ({ kind: 'finite', negative, n: BigInt(n), d: BigInt(d) }));
"""


def _ratios(fractions: list[Fraction]) -> list:
    return [[number < 0, hex(abs(number.numerator)), hex(number.denominator)] for number in fractions]


def _draws(words: np.ndarray) -> np.ndarray:
    """The library's 64 random bits as the page takes them: the first 53, as a double in [0, 1)."""
    return (words >> np.uint64(11)) * 2.0**-53


@pytest.mark.parametrize("name", NAMES)
def test_around_values_and_midpoints_a_number_gets_the_library_s_code(calculator, name):
    spec, points = formats.get(name), deciding_fractions(name)
    body = f"""{_RATIOS}
        return given.modes.map(([rounding, overflow]) =>
            write(BigUint64Array.from(ratios, (number) => encode(number, format, rounding, overflow))));
    """
    answers = run(calculator, body, spec=spec, ratios=_ratios(points), modes=MODES)
    for (rounding, overflow), answer in zip(MODES, answers, strict=True):
        wanted = [spec.encode(point, rounding, overflow) for point in points]
        assert array(answer, "u8").tolist() == wanted, (rounding, overflow)


@pytest.mark.parametrize("name", NAMES)
def test_doubles_round_as_the_library_rounds_arrays(calculator, name):
    spec, points = formats.get(name), deciding_doubles(name)
    if spec.has_nan:
        points = np.append(points, [math.nan, -math.nan])
    body = """
        return given.modes.map(([rounding, overflow]) =>
            write(numbers.map((number) => quantizeNumber(number, format, rounding, overflow))));
    """
    answers = run(calculator, body, spec=spec, numbers=points, modes=MODES)
    for (rounding, overflow), answer in zip(MODES, answers, strict=True):
        assert same(array(answer), spec.quantize(points, rounding, overflow)), (rounding, overflow)


@pytest.mark.parametrize("name", NAMES)
def test_infinity_and_zero_get_the_library_s_codes(calculator, name):
    spec, points = formats.get(name), [math.inf, -math.inf, 0.0, -0.0]
    body = """
        return given.modes.map(([rounding, overflow]) =>
            Array.from(numbers, (number) => Number(encode(fromNumber(number), format, rounding, overflow) & 0xffffn)));
    """
    answers = run(calculator, body, spec=spec, numbers=points, modes=MODES)
    wanted = [[spec.encode(point, *modes) & 0xFFFF for point in points] for modes in MODES]
    assert answers == wanted


@pytest.mark.parametrize("overflow", formats.OVERFLOWS)
@pytest.mark.parametrize("name", NAMES)
def test_with_the_same_random_bits_stochastic_rounding_is_the_library_s(calculator, name, overflow):
    spec, points = formats.get(name), deciding_doubles(name)
    words = np.random.default_rng(7).integers(0, 2**64, len(points), dtype=np.uint64)
    body = """
        let at = 0;
        const random = () => draws[at++];
        const rounded = numbers.map((number) => quantizeNumber(number, format, 'stochastic', given.overflow, random));
        const taken = at;
        at = 0;
        const again = numbers.map((number) =>
            decode(encode(fromNumber(number), format, 'stochastic', given.overflow, random), format).value);
        return [write(rounded), write(again), taken, at];
    """
    rounded, again, taken, taken_again = run(
        calculator, body, spec=spec, numbers=points, draws=_draws(words), overflow=overflow
    )
    wanted = spec.quantize(points, "stochastic", overflow, rng=7)
    assert same(array(rounded), wanted)
    assert same(array(again), wanted)
    assert taken == taken_again == len(points)


@pytest.mark.parametrize("name", ["fp16", "e4m3fn", "e2m1", "fp32", "fp64"])
def test_stochastic_rounding_goes_away_from_zero_as_often_as_the_number_lies_that_way(calculator, name):
    spec, count = formats.get(name), 20_000
    chances = [Fraction(1, 2), Fraction(1, 4), Fraction(9, 10), Fraction(1, 100), Fraction(0)]
    unit = Fraction(spec.epsilon)
    points = [sign * (1 + chance * unit) for chance in chances for sign in (1, -1)]
    draws = _draws(np.random.default_rng(1).integers(0, 2**64, count, dtype=np.uint64))
    body = f"""{_RATIOS}
        return ratios.map((number) => {{
            let at = 0;
            const counts = {{}};
            while (at < draws.length) {{
                const value = decode(encode(number, format, 'stochastic', 'native', () => draws[at++]), format).value;
                counts[value] = (counts[value] ?? 0) + 1;
            }}
            return Object.entries(counts).map(([value, often]) => [Number(value), often]);
        }});
    """
    for point, counts in zip(
        points, run(calculator, body, spec=spec, ratios=_ratios(points), draws=draws), strict=True
    ):
        chance, sign = (abs(point) - 1) / unit, 1 if point > 0 else -1
        often = dict(map(tuple, counts))
        assert set(often) == ({sign, sign * (1 + spec.epsilon)} if chance else {sign})
        spread = math.sqrt(count * chance * (1 - chance))
        assert abs(often.get(sign * (1 + spec.epsilon), 0) - count * chance) <= 5 * spread


@pytest.mark.parametrize(("share", "draw", "away"), [(0, 0.0, 0), (0.5, 0.5, 0), (0.5, 0.5 - 2**-53, 1)])
def test_stochastic_rounding_goes_away_from_zero_where_the_draw_is_below_the_share(calculator, share, draw, away):
    spec = formats.get("fp16")
    body = """
        const [number] = numbers;
        const code = encode(fromNumber(number), format, 'stochastic', 'native', () => given.draw);
        return [decode(code, format).value, quantizeNumber(number, format, 'stochastic', 'native', () => given.draw)];
    """
    answers = run(calculator, body, spec=spec, numbers=[1 + share * spec.epsilon], draw=draw)
    assert answers == [1 + away * spec.epsilon] * 2


@pytest.mark.parametrize("name", WITHOUT_NAN)
def test_nan_into_a_format_without_one_is_refused_in_the_library_s_words(calculator, name):
    spec = formats.get(name)
    with pytest.raises(InputError) as caught:
        spec.encode(math.nan)
    body = """
        const asked = [
            () => encode({ kind: 'nan' }, format, 'nearest-even', 'native'),
            () => quantizeNumber(NaN, format, 'nearest-even', 'native'),
        ];
        return asked.map((ask) => {
            try {
                return `gave ${ask()}`;
            } catch (error) {
                return error instanceof BadInput ? error.message : `threw ${error}`;
            }
        });
    """
    assert run(calculator, body, spec=spec) == [str(caught.value)] * 2


@pytest.mark.parametrize("name", [name for name in NAMES if formats.get(name).bits <= 16])
def test_the_ordinal_counts_the_finite_values_up_to_a_number(calculator, name):
    spec = formats.get(name)
    every = np.array([spec.decode(code).value for code in range(1 << spec.bits)])
    values = np.unique(every[np.isfinite(every)]) + 0.0
    points = np.concatenate([values, (values[:-1] + values[1:]) / 2, values * 1.01, deciding_doubles(name), [-0.0]])
    answer = array(run(calculator, "return write(numbers.map((x) => ordinal(x, format)));", spec=spec, numbers=points))
    wanted = np.searchsorted(values, points, side="right") - np.searchsorted(values, 0.0, side="right")
    assert np.array_equal(answer, wanted)


@pytest.mark.parametrize("name", ["tf32", "fp32", "fp64"])
def test_the_ordinal_of_a_wide_format_s_value_is_its_code_without_sign(calculator, name):
    spec = formats.get(name)
    points = np.sort(deciding_doubles(name))
    points = points[np.isfinite(points)]
    answer = array(run(calculator, "return write(numbers.map((x) => ordinal(x, format)));", spec=spec, numbers=points))
    assert np.all(np.diff(answer) >= 0)
    below = [spec.encode(point, "toward-negative", "native") for point in points.tolist()]
    magnitudes = [code & ~spec.sign_mask for code in below]
    # Beyond 2^53 a double is only the nearest to the code.
    wanted = [float(-size if code & spec.sign_mask else size) for code, size in zip(below, magnitudes, strict=True)]
    assert np.array_equal(answer, wanted)


def test_the_ordinal_of_nan_is_nan(calculator):
    assert math.isnan(run(calculator, "return ordinal(NaN, format);", spec=formats.get("fp16")))
