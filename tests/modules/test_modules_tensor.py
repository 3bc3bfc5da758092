"""A whole tensor on the Bits page: statistics against numpy, files against numpy.save, and what a person does."""

import functools
import io
import json
import math
import struct

import ml_dtypes
import numpy as np
import pytest
from playwright.sync_api import expect

from explorer import formats

ROUNDINGS = ("nearest-even", "nearest-away", "toward-zero", "toward-positive", "toward-negative")
SCALES = (-9, 0, 18)

LOAD = """
    const at = (module) => import(new URL(`static-files/${module}`, document.baseURI));
    const plain = (_, value) => (typeof value === 'number' && !Number.isFinite(value) ? String(value) : value);
    const special = { NaN, inf: Infinity, '-inf': -Infinity };
    const doubles = (list) => Float64Array.from(list, (value) => special[value] ?? value);
"""


def in_page(page, body: str, *given):
    """Run an async function's body in the page; what it returns, infinity and NaN as strings."""
    return json.loads(page.evaluate(f"async (given) => {{ {LOAD} {body} }}", list(given)))


def for_json(values) -> list:
    return [
        value if math.isfinite(value) else {math.inf: "inf", -math.inf: "-inf"}.get(value, "NaN") for value in values
    ]


@functools.cache
def values() -> np.ndarray:
    """Numbers over all windows, both signs, zeros and special ones, and those where a format's rounding decides."""
    chance = np.random.default_rng(7)
    magnitudes = [np.exp2(chance.normal(-12, 14, 3000)), np.exp2(chance.normal(-9, 3, 1000))]
    for name in (spec["name"] for spec in formats.catalogue()):
        spec = formats.get(name)
        ulp = spec.epsilon * 2.0**spec.largest_exponent
        edges = [spec.max, spec.max + ulp / 2, spec.max + ulp, spec.smallest_normal]
        if spec.smallest_subnormal and spec.smallest_subnormal / 2:
            half = spec.smallest_subnormal / 2
            edges += [half, 2 * half, spec.smallest_normal - half]
        points = np.array([edge for edge in edges if 2.0**-1000 < edge < 2.0**1000])
        magnitudes += [points, np.nextafter(points, 0), np.nextafter(points, np.inf)]
    magnitude = np.concatenate(magnitudes)
    return np.concatenate([magnitude * chance.choice([-1.0, 1.0], magnitude.size), [0.0, -0.0, math.inf, math.nan]])


def beyond(spec, y: np.ndarray, rounding: str) -> np.ndarray:
    """Whether a number would round beyond the largest if the exponent had no limit."""
    mantissa, exponent = np.frexp(np.abs(y))
    digits = np.ldexp(mantissa, spec.mantissa_bits + 1)
    up, down = np.ceil(digits), np.floor(digits)
    rounded = {
        "nearest-even": np.rint(digits),
        "nearest-away": np.floor(digits + 0.5),
        "toward-zero": down,
        "toward-positive": np.where(y > 0, up, down),
        "toward-negative": np.where(y > 0, down, up),
    }[rounding]
    with np.errstate(over="ignore"):
        return np.ldexp(rounded, exponent - spec.mantissa_bits - 1) > spec.max


def wanted_shares(spec, x: np.ndarray, scale: int, rounding: str) -> dict[str, float]:
    present = x[np.isfinite(x) & (x != 0)]
    y = present * 2.0**scale
    q = spec.quantize(y, rounding, "saturate").astype(np.float64)
    unsigned = np.zeros(y.shape, bool) if spec.signed else y < 0
    return {
        "zeroed": np.mean(q == 0),
        "subnormal": np.mean((q != 0) & (np.abs(q) < spec.smallest_normal)),
        "overflowed": np.mean(beyond(spec, y, rounding) & ~unsigned),
        "unsigned": np.mean(unsigned),
    }


def test_shares_are_those_of_rounding_every_value(page):
    got = in_page(
        page,
        """const [list, catalogue, roundings, scales] = given;
        const { ofValues, shares } = await at('bits/distribution.js');
        const { boundaries } = await at('bits/boundaries.js');
        const distribution = ofValues(doubles(list));
        const answers = {};
        for (const format of catalogue) for (const rounding of roundings) {
            const limits = boundaries(format, rounding);
            for (const scale of scales) answers[[format.name, rounding, scale]] = shares(distribution, limits, scale);
        }
        return JSON.stringify(answers);""",
        for_json(values()),
        formats.catalogue(),
        ROUNDINGS,
        SCALES,
    )
    assert len(got) == len(formats.catalogue()) * len(ROUNDINGS) * len(SCALES)
    for key, found in got.items():
        name, rounding, scale = key.split(",")
        wanted = wanted_shares(formats.get(name), values(), int(scale), rounding)
        assert found == pytest.approx(wanted, abs=1e-12), key


def test_shares_under_stochastic_rounding_are_what_to_expect(page):
    x = np.exp2(np.random.default_rng(1).normal(-3, 5, 4000))
    names = ("fp16", "e5m2", "e4m3fn", "e2m1", "e8m0")
    got = in_page(
        page,
        """const [list, catalogue] = given;
        const { ofValues, shares } = await at('bits/distribution.js');
        const { boundaries } = await at('bits/boundaries.js');
        const distribution = ofValues(doubles(list));
        const expected = (format) => shares(distribution, boundaries(format, 'stochastic'), -14);
        return JSON.stringify(catalogue.map(expected));""",
        x.tolist(),
        [spec for spec in formats.catalogue() if spec["name"] in names],
    )
    for name, found in zip([spec["name"] for spec in formats.catalogue() if spec["name"] in names], got, strict=True):
        spec, rng = formats.get(name), np.random.default_rng(2)
        draws = [spec.quantize(x * 2.0**-14, "stochastic", rng=rng).astype(np.float64) for _ in range(40)]
        q = np.concatenate(draws)
        assert found["zeroed"] == pytest.approx(np.mean(q == 0), abs=0.003), name
        assert found["subnormal"] == pytest.approx(np.mean((q != 0) & (np.abs(q) < spec.smallest_normal)), abs=0.003)
        assert found["overflowed"] == pytest.approx(np.mean(~np.isfinite(q)), abs=0.003), name


def wanted_noise(spec, x: np.ndarray, scale: int, rounding: str, overflow: str) -> dict[str, float]:
    y = x[np.isfinite(x) & (x != 0)] * 2.0**scale
    q = spec.quantize(y, rounding, overflow).astype(np.float64)
    kept = np.isfinite(q)
    largest = np.abs(y).max()
    signal, error = np.sum((y[kept] / largest) ** 2), np.sum(((y[kept] - q[kept]) / largest) ** 2)
    lost = np.sum((y[~kept] / largest) ** 2)
    with np.errstate(divide="ignore"):
        ratio = 10 * np.log10(signal / error) if signal else math.nan
    return {
        "decibels": ratio,
        "lost": lost / (signal + lost),
        "zeroed": np.mean(q == 0),
        "broken": np.mean(~kept),
    }


@pytest.mark.parametrize("overflow", ["native", "saturate"])
def test_noise_is_that_of_numpy(page, overflow):
    # Within float32's range, whose squares doubles hold.
    x = values()[~(np.abs(values()) > 2.0**120)]
    roundings = ("nearest-even", "toward-zero")
    got = in_page(
        page,
        """const [list, catalogue, roundings, scales, overflow] = given;
        const { noise } = await at('bits/noise.js');
        const { quantizeNumber } = await at('shared/quantize.js');
        const values = doubles(list);
        const answers = {};
        for (const format of catalogue) for (const rounding of roundings) for (const scale of scales) {
            const work = noise(values, scale, (value) => quantizeNumber(value, format, rounding, overflow));
            let step = work.next();
            while (!step.done) step = work.next();
            answers[[format.name, rounding, scale]] = step.value;
        }
        return JSON.stringify(answers, plain);""",
        for_json(x),
        formats.catalogue(),
        roundings,
        SCALES,
        overflow,
    )
    assert len(got) == len(formats.catalogue()) * len(roundings) * len(SCALES)
    for key, found in got.items():
        name, rounding, scale = key.split(",")
        with np.errstate(invalid="ignore"):
            wanted = wanted_noise(formats.get(name), x, int(scale), rounding, overflow)
        found = {field: float(value) for field, value in found.items()}
        assert found == pytest.approx(wanted, rel=1e-9, abs=1e-12, nan_ok=True), key


def test_the_histogram_counts_every_value_in_its_octave(page):
    got = in_page(
        page,
        """const { ofValues } = await at('bits/distribution.js');
        return JSON.stringify(ofValues(doubles(given[0])));""",
        for_json(values()),
    )
    present = values()[np.isfinite(values()) & (values() != 0)]
    octaves, counts = np.unique(np.frexp(np.abs(present))[1] - 1, return_counts=True)
    found: dict[int, int] = {}
    for at, count in enumerate(got["counts"]):
        octave = (got["low"] + at) // got["perOctave"]
        found[octave] = found.get(octave, 0) + count
    assert {octave: count for octave, count in found.items() if count} == dict(zip(octaves, counts, strict=True))
    assert (got["present"], got["zeros"], got["nonfinite"]) == (present.size, 2, 2)


@pytest.mark.parametrize("overflow", ["native", "saturate"])
def test_the_best_scale_is_found_by_trying_all(page, overflow):
    x = np.exp2(np.random.default_rng(3).normal(-20, 6, 3000))
    spec = formats.get("e5m2")
    got = in_page(
        page,
        """const [list, format, overflow] = given;
        const { bestScale, ofValues } = await at('bits/distribution.js');
        const { boundaries } = await at('bits/boundaries.js');
        return JSON.stringify(bestScale(ofValues(doubles(list)), boundaries(format, 'nearest-even'), overflow));""",
        x.tolist(),
        next(entry for entry in formats.catalogue() if entry["name"] == "e5m2"),
        overflow,
    )

    def cost(scale):
        lost = {name: round(share * x.size) for name, share in wanted_shares(spec, x, scale, "nearest-even").items()}
        if overflow == "native":
            return lost["overflowed"], lost["zeroed"], lost["subnormal"], abs(scale)
        return lost["overflowed"] + lost["zeroed"], lost["subnormal"], abs(scale)

    assert got["scale"] == min(range(-40, 41), key=cost)


def test_made_up_values_are_the_same_for_the_same_seed_and_as_they_are_said_to_be(page):
    got = in_page(
        page,
        """const { generate } = await at('bits/generators.js');
        const make = (...given) => Array.from(generate(...given));
        return JSON.stringify([make('lognormal', -20, 4, 1), make('normal', -5, 4, 1), make('uniform', 3, 4, 1),
            make('normal', -5, 4, 1).join() === make('normal', -5, 4, 1).join(),
            make('normal', -5, 4, 1).join() === make('normal', -5, 4, 2).join()]);""",
    )
    log, normal, uniform = (np.array(each) for each in got[:3])
    assert (log.size, got[3], got[4]) == (65_536, True, False)
    powers = np.log2(np.abs(log))
    assert [powers.mean(), powers.std(), np.mean(log < 0)] == pytest.approx([-20, 4, 0.5], rel=0.02)
    assert [normal.mean(), normal.std()] == pytest.approx([0, 2**-5], abs=3e-4)
    assert [np.abs(uniform).max(), uniform.std()] == pytest.approx([8, 8 / math.sqrt(3)], rel=0.01)
    assert np.array_equal(log, log.astype(np.float32))


# -- files ---------------------------------------------------------------------------------------------------------


def safetensors(tensors: dict[str, tuple[str, tuple[int, ...], bytes]], **header) -> bytes:
    """The bytes of a file of these tensors: type, shape and bytes of each."""
    at, body = 0, b""
    for name, (dtype, shape, data) in tensors.items():
        header[name] = {"dtype": dtype, "shape": list(shape), "data_offsets": [at, at + len(data)]}
        at, body = at + len(data), body + data
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + body


READ = """
    const { contents, read } = await at('bits/files.js');
    const file = document.querySelector('input').files[0];
    const arrays = await contents(file);
    const found = [];
    for (const array of arrays) found.push({ ...array, ...(await read(file, array, given[0])) });
    return JSON.stringify(found.map((each) => ({ ...each, values: Array.from(each.values) })), plain);
"""


@pytest.fixture
def read_file(page, tmp_path):
    """Reads a file in the page, through a file field as a person would choose it."""
    page.evaluate("document.body.innerHTML = '<input type=\"file\">'")

    def read(content: bytes, name="file.npy", body=READ):
        path = tmp_path / name
        path.write_bytes(content)
        page.locator("input").set_input_files(path)
        return in_page(page, body, formats.catalogue())

    return read


def saved(array, version=None) -> bytes:
    file = io.BytesIO()
    np.lib.format.write_array(file, array, version=version, allow_pickle=True)
    return file.getvalue()


NUMPY_TYPES = (
    *("<f8", "<f4", "<f2", ">f8", ">f4", ">f2", "|i1", "<i2", ">i2", "<i4", ">i4", "<i8", ">i8"),
    *("|u1", "<u2", ">u4", "<u8", "|b1"),
)


def test_npy_files_of_every_plain_type_are_read(read_file):
    for dtype in NUMPY_TYPES:
        given = np.array([0, 1, 2.5, -3, 100, 127, -0.1], "f8")
        given = np.abs(given) if np.dtype(dtype).kind in "ub" else given
        array = given.astype(dtype)
        (found,) = read_file(saved(array))
        assert [float(value) for value in found["values"]] == array.astype("f8").tolist(), dtype


def test_npy_files_of_every_version_order_and_shape_are_read(read_file):
    for version in ((1, 0), (2, 0), (3, 0)):
        (found,) = read_file(saved(np.arange(6, dtype="f4").reshape(2, 3), version))
        assert (found["values"], found["shape"]) == ([0, 1, 2, 3, 4, 5], [2, 3])
    (found,) = read_file(saved(np.asfortranarray(np.arange(6, dtype="f4").reshape(2, 3))))
    assert sorted(found["values"]) == [0, 1, 2, 3, 4, 5]
    (found,) = read_file(saved(np.float64(0.1).reshape(())))
    assert (found["values"], found["shape"]) == ([0.1], [])
    special = np.array([math.inf, -math.inf, math.nan], "f2")
    assert read_file(saved(special))[0]["values"] == ["Infinity", "-Infinity", "NaN"]


SAFETENSORS_TYPES = {
    "F64": "f8", "F32": "f4", "F16": "f2", "BF16": ml_dtypes.bfloat16, "F8_E4M3": ml_dtypes.float8_e4m3fn,
    "F8_E5M2": ml_dtypes.float8_e5m2, "F8_E8M0": ml_dtypes.float8_e8m0fnu, "F8_E4M3FNUZ": ml_dtypes.float8_e4m3fnuz,
    "F8_E5M2FNUZ": ml_dtypes.float8_e5m2fnuz, "I8": "i1", "I16": "i2", "I32": "i4", "I64": "i8", "U8": "u1",
    "BOOL": "?",
}  # fmt: skip


def test_safetensors_of_every_type_are_read(read_file):
    codes = np.arange(256, dtype="u1")
    arrays, given = {}, {}
    for name, dtype in SAFETENSORS_TYPES.items():
        dtype = np.dtype(dtype)
        arrays[name] = codes.view(dtype) if dtype.itemsize == 1 and name != "BOOL" else (codes % 7 - 3.0).astype(dtype)
        given[name] = (name, arrays[name].shape, arrays[name].tobytes())
    found = {each["name"]: each for each in read_file(safetensors(given, __metadata__={"format": "np"}))}
    assert found.keys() == arrays.keys()
    for name, array in arrays.items():
        numbers = [float(value) for value in found[name]["values"]]
        assert np.array_equal(numbers, array.astype("f8"), equal_nan=True), name


def test_of_a_large_array_an_even_sample_is_read(read_file):
    array = np.random.default_rng(4).integers(0, 256, 9_000_001, dtype="u1")
    found = read_file(
        saved(array),
        body=READ.replace(
            "Array.from(each.values)", "[each.values.length, ...each.values.filter((_, at) => at % 997 === 0)]"
        ),
    )[0]
    sample = array[::3]
    assert (found["count"], found["stride"]) == (9_000_001, 3)
    assert found["values"] == [sample.size, *sample[::997].tolist()]


# -- the section ---------------------------------------------------------------------------------------------------

MOUNT = """
    const [catalogue, blocks, patch] = given;
    const { create } = await at('bits/tensor.js');
    document.body.innerHTML = '<div class="bits"><section></section></div>';
    window.state = { formats: ['fp32', 'bf16', 'fp16', 'e4m3fn', 'e5m2', 'e2m1'], focus: 'fp16',
        rounding: 'nearest-even', overflow: 'native', seed: 0, scale: 0, tensor: {}, ...patch };
    window.change = (patch) => { Object.assign(state, patch); section.update({ ...state }); };
    const section = create(document.querySelector('section'), { catalogue, blocks, change });
    section.update({ ...state });
    return 'true';
"""


@pytest.fixture
def mount(page):
    """Puts the section on the page with a state; the page."""

    def mounted(**patch):
        in_page(page, MOUNT, formats.catalogue(), formats.block_catalogue(), patch)
        return page

    return mounted


def cell(page, name, kind):
    return page.locator(f'tr[data-format="{name}"] [data-cell="{kind}"]')


def read_share(locator) -> float:
    return float(locator.inner_text().removesuffix(" %")) / 100


def caption(page):
    return page.locator(".tensor-caption")


def error(page):
    return page.locator(".tensor-error")


def choose(page, source):
    page.locator(".tensor-kind select").select_option(source)


def paste(page, text):
    choose(page, "pasted")
    page.locator("textarea").fill(text)


def test_pasted_numbers_are_counted_and_measured(mount):
    page = mount()
    paste(page, "[1, 2; 3e-9\t1e5 | 0.1 nan 0]\n(2^-30)")
    expect(caption(page)).to_have_text("Shown: 8 pasted numbers. Left out: 1 exact zero and 1 infinite or NaN value.")
    expect(cell(page, "fp16", "zeroed")).to_have_text("33.3 %")
    expect(cell(page, "fp16", "overflowed")).to_have_text("16.7 %")
    expect(cell(page, "fp16", "noise")).to_have_text("— most of the signal overflows")
    wanted = wanted_noise(formats.get("bf16"), np.array([1, 2, 3e-9, 1e5, 0.1, 2**-30]), 0, "nearest-even", "native")
    expect(cell(page, "bf16", "noise")).to_have_text(f"{wanted['decibels']:.1f} dB ")
    assert page.evaluate("state.tensor.source") == "pasted"
    page.evaluate("change({ overflow: 'saturate' })")
    expect(cell(page, "fp16", "noise")).to_contain_text("dB")
    expect(cell(page, "e5m2", "overflowed")).to_have_text("16.7 %")


def test_a_token_that_is_no_number_is_named_and_the_numbers_before_stay(mount):
    page = mount()
    paste(page, "1 2 4")
    expect(cell(page, "fp16", "noise")).to_have_text("exact ")
    page.locator("textarea").fill("1 2 four")
    expect(error(page)).to_have_text("Value 3 of 3, “four”, is not a number. Write numbers like 0.1, 1e-5 or 2^-14.")
    expect(page.locator("textarea")).to_have_attribute("aria-invalid", "true")
    expect(caption(page)).to_have_text("Shown: 3 pasted numbers.")
    assert page.evaluate("state.tensor.text") == "1 2 4"
    page.locator("textarea").fill("1 2")
    expect(error(page)).to_have_text("")
    expect(caption(page)).to_have_text("Shown: 2 pasted numbers.")


def test_the_slider_moves_the_shares_and_the_button_goes_to_the_best_scale(mount):
    page = mount(tensor={"source": "lognormal", "centre": -22, "spread": 3})
    sentence, slider = page.locator(".bits-sentence"), page.locator("[data-tensor-scale]")
    expect(sentence).to_contain_text("of the values become 0")
    before = cell(page, "fp16", "zeroed").inner_text()
    slider.fill("4")
    assert page.evaluate("state.scale") == 4
    assert float(cell(page, "fp16", "zeroed").inner_text().split()[0]) < float(before.split()[0])
    assert float(before.split()[0]) == pytest.approx(100 * 0.1587, abs=0.6)  # one deviation below the mean
    page.locator("[data-best]").click()
    expect(cell(page, "fp16", "zeroed")).to_have_text("0 %")
    expect(cell(page, "fp16", "overflowed")).to_have_text("0 %")
    expect(page.locator("[data-best]")).to_be_hidden()
    page.locator("[data-unscale]").click()
    assert page.evaluate("state.scale") == 0
    expect(cell(page, "fp16", "zeroed")).to_have_text(before)


def test_the_format_in_focus_is_the_one_that_is_spoken_of(mount):
    page = mount()
    page.get_by_role("button", name="FP8 E5M2").click()
    assert page.evaluate("state.focus") == "e5m2"
    expect(page.locator(".bits-sentence")).to_contain_text("In FP8 E5M2")
    expect(page.locator("tr[data-focus]")).to_have_attribute("data-format", "e5m2")


def test_block_formats_are_as_the_library_s(mount):
    page = mount(scale=3)
    chance = np.random.default_rng(5)
    numbers = (np.exp2(chance.normal(-9, 4, 100)) * chance.choice([-1, 1], 100)).round(9)
    numbers[40:90] = 0  # one whole block of 32, and of 16 two
    present = numbers[numbers != 0]
    paste(page, " ".join(map(str, numbers)))
    page.locator("[data-blocks]").check()
    for entry in formats.block_catalogue():
        spec = formats.get(entry["name"])
        q = spec.quantize(numbers * 8).astype(np.float64) / 8
        ratio = 10 * np.log10(np.sum(numbers**2) / np.sum((numbers - q) ** 2))
        expect(cell(page, spec.name, "noise")).to_have_text(f"{ratio:.1f} dB ")
        lost = np.mean(q[numbers != 0] == 0)
        assert read_share(cell(page, spec.name, "zeroed")) == pytest.approx(lost, abs=0.0005)
        blocks = [numbers[at : at + spec.block_size] * 8 for at in range(0, 100, spec.block_size)]
        shared = {"tensor_scale": np.abs(numbers * 8).max() / (6 * 448)} if spec.has_tensor_scale else {}
        elements = [one for block in blocks for one in spec.parts(block, **shared).elements]
        small = sum(0 < abs(one.element) < spec.element.smallest_normal for one in elements)
        cut = sum(abs(one.scaled) > spec.element.max for one in elements)
        assert read_share(cell(page, spec.name, "subnormal")) == pytest.approx(small / present.size, abs=0.0005)
        assert read_share(cell(page, spec.name, "overflowed")) == pytest.approx(cut / present.size, abs=0.0005)
    page.locator("[data-blocks]").uncheck()
    expect(cell(page, "mxfp4", "noise")).to_have_count(0)


GARBAGE = (
    *(None, [], "x", {"source": "evil"}),
    *({"centre": "a", "spread": 1e9}, {"source": "run", "run": 7, "lane": {}}),
)


def test_a_link_that_makes_no_sense_opens_with_the_usual_values(mount):
    for garbage in GARBAGE:
        page = mount(tensor=garbage)
        expect(caption(page)).to_have_text("Shown: 65,536 made-up values, log-normal about 2⁻²⁰, spread 4 octaves.")


def test_a_link_brings_pasted_numbers_back(mount):
    page = mount(tensor={"source": "pasted", "text": "1 2 3"})
    expect(caption(page)).to_have_text("Shown: 3 pasted numbers.")
    expect(page.locator("textarea")).to_have_value("1 2 3")


def test_a_tensor_of_a_file_is_shown_and_another_chosen_by_name(mount, tmp_path):
    page = mount()
    choose(page, "file")
    odd = ("F4", (2,), b"\0")
    weights = np.array([1e-9, 1.0, 2.0, 4.0], "f4")
    content = safetensors({"odd": odd, "w": ("F32", (2, 2), weights.tobytes()), "b": ("I8", (3,), b"\x01\x02\xff")})
    (tmp_path / "m.safetensors").write_bytes(content)
    page.locator("input[type=file]").set_input_files(tmp_path / "m.safetensors")
    expect(caption(page)).to_have_text("Shown: 4 values of F32 in w (m.safetensors).")
    expect(cell(page, "fp16", "zeroed")).to_have_text("25 %")
    page.get_by_label("Tensor", exact=True).select_option(label="b  I8 3")
    expect(caption(page)).to_have_text("Shown: 3 values of I8 in b (m.safetensors).")
    expect(cell(page, "fp16", "zeroed")).to_have_text("0 %")


def test_a_file_can_be_dropped_whatever_the_source_was(mount):
    page = mount()
    page.evaluate(
        """(bytes) => {
            const dataTransfer = new DataTransfer();
            dataTransfer.items.add(new File([Uint8Array.from(bytes)], 'dropped.npy'));
            document.querySelector('.tensor-source').dispatchEvent(new DragEvent('drop', { dataTransfer }));
        }""",
        list(saved(np.array([1, 2, 3], "<f2"))),
    )
    expect(caption(page)).to_have_text("Shown: 3 values of F16 (dropped.npy).")
    assert page.evaluate("state.tensor") == {"source": "file"}


def npy(header: str, data: bytes = b"", version: int = 1) -> bytes:
    text = header.encode("latin1")
    return b"\x93NUMPY" + bytes([version, 0]) + struct.pack("<H", len(text)) + text + data


F4 = "{'descr': '<f4', 'fortran_order': False, 'shape': (%s,), }\n"
BAD_FILES = {
    "empty": (b"", "is empty"),
    "a picture": (b"\x89PNG\r\n\x1a\n" + b"\0" * 60, "is neither a .npy nor a .safetensors file"),
    "a pickle": (b"\x80\x04\x95" + b"\0" * 30, "not opened here: it may run code"),
    "a torch file": (b"PK\x03\x04" + b"\0" * 30, "not opened here: it may run code"),
    "too short for the shape": (npy(F4 % 100, b"\0" * 40), "should have 400 bytes (100 of F32), but the file has 40"),
    "too long for the shape": (npy(F4 % 2, b"\0" * 40), "should have 8 bytes (2 of F32), but the file has 40"),
    "cut in its header": (saved(np.ones(3))[:40], "ends within its header"),
    "of a later version": (npy(F4 % 2, b"\0" * 8, version=9), "version 9 of the .npy format"),
    "without a type": (npy("{'shape': (2,)}", b"\0" * 8), "does not say of which type"),
    "of objects": (saved(np.array([{}, None], object)), "holds Python objects, which are never unpickled"),
    "of records": (saved(np.zeros(2, [("a", "f4")])), "records with named fields"),
    "of texts": (saved(np.array(["a", "b"])), "holds texts"),
    "of complex numbers": (saved(np.ones(2, "c8")), "holds complex numbers"),
    "of nothing": (saved(np.ones((0, 3))), "is empty: its shape is 0 × 3"),
    "of bare bytes": (saved(np.ones(2, ml_dtypes.bfloat16).view("V2")), "use safetensors"),
    "safetensors cut in a tensor": (safetensors({"w": ("F32", (9,), bytes(36))})[:-1], "is cut short: tensor w"),
    "safetensors cut in its header": (safetensors({"w": ("F32", (9,), bytes(36))})[:30], "ends within its header"),
    "safetensors without JSON": (struct.pack("<Q", 4) + b"{,,}", "header is not JSON"),
    "safetensors with a false shape": (safetensors({"w": ("F32", (9,), bytes(8))}), "should have 36 bytes"),
    "safetensors without a place": (struct.pack("<Q", 8) + b'{"w":{}}', "does not say where tensor w lies"),
    "safetensors of nothing": (safetensors({}), "holds no tensor"),
    "safetensors of an unread type": (safetensors({"w": ("C64", (1,), bytes(8))}), "is of type C64, which is not read"),
}


@pytest.fixture(scope="module")
def kept(browser, modules_address):
    """The section with a good file in it, for all the bad ones that come after."""
    page = browser.new_page()
    page.goto(modules_address)
    in_page(page, MOUNT, formats.catalogue(), formats.block_catalogue(), {})
    choose(page, "file")
    good = {"name": "good.npy", "mimeType": "", "buffer": saved(np.array([1e-9, 1, 2, 4]))}
    page.locator("input[type=file]").set_input_files(good)
    expect(caption(page)).to_have_text("Shown: 4 values of F64 (good.npy).")
    yield page
    page.close()


@pytest.mark.parametrize("name", BAD_FILES)
def test_a_bad_file_gets_one_sentence_and_what_was_shown_stays(kept, name):
    content, sentence = BAD_FILES[name]
    kept.locator("input[type=file]").set_input_files({"name": "bad.bin", "mimeType": "", "buffer": content})
    expect(error(kept)).to_contain_text(sentence)
    assert error(kept).inner_text().endswith(".")
    expect(caption(kept)).to_have_text("Shown: 4 values of F64 (good.npy).")
    expect(cell(kept, "fp16", "zeroed")).to_have_text("25 %")


def test_a_file_that_is_too_large_is_refused_unread(kept, tmp_path):
    with open(tmp_path / "huge.npy", "wb") as file:
        file.truncate(2 * 2**30)
    kept.locator("input[type=file]").set_input_files(tmp_path / "huge.npy")
    expect(error(kept)).to_have_text("huge.npy has 2.00 GiB; files of up to 256 MiB can be read here.")
    expect(caption(kept)).to_have_text("Shown: 4 values of F64 (good.npy).")


# -- runs ----------------------------------------------------------------------------------------------------------

LISTED = {
    **{"id": "abc", "model": "mlp", "data": "digits", "lanes": ["FP32", "FP16"]},
    **{"state": "finished", "steps": 20, "started": 1.7e9},
}


def events() -> str:
    """A run that samples every tenth step of two lanes."""
    lanes = [{"name": "FP32"}, {"name": "FP16"}]
    started = {"type": "run_started", "run": "abc", "seq": 0, "config": {"model": "mlp"}, "lanes": lanes}
    lines = [started]
    for step in range(20):
        for lane, scale in enumerate((None, 1024.0)):
            event = {"type": "step", "run": "abc", "lane": lane, "step": step, "loss": 1.0, "scale": scale}
            if step % 10 == 0:
                counts = [300, 0, 100] if step else [100, 300]
                histogram = {"low": -28, "counts": counts}
                event["gradients"] = {"zero_fraction": 0.5, "subnormal_fraction": 0.0, "nonfinite_fraction": 0.0,
                                      "histogram": histogram, "lost_fraction": None}  # fmt: skip
            lines.append(event)
    return "".join(json.dumps(line, separators=(",", ":")) + "\n" for line in lines)


@pytest.fixture
def asked(page):
    """What the page asked of the server's runs."""
    requests = []

    def answer(route):
        requests.append(route.request.url.rpartition("/")[2])
        body = json.dumps([LISTED]) if route.request.url.endswith("runs.json") else events()
        route.fulfill(body=body, content_type="application/json")

    page.route("**/runs.json", answer)
    page.route("**/runs/*.jsonl", answer)
    return requests


def test_a_run_is_fetched_when_it_is_picked_and_its_gradients_are_shown(mount, asked):
    page = mount()
    assert asked == []
    choose(page, "run")
    runs = page.get_by_label("Run", exact=True)
    expect(runs.locator("option")).to_have_count(2)
    assert asked == ["runs.json"]
    runs.select_option("abc")
    expect(caption(page)).to_have_text(
        "Shown: 400 gradients of lane FP32 at step 0; 50 % of all were 0 when recorded. Left out: 400 exact zeros."
    )
    assert asked == ["runs.json", "abc.jsonl"]
    expect(cell(page, "fp16", "zeroed")).to_have_text("100 %")
    expect(cell(page, "fp16", "noise")).to_have_text("— only a histogram was recorded")
    page.get_by_label("Lane", exact=True).select_option("FP16")
    page.get_by_label("Sampled step", exact=True).fill("1")
    expect(caption(page)).to_contain_text("lane FP16 at step 10, times the loss scale 2¹⁰")
    page.locator("[data-tensor-scale]").fill("2")
    expect(cell(page, "fp16", "zeroed")).to_have_text("75 %")
    assert page.evaluate("state.tensor") == {"source": "run", "run": "abc", "lane": 1, "step": 10}


def test_a_link_to_a_run_waits_for_the_person(mount, asked):
    page = mount(tensor={"source": "run", "run": "abc", "lane": 1, "step": 10})
    expect(caption(page)).to_contain_text("made-up values")
    assert asked == []
    page.get_by_label("Run", exact=True).select_option("abc")
    expect(caption(page)).to_contain_text("lane FP16 at step 10")
    assert asked == ["abc.jsonl"]


def test_the_section_keeps_up_with_the_slider(mount):
    page = mount()
    milliseconds = page.evaluate(
        """() => {
            const times = [];
            for (let k = -30; k <= 30; k++) {
                const began = performance.now();
                change({ scale: k });
                times.push(performance.now() - began);
            }
            return times.sort((one, other) => one - other)[30];
        }"""
    )
    assert milliseconds < 16
