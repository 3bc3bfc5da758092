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


def test_further_seeds_make_a_mean_and_a_deviation(page):
    started = {"type": "run_started", "time": 0, "config": {"steps": 9, "seeds": 3}, "lanes": [{"name": "a"}]}
    lanes = {
        "0": {"step": 0, "loss": [1, 2], "step_ms": [100, 100]},
        "0.1": {"step": 0, "loss": [2, "nan"]},
        "0.2": {"step": 0, "loss": [3]},
    }
    replayed = _replay(page, [{"from": 0, "to": 5, "events": [started], "lanes": lanes}])
    (lane,) = replayed["run"]["lanes"]
    assert lane["others"] == [[2, "NaN"], [3]]
    # The seeds take turns on the device, and only the first tells its time.
    assert replayed["run"]["time"] == pytest.approx(0.6)
    assert json.loads(_call(page, "lab/run.js", "overSeeds", lane, 0)) == {"mean": 2, "deviation": 1}
    assert json.loads(_call(page, "lab/run.js", "overSeeds", lane, 1)) is None


def test_samples_and_what_is_fetched_apart_are_taken_in(page):
    events = [
        {"type": "run_started", "time": 0, "config": {"steps": 9}, "lanes": [{"name": "a"}]},
        {"type": "operations", "lane": 0},
        {"type": "operations", "lane": 0},
    ]
    columns = {
        "step": 0,
        "loss": [1],
        "eval": {"step": [0], "loss": [2], "autocast_loss": ["inf"]},
        "bits": {"step": [0, 3], "compute": [5, 6], "compute_scale_format": "e8m0", "compute_scale_code": [119, None]},
    }
    run = _replay(page, [{"from": 0, "to": 3, "events": events, "lanes": {"0": columns}}])["run"]
    (lane,) = run["lanes"]
    assert run["apart"] == {"operations": 2}
    assert lane["eval"][0][1]["loss"] == 2
    assert lane["bits"] == [
        [0, {"compute": 5, "compute_scale_format": "e8m0", "compute_scale_code": 119}],
        [3, {"compute": 6, "compute_scale_format": "e8m0"}],
    ]


@pytest.mark.parametrize(
    ("asked", "shown"),
    [
        ("", ["loss", "scale", "memory", "bits"]),
        ("gradients", ["gradients", "loss", "scale", "memory"]),
        ("speed.updates.loss.timeline", ["speed", "updates", "loss", "timeline"]),
        ("bits,bits,nonsense,constructor", ["bits", "loss", "scale", "memory"]),
        ("loss.scale.memory.bits.speed", ["loss", "scale", "memory", "bits"]),
    ],
)
def test_an_address_says_which_panels_are_shown(page, asked, shown):
    code = """async (asked) => {
        const { panelsIn, keepPanels } = await import(new URL('static-files/lab/grid.js', document.baseURI));
        const shown = panelsIn(new URLSearchParams(asked ? { panels: asked } : {}));
        const address = new URL('http://a/?run=x');
        keepPanels(address, shown);
        return [shown, panelsIn(address.searchParams), address.search];
    }"""
    first, again, query = page.evaluate(code, asked)
    assert first == again == shown
    assert query == ("?run=x" if shown == ["loss", "scale", "memory", "bits"] else "?run=x&panels=" + ".".join(shown))


ROWS = [
    {"module": "h.0.attn", "op": "addmm", "direction": "forward", "dtype_in": "fp16", "dtype_out": "fp16"},
    {"module": "h.0.ln_1", "op": "native_layer_norm", "direction": "forward", "dtype_in": "fp32", "dtype_out": "fp32"},
    {"module": "h.1.attn", "op": "addmm", "direction": "backward", "dtype_in": "e5m2", "dtype_out": "fp32",
     "emulated": True},
]  # fmt: skip


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ("", [0, 1, 2]),
        ("ADDMM", [0, 2]),
        ("attn backward", [2]),
        ("fp16 ln_1", []),
        ("emulated", [2]),
        (" h.0 ", [0, 1]),
    ],
)
def test_operations_are_found_by_every_word(page, words, found):
    assert json.loads(_call(page, "lab/operations.js", "found", ROWS, words)) == [ROWS[at] for at in found]


@pytest.mark.parametrize("op", ["native_layer_norm", "layer_norm", "native_layer_norm_backward"])
def test_what_autocast_treats_otherwise_on_cuda_is_told(page, op):
    policies = {"layer_norm": {"cpu": "given", "cuda": "fp32"}}
    told = json.loads(_call(page, "lab/operations.js", "otherwise", op, policies))
    assert told == "autocast casts to float32 on CUDA, but leaves the arguments as they are on a CPU"
    assert json.loads(_call(page, "lab/operations.js", "otherwise", "addmm", policies)) == ""
    assert json.loads(_call(page, "lab/operations.js", "otherwise", "constructor", policies)) == ""


def test_a_lane_s_speed_is_the_median_of_its_later_steps(page):
    sample = {"forward_ms": 2.0, "backward_ms": 5.0, "optimizer_ms": 1.0, "gflops": 12.0}
    lane = {"speed": [[0, {**sample, "forward_ms": 900.0}], *([step, sample] for step in (1, 10, 20))]}
    run = {"started": {"config": {"batch_size": 8, "accumulation_steps": 2}}}
    speed = json.loads(_call(page, "lab/speed.js", "speedOf", lane, run))
    assert (speed["forward"], speed["total"], speed["samples"], speed["gflops"]) == (2, 8, 2000, 12)
    assert speed["share"] is None
    assert json.loads(_call(page, "lab/speed.js", "speedOf", {"speed": []}, run)) is None
