"""The Hardware page's modules without a page around them: figures, comparison, the result card, made-up machines."""

import json

import pytest

GPU = {
    "device": "cuda:0", "type": "cuda", "vendor": "nvidia", "name": "NVIDIA H100 80GB HBM3",
    "compute_capability": "9.0", "architecture": "Hopper", "instructions": [], "half": {}, "cores": 132, "threads": 16,
    "memory_total": 85_000_000_000, "memory_free": 84_000_000_000, "torch": "2.13.0", "build": "cuda 13.0",
    "driver": "580.65", "clock_mhz": 1980, "clock_max_mhz": 1980, "power_limit_w": 700, "nvml": "read",
}  # fmt: skip
CPU = {
    "device": "cpu", "type": "cpu", "vendor": "cpu", "name": "A <b>CPU</b>", "compute_capability": None,
    "architecture": None, "instructions": ["AVX2"], "half": {}, "cores": 16, "threads": 16, "memory_total": 128 << 30,
    "memory_free": 100 << 30, "torch": "2.13.0", "build": "cuda 13.0",
    "cpu_limit": {"cores": 1.5, "source": "/sys/fs/cgroup/cpu.max"},
}  # fmt: skip


def product(name, gflops, support="native"):
    return {"device": "cuda:0", "format": name, "gflops": gflops, "median_gflops": 0.9 * gflops, "calls": 60,
            "shape": [4096, 8192, 4096], "shapes": 80, "accumulate": "float32", "support": support}  # fmt: skip


def training(recipe, compute, step_ms, support="native"):
    return {"device": "cuda:0", "recipe": recipe, "compute": compute, "support": support, "model": "gpt2-tiny",
            "batch_size": 8, "sequence_length": 128, "parameters": 842_496, "step_ms": step_ms,
            "median_step_ms": step_ms, "samples_per_s": 8000 / step_ms, "steps": 50}  # fmt: skip


def verdict(device, name, support, how="Because."):
    return {"device": device, "format": name, "support": support, "how": how, "evidence": "documented", "source": "S"}


RESULT = {
    "version": 1, "explorer": "0.1.0", "complete": True, "message": "", "seconds": 23.0, "options": {}, "versions": {},
    "device": "cuda:0", "devices": [CPU, GPU],
    "formats": [verdict("cpu", "fp32", "native"), verdict("cpu", "e3m2", "emulated"),
                verdict("cpu", "e2m3", "emulated"),
                verdict("cuda:0", "fp32", "native"), verdict("cuda:0", "e3m2", "emulated"),
                verdict("cuda:0", "fp64", "missing", "<img src=x onerror=alert(1)>")],
    "matmul": [product("fp32", 50_000), product("bf16", 800_000), product("int8", 1_400_000)],
    "bandwidth": {"device": "cuda:0", "gb_per_s": 3015, "median_gb_per_s": 3000, "bytes": 1, "rounds": 9},
    "casts": [{"device": "cuda:0", "from": "fp32", "to": "bf16", "gvalues_per_s": 450, "gb_per_s": 2700, "rounds": 9}],
    "training": [training("fp32", "fp32", 9.0), training("bf16-amp", "bf16", 10.0),
                 training("mxfp8", "mxfp8-e4m3", 90.0, "emulated")],
    "speedups": [
        {"recipe": "fp32", "compute": "fp32", "support": "native", "kernel": 1, "training": 1},
        {"recipe": "bf16-amp", "compute": "bf16", "support": "native", "kernel": 16, "training": 0.9},
        {"recipe": "mxfp8", "compute": "mxfp8-e4m3", "support": "emulated", "kernel": None, "training": 0.1},
    ],
    "datasheet": {
        "name": "H100 SXM", "source": "a datasheet", "memory_gb": 80, "bandwidth_gb_s": 3350, "bandwidth_share": 0.9,
        "formats": [{"format": "bf16", "measured_tflops": 800, "peak_tflops": 989.4, "share": 0.8086,
                     "sparse_tflops": 1978.8, "sentence": "800 of 989.4 TFLOP/s."}],
        "achieved_elsewhere": [{"name": "H100 SXM", "format": "bf16", "achieved_tflops": 794.5, "share": 0.803,
                                "shape": "2048x2048x13312", "source": "others"}],
    },
    "unavailable": [],
    "advice": {"device": "cuda:0", "recipe": "bf16-amp", "reason": "BF16 is native here.", "code": [
        {"name": "PyTorch", "language": "python", "code": "import torch\n", "note": ""},
        {"name": "Lightning", "language": "python", "code": "import lightning\n", "note": "a note"}],
        "runner_up": {"recipe": "fp8-tensorwise", "reason": "For large layers."},
        "avoid": [{"recipe": "bf16-pure", "reason": "Updates are lost."}]},
}  # fmt: skip
ENTRY = {
    "check": "abc",
    "created": 1_700_000_000,
    "state": "finished",
    "message": "",
    "progress": None,
    "result": RESULT,
}
LABELS = {"fp32": "FP32", "bf16": "BF16", "bf16-amp": "BF16 autocast", "e3m2": "FP6 E3M2", "e2m3": "FP6 E2M3"}


def call(page, module, name, *given):
    """What a function returns, or the sentence of the BadInput that it throws."""
    return json.loads(
        page.evaluate(
            """async ([module, name, given]) => {
                const loaded = await import(new URL(`static-files/hardware/${module}`, document.baseURI));
                try {
                    return JSON.stringify({ value: loaded[name](...given) });
                } catch (error) {
                    return JSON.stringify({ refused: error.constructor.name, message: error.message });
                }
            }""",
            [module, name, list(given)],
        )
    )


def section(page, module, result, entry=None):
    """A section of the page with a result in it."""
    page.evaluate(
        """async ([module, result, entry, labels]) => {
            const loaded = await import(new URL(`static-files/hardware/${module}`, document.baseURI));
            document.body.replaceChildren(document.createElement('section'));
            loaded.create(document.body.firstChild, { labels, sheets: [] }).update(result, entry);
        }""",
        [module, result, entry, LABELS],
    )
    return page.locator("section")


@pytest.mark.parametrize(
    ("function", "given", "text"),
    [
        ("rate", [0.0123], "0.0123 GFLOP/s"),
        ("rate", [133.4], "133 GFLOP/s"),
        ("rate", [999.4], "999 GFLOP/s"),
        ("rate", [999.5], "1 TFLOP/s"),
        ("rate", [794_500], "795 TFLOP/s"),
        ("rate", [1_979_000, "int8"], "1,979 TOP/s"),
        ("times", [1], "1.00 ×"),
        ("times", [0.944], "0.94 ×"),
        ("times", [16.04], "16 ×"),
        ("times", [None], "—"),
        ("percent", [0.8086], "81 %"),
        ("percent", [0.0123], "1.2 %"),
        ("seconds", [3.44], "3.4 s"),
        ("seconds", [20], "20 s"),
        ("seconds", [65], "1:05 min"),
        ("digits", [842_496], "842,496"),
        ("digits", [0.0001], "< 0.001"),
        ("shape", [[1, 2, 3]], "1 × 2 × 3"),
    ],
)
def test_figures_are_written_as_people_read_them(calculator, function, given, text):
    assert call(calculator, "numbers.js", function, *given) == {"value": text}


def test_a_result_is_read_back(calculator):
    assert call(calculator, "comparison.js", "readResult", json.dumps(RESULT))["value"] == RESULT


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("what", "got what, but takes the JSON"),
        ("", "got nothing"),
        ("[1, 2]", "no result of a check"),
        ("null", "no result of a check"),
        (json.dumps({**RESULT, "version": 2}), "of version 2"),
        (json.dumps({**RESULT, "matmul": [{"format": "fp32", "gflops": "fast"}]}), "no positive numbers"),
        (json.dumps({**RESULT, "matmul": [None]}), "no positive numbers"),
        (json.dumps({**RESULT, "bandwidth": {"gb_per_s": -1}}), "no positive numbers"),
        ("9" * 3_000_000, "too long"),
    ],
)
def test_what_is_no_result_is_a_sentence(calculator, text, words):
    found = call(calculator, "comparison.js", "readResult", text)
    assert found["refused"] == "BadInput"
    assert words in found["message"]


def test_a_comparison_says_how_many_times_as_fast_the_second_is(calculator):
    second = {**RESULT, "matmul": [product("fp32", 100_000), product("fp16", 1)], "bandwidth": None,
              "training": [training("fp32", "fp32", 3.0)]}  # fmt: skip
    rows = {
        (row["kind"], row["name"]): row
        for row in call(calculator, "comparison.js", "compared", RESULT, second)["value"]
    }
    assert rows["product", "fp32"]["ratio"] == 2
    assert rows["step", "fp32"]["ratio"] == 3
    assert rows["product", "bf16"]["second"] is None
    assert rows["product", "fp16"]["first"] is None
    assert rows["memory", "copy"]["ratio"] is None


def test_the_card_says_what_was_measured(calculator):
    lines = call(calculator, "card.js", "cardLines", ENTRY, {"labels": LABELS})["value"]
    assert lines[0] == {"kind": "title", "text": "NVIDIA H100 80GB HBM3"}
    bars = {line["name"]: line for line in lines if line["kind"] == "bar"}
    assert (bars["BF16"]["figure"], bars["BF16"]["aside"]) == ("800 TFLOP/s", "81 % of peak")
    assert bars["mxfp8"]["aside"] == "emulated"
    assert any(line.get("text") == "Train in BF16 autocast" for line in lines)


def test_the_card_is_a_picture(page):
    size = page.evaluate(
        """async ([entry, labels]) => {
            const { pngOf } = await import(new URL('static-files/hardware/card.js', document.baseURI));
            const picture = new Image();
            picture.src = await pngOf(entry, { labels });
            await picture.decode();
            return [picture.width, picture.height];
        }""",
        [ENTRY, LABELS],
    )
    assert size[0] == 1920
    assert size[1] > 600


def test_formats_of_which_the_same_is_said_share_a_line(calculator):
    groups = call(calculator, "formats.js", "alike", RESULT["formats"])["value"]
    assert [[row["format"] for row in group] for group in groups] == [
        ["fp32"], ["e3m2", "e2m3"], ["fp32"], ["e3m2"], ["fp64"],
    ]  # fmt: skip


def test_several_devices_have_a_column_and_nothing_is_read_as_markup(page):
    found = section(page, "formats.js", RESULT)
    assert "device" in found.locator("thead").inner_text().lower()
    assert found.locator("tbody tr").count() == 5
    assert found.locator("img").count() == 0
    assert "<img" in found.inner_text()


def test_a_gpu_s_facts_and_a_container_s_limit_are_named(page):
    text = section(page, "devices.js", RESULT).inner_text()
    for words in (
        "9.0, Hopper",
        "700 W",
        "580.65",
        "1.5 cores by the control group (/sys/fs/cgroup/cpu.max)",
        "<b>CPU</b>",
    ):
        assert words in text


def test_rates_stand_beside_the_peak(page):
    found = section(page, "rates.js", RESULT)
    assert "81 % of peak" in found.inner_text()
    assert found.locator(".hw-bar u").count() == 1


def test_an_emulated_recipe_shows_no_kernel_speed(page):
    row = section(page, "speedups.js", RESULT).locator("[data-recipe=mxfp8]")
    assert "emulated" in row.inner_text()
    assert row.locator("[data-kind=kernel]").count() == 0


def test_the_datasheet_explains_sparsity_and_names_what_others_reached(page):
    text = section(page, "datasheet.js", RESULT).inner_text()
    for words in ("2:4 sparsity", "H100 SXM", "81 %", "795 TFLOP/s in bf16"):
        assert words in text


def test_advice_comes_with_code_in_tabs(page):
    found = section(page, "advice.js", RESULT, ENTRY)
    assert "BF16 autocast" in found.inner_text()
    assert found.locator("pre").inner_text() == "import torch\n"
    found.get_by_role("tab", name="PyTorch").focus()
    page.keyboard.press("ArrowRight")
    assert found.locator("pre").inner_text() == "import lightning\n"
    assert "a note" in found.inner_text()


def test_a_result_that_is_hardly_begun_can_be_shown(page):
    bare = {**RESULT, "matmul": [], "training": [], "speedups": [], "casts": [], "bandwidth": None, "datasheet": None}
    for module in ("rates.js", "speedups.js", "memory.js", "datasheet.js", "devices.js", "formats.js"):
        assert section(page, module, bare).inner_text()
