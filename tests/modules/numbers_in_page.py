"""The page's number modules called from Python with numbers that lose nothing on the way, and numbers worth asking."""

import base64
import functools
import json
import math
from fractions import Fraction

import numpy as np

from explorer import formats

NAMES = tuple(spec["name"] for spec in formats.catalogue())
SMALL = tuple(name for name in NAMES if formats.get(name).bits <= 8)
DETERMINISTIC = tuple(rounding for rounding in formats.ROUNDINGS if rounding != "stochastic")

_PRELUDE = """
const modules = await Promise.all(['codec', 'encode', 'quantize', 'rational', 'bad-input']
    .map((name) => import(new URL(`static-files/shared/${name}.js`, document.baseURI))));
const { decode, fields, exact, encode, neighbours, ulp, quantizeNumber, ordinal } = Object.assign({}, ...modules);
const { fromNumber, toNumber, timesPowerOfTwo, parse, BadInput } = modules[3];
const format = given.format && JSON.parse(given.format);
const array = (Kind, text) => new Kind(Uint8Array.from(atob(text), (one) => one.charCodeAt(0)).buffer);
const numbers = given.numbers && array(Float64Array, given.numbers);
const codes = given.codes && array(BigUint64Array, given.codes);
const draws = given.draws && array(Float64Array, given.draws);
const write = (array) => {
    const bytes = new Uint8Array(array.buffer);
    let text = '';
    for (let at = 0; at < bytes.length; at += 4096) text += String.fromCharCode(...bytes.subarray(at, at + 4096));
    return btoa(text);
};
"""


def run(page, body: str, *, spec=None, numbers=None, codes=None, draws=None, **given):
    """Run the body of an async function in the page, with all exports in sight.

    `format` is the catalogue's entry of `spec`; `numbers` and `draws` come as Float64Array, `codes` as BigUint64Array,
    the rest as `given.…`.
    """
    if spec is not None:
        given["format"] = json.dumps(next(entry for entry in formats.catalogue() if entry["name"] == spec.name))
    for name, array, kind in (("numbers", numbers, "f8"), ("codes", codes, "u8"), ("draws", draws, "f8")):
        if array is not None:
            given[name] = base64.b64encode(np.asarray(array, f"<{kind}").tobytes()).decode()
    return page.evaluate(f"async (given) => {{ {_PRELUDE} {body} }}", given)


def array(text: str, kind: str = "f8") -> np.ndarray:
    """What the page's ``write`` wrote."""
    return np.frombuffer(base64.b64decode(text), f"<{kind}")


def same(left, right) -> bool:
    """Whether two arrays hold the same numbers, -0 told from +0 and NaN equal to NaN."""
    left, right = np.asarray(left, np.float64), np.asarray(right, np.float64)
    number = ~np.isnan(left)
    return np.array_equal(left, right, equal_nan=True) and np.array_equal(
        np.signbit(left[number]), np.signbit(right[number])
    )


@functools.cache
def codes_of(name: str) -> list[int]:
    """Every code of a format of up to 16 bits; of a wider one the edges and a sample."""
    spec = formats.get(name)
    if spec.bits <= 16:
        return list(range(1 << spec.bits))
    chance = np.random.default_rng(spec.bits)
    edges = {0, 1, 2, spec.max_code - 1, spec.max_code, spec.max_code + 1, spec.max_code + 2, spec.nan_code}
    edges |= {(1 << spec.mantissa_bits) + offset for offset in (-1, 0, 1)} | {spec.sign_mask - 1}
    edges |= {code | spec.sign_mask for code in edges}
    sample = (
        chance.integers(0, 1 << spec.bits, 3000, dtype=np.uint64, endpoint=False)
        if spec.bits < 64
        else (chance.integers(0, 2**64 - 1, 3000, dtype=np.uint64, endpoint=True))
    )
    return sorted(edges | {int(code) for code in sample})


@functools.cache
def decoded(name: str) -> list:
    """What Python reads from each of :func:`codes_of`."""
    return [formats.get(name).decode(code) for code in codes_of(name)]


def _gaps(name: str) -> list[tuple[Fraction, Fraction]]:
    """Neighbouring magnitudes, of a wide format a sample; the last gap is the one beyond the largest value."""
    spec = formats.get(name)
    chance = np.random.default_rng(3)
    every = (
        range(spec.max_code)
        if spec.bits <= 8
        else sorted(
            {0, 1, 2, (1 << spec.mantissa_bits) - 1, 1 << spec.mantissa_bits, spec.max_code - 2, spec.max_code - 1}
            | {int(code) for code in chance.integers(0, spec.max_code, 60)}
        )
    )
    gaps = [(Fraction(spec.decode(code).value), Fraction(spec.decode(code + 1).value)) for code in every]
    return [*gaps, (Fraction(spec.max), Fraction(spec.max) + Fraction(spec.ulp(spec.max_code)))]


def deciding_fractions(name: str) -> list[Fraction]:
    """Where rounding decides, both signs: values, midpoints, and just either side of both; and far outside."""
    points = {Fraction(0), Fraction(1, 3), Fraction(10) ** 400, Fraction(1, 10**400)}
    for low, high in _gaps(name):
        middle, little = (low + high) / 2, (high - low) / 2**80
        points |= {low, low + little, middle - little, middle, middle + little, high - little}
    return [point * sign for point in sorted(points) for sign in (1, -1)]


def deciding_doubles(name: str) -> np.ndarray:
    """The same in doubles, with infinity, both zeros, doubles of any size, and some as large as the format's."""
    spec, chance = formats.get(name), np.random.default_rng(5)
    ends = np.array([[float(low), float(high) if high < 2**1024 else math.inf] for low, high in _gaps(name)])
    middles = ends[:, 0] + (ends[:, 1] - ends[:, 0]) / 2
    points = np.concatenate([ends.ravel(), middles, [spec.max * 2.0**-10, 5e-324, 1.5, math.inf, 0.0]])
    any_size = chance.integers(0, 0x7FF0000000000000, 4000).view(np.float64)
    exponents = chance.uniform(math.log2(spec.smallest_normal) - spec.mantissa_bits - 3, math.log2(spec.max) + 1, 4000)
    with np.errstate(over="ignore"):
        beside = [np.nextafter(points, 0), np.nextafter(points, math.inf)]
        magnitudes = np.concatenate([points, *beside, any_size, np.exp2(exponents)])
    return np.concatenate([magnitudes, -magnitudes])
