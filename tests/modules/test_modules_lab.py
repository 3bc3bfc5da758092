"""The modules without a page around them: the codec against :mod:`explorer.formats`, the run model against frames."""

import json
import math
import random

import pytest

from explorer import formats

CODEC = "shared/codec.js"


def _call(page, module: str, function: str, *arguments):
    """Call a module's function in the page; numbers that JSON cannot say come back as strings."""
    return page.evaluate(
        """async ([module, name, given]) => {
            const loaded = await import(new URL(`static-files/${module}`, document.baseURI));
            const plain = (value) => (Object.is(value, -0) ? '-0' : Number.isFinite(value) ? value : String(value));
            const write = (_, value) => (typeof value === 'number' ? plain(value) : value);
            return JSON.stringify(loaded[name](...given), write);
        }""",
        [module, function, list(arguments)],
    )


def _codes(spec: dict) -> list[int]:
    """Every code of a small format; of a large one the edges and a sample."""
    if spec["bits"] <= 8:
        return list(range(2 ** spec["bits"]))
    chance = random.Random(spec["name"])
    half = 2 ** (spec["bits"] - 1)
    edges = [0, 1, spec["max_code"], spec["max_code"] + 1, half - 1, half, half + 1, 2 ** spec["bits"] - 1]
    edges += [2 ** spec["mantissa_bits"] + offset for offset in (-1, 0, 1)]
    return edges + [chance.randrange(2 ** spec["bits"]) for _ in range(500)]


@pytest.mark.parametrize("name", [spec["name"] for spec in formats.catalogue() if spec["bits"] <= 32])
def test_the_codec_decodes_as_the_library_does(page, name):
    spec = next(spec for spec in formats.catalogue() if spec["name"] == name)
    codes = _codes(spec)
    answers = page.evaluate(
        """async ([codes, format]) => {
            const { decode } = await import(new URL('static-files/shared/codec.js', document.baseURI));
            return codes.map((code) => {
                const { kind, sign, exponentField, mantissaField, value } = decode(code, format);
                return [kind, sign, exponentField, mantissaField, Number.isFinite(value) ? value : String(value)];
            });
        }""",
        [codes, {name: value for name, value in spec.items() if value != math.inf}],
    )
    for code, (kind, sign, exponent, mantissa, value) in zip(codes, answers, strict=True):
        wanted = formats.get(name).decode(code)
        assert (kind, sign, exponent, mantissa) == (
            wanted.kind,
            wanted.sign,
            wanted.exponent_field,
            wanted.mantissa_field,
        )
        if kind in ("normal", "subnormal"):
            # JSON has no float that is not an integer too: 2^60 comes back as an int.
            assert float(value) == wanted.value


def test_the_exact_value_is_the_library_s(page):
    code = formats.get("bf16").encode(0.1)
    assert json.loads(_call(page, CODEC, "exact", formats.get("bf16").decode(code).value)) == (
        formats.get("bf16").decode(code).exact
    )


FRAMES = [
    {
        "from": 0,
        "to": 2,
        "events": [
            {
                "type": "run_started",
                "seq": 0,
                "time": 0.5,
                "config": {"steps": 4},
                "lanes": [{"name": "a"}, {"name": "b"}],
            }
        ],
        "lanes": {
            "0": {"step": 0, "loss": [2.5], "step_ms": [250]},
            "1": {
                "step": 0,
                "loss": ["nan"],
                "scale": 65536,
                "skipped": [1],
                "step_ms": [250],
                "bits": {"step": [0], "weight": [7], "update": [None]},
            },
        },
    },
    {"from": 3, "to": 3, "lanes": {"0": {"step": 1, "loss": [2.25], "step_ms": [500]}}},
]


def _replay(page, frames: list[dict]) -> dict:
    """Apply frames to an empty run; the outcomes and the run."""
    return json.loads(
        page.evaluate(
            """async (frames) => {
                const address = new URL('static-files/lab/run.js', document.baseURI);
                const { applyFrame, emptyRun, progress } = await import(address);
                const run = emptyRun('r');
                const outcomes = frames.map((frame) => applyFrame(run, frame));
                return JSON.stringify({ outcomes, run, progress: progress(run) },
                    (_, value) => (Number.isNaN(value) ? 'NaN' : value));
            }""",
            frames,
        )
    )


def test_frames_add_up_to_the_run(page):
    replayed = _replay(page, FRAMES)
    first, second = replayed["run"]["lanes"]
    assert first["step"] == [0, 1]
    assert first["loss"] == [2.5, 2.25]
    assert first["scale"] == [None, None]
    assert first["skipped"] == [0, 0]
    assert second["loss"] == ["NaN"]
    assert second["skipped"] == [1]
    assert second["bits"] == [[0, {"weight": 7}]]
    assert replayed["progress"]["fraction"] == pytest.approx(3 / 8)
    assert replayed["run"]["time"] == pytest.approx(1.5)


def test_a_frame_that_is_known_changes_nothing_and_a_gap_is_noticed(page):
    replayed = _replay(page, [FRAMES[0], FRAMES[0], {**FRAMES[1], "from": 9, "to": 9}])
    assert replayed["outcomes"] == ["applied", "known", "gap"]
    assert replayed["run"]["lanes"][0]["step"] == [0]


def test_thinning_keeps_both_ends_and_every_extreme(page):
    ys = [math.sin(step / 50) for step in range(10_000)]
    ys[4321] = 40.0
    kept = json.loads(_call(page, "shared/plots.js", "thinned", list(range(10_000)), ys, 2000))
    assert len(kept) <= 2001
    assert kept == sorted(set(kept))
    assert kept[-1] == 9999
    assert 4321 in kept


def test_durations_are_written_for_people(page):
    written = [json.loads(_call(page, "lab/progress.js", "duration", seconds)) for seconds in (0.25, 12.3, 119.7, 3600)]
    assert written == ["0.3 s", "12 s", "2 min 00 s", "60 min 00 s"]


def test_bytes_are_written_for_people(page):
    given = [0, 1, 1023, 1024, 1023 * 1024, 24_600_000, 3 * 2**40]
    written = [json.loads(_call(page, "shared/bytes.js", "humanBytes", count)) for count in given]
    assert written == ["0 B", "1 B", "1023 B", "1.00 KiB", "1023 KiB", "23.5 MiB", "3.00 TiB"]
