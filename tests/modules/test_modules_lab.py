"""The Lab's modules without a page around them: the run model against frames, and how numbers are written."""

import json
import math

import pytest


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
