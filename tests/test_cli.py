"""The command line as a person uses it: a process, its output and its exit status."""

import csv
import io
import json
import signal
import subprocess
import sys
import time

import pytest

from explorer.sessions import Store

CONFIG = {"model": "mlp", "steps": 6, "batch_size": 16, "lanes": [{"name": "[b]one", "recipe": "fp32"}]}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("data")


def explorer(*arguments, given=""):
    command = [sys.executable, "-m", "explorer", *map(str, arguments)]
    return subprocess.run(command, input=given, capture_output=True, text=True, check=False, timeout=120)


@pytest.fixture(scope="module")
def recorded(folder):
    """A run by way of --jsonl: its process and its events."""
    done = explorer("burst", "--config", "-", "--jsonl", "--data-dir", folder, given=json.dumps(CONFIG))
    return done, [json.loads(line) for line in done.stdout.splitlines()]


def test_burst_prints_one_event_a_line_and_nothing_else(recorded):
    done, events = recorded
    assert done.returncode == 0
    assert done.stderr == ""
    assert [event["seq"] for event in events] == list(range(len(events)))
    assert events[0]["type"] == "run_started"
    assert events[-1]["type"] == "run_finished"


def test_what_was_printed_is_in_the_store(recorded, folder):
    _, events = recorded
    exported = explorer("runs", "export", events[0]["run"], "--data-dir", folder)
    assert [json.loads(line) for line in exported.stdout.splitlines()] == events


def test_steps_export_as_csv(recorded, folder):
    _, events = recorded
    exported = explorer("runs", "export", events[0]["run"], "--format", "csv", "--data-dir", folder)
    rows = list(csv.DictReader(io.StringIO(exported.stdout)))
    losses = [event["loss"] for event in events if event["type"] == "step"]
    assert [float(row["loss"]) for row in rows] == losses


def test_runs_are_listed_and_shown(recorded, folder):
    run = recorded[1][0]["run"]
    assert run in explorer("runs", "list", "--data-dir", folder).stdout
    assert run in {
        entry["run"] for entry in json.loads(explorer("runs", "list", "--json", "--data-dir", folder).stdout)
    }
    shown = json.loads(explorer("runs", "show", run, "--json", "--data-dir", folder).stdout)
    assert (shown["state"], shown["step"], shown["config"]["model"]) == ("finished", 6, "mlp")


def test_without_jsonl_a_table_and_the_sentences_end_the_run(folder, tmp_path):
    file = tmp_path / "config.json"
    file.write_text(json.dumps(CONFIG))
    done = explorer("burst", "--config", file, "--data-dir", folder)
    assert done.returncode == 0
    assert "[b]one" in done.stdout
    assert "fp32 (native)" in done.stdout
    assert "Loss" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "given", "sentence"),
    [
        (["burst", "--config", "-"], '{"steps": 0, "lanes": [{"recipe": "fp32"}]}', "steps: got 0"),
        (["burst", "--config", "-"], "not json", "config: got"),
        (["burst", "--config", "-"], '{"lanes": []}', "one to four lanes"),
        (["burst", "--config", "/no/such/file"], "", "--config: /no/such/file"),
        (["burst", "--preset", "none"], "", "preset: got 'none'"),
        (["burst"], "", "--config"),
        (["burst", "--preset", "underflow-mlp", "--device", "cuda:99"], "", "device: got 'cuda:99'"),
        (["runs", "show", "nobody"], "", "run: got 'nobody'"),
        (["runs", "export", "nobody"], "", "run: got 'nobody'"),
        (["dance"], "", "dance"),
    ],
)
def test_bad_input_is_one_line_and_status_2(arguments, given, sentence, tmp_path):
    where = ["--data-dir", str(tmp_path)] if len(arguments) > 1 else []
    done = explorer(*arguments, *where, given=given)
    assert done.returncode == 2
    assert sentence in done.stderr
    assert done.stderr.count("\n") == 1
    assert done.stdout == ""
    store = Store(tmp_path)
    assert store.list() == []
    store.close()


def test_an_interrupt_is_recorded_and_ends_with_130(tmp_path):
    command = [sys.executable, "-m", "explorer", "burst", "--config", "-", "--jsonl", "--data-dir", str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as burst:
        burst.stdin.write(json.dumps({**CONFIG, "steps": 100_000}))
        burst.stdin.close()
        lines = [burst.stdout.readline() for _ in range(5)]
        time.sleep(0.3)
        burst.send_signal(signal.SIGINT)
        rest = burst.stdout.read().splitlines()
        assert burst.wait(20) == 130
    assert all(json.loads(line) for line in lines)
    assert json.loads(rest[-1])["kind"] == "cancelled"
    store = Store(tmp_path)
    assert [run.state for run in store.list()] == ["cancelled"]
    store.close()


def test_bits_shows_a_number_in_every_format():
    done = explorer("bits", "0.1")
    assert (done.returncode, done.stderr) == (0, "")
    assert "0 01011 1001100110" in done.stdout
    rows = json.loads(explorer("bits", "-2^-14", "--format", "fp16", "e4m3fn", "--json").stdout)
    assert [(row["format"], row["hex"], row["kind"]) for row in rows] == [
        ("fp16", "0x8400", "normal"),
        ("e4m3fn", "0x80", "zero"),
    ]
    contract = {"format", "code", "hex", "bits", "sign", "exponent_field", "mantissa_field", "kind", "value", "exact",
                "relative_error", "ulp"}  # fmt: skip
    assert contract <= set(rows[0])


def test_bits_takes_negative_infinity_and_a_rounding():
    rows = json.loads(explorer("bits", "-inf", "--format", "e4m3fn", "--overflow", "saturate", "--json").stdout)
    assert rows[0]["value"] == -448
    rows = json.loads(explorer("bits", "0.1", "--format", "e2m1", "--rounding", "toward-positive", "--json").stdout)
    assert rows[0]["value"] == 0.5


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["12e"], "12e"),
        ([""], "takes a decimal"),
        (["0x1FFFF", "--format", "fp16"], "16 bits"),
        (["0x3C00"], "the format"),
        (["1", "--format", "fp17"], "fp17"),
        (["1", "--rounding", "up"], "nearest-even"),
        (["nan", "--format", "e2m1"], "no NaN"),
    ],
)
def test_bits_refuses_in_one_line(arguments, words):
    done = explorer("bits", *arguments)
    assert done.returncode == 2
    assert words in done.stderr
    assert done.stderr.count("\n") == 1
    assert done.stdout == ""
