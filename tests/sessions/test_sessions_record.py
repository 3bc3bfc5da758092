"""A burst in the process that asks for it, as the command line runs it."""

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from sessions_driver import check_whole, read, wait_for
from sessions_fakes import config, events

from explorer.burst.events import Stamp
from explorer.errors import InputError
from explorer.sessions import Store, record


def fake(config, run):
    return events(config.as_json(), run)


def test_what_is_yielded_is_what_is_recorded(store):
    yielded = list(record(store, config(steps=30, lanes=2), burst=fake))
    run = yielded[0]["run"]
    assert read(store, run) == json.loads(json.dumps(yielded))
    check_whole(yielded, run)
    assert store.get(run).state == "finished"


def test_events_are_recorded_while_the_next_step_takes_long(store):
    burst = record(store, config("step=0"), burst=fake)
    for _ in range(4):
        run = next(burst)["run"]
    wait_for(lambda: store.get(run).last_seq == 3, 1.0, "the events so far")
    burst.close()


def test_a_bad_config_records_nothing(store):
    with pytest.raises(InputError, match="steps"):
        list(record(store, {"model": "mlp", "steps": -1, "lanes": [{"recipe": "fp32"}]}, burst=fake))
    assert store.list() == []


def test_closing_the_iterator_cancels_the_run(store):
    burst = record(store, config(steps=1000), burst=fake)
    run = next(burst)["run"]
    for _ in range(10):
        next(burst)
    burst.close()
    recorded = read(store, run)
    check_whole(recorded, run)
    assert (len(recorded), recorded[-1]["kind"]) == (12, "cancelled")


def raising(error, after=2):
    def burst(config, run):
        stamp = Stamp(run)
        for index in range(after):
            yield stamp("step", lane=0, step=index)
        raise error

    return burst


@pytest.mark.parametrize(
    ("error", "kind", "words"),
    [
        (KeyboardInterrupt(), "cancelled", "Cancelled"),
        (InputError("device", "cuda", "auto or cpu"), "invalid", "device: got 'cuda', but takes auto or cpu."),
        (RuntimeError("index 7 is out of range"), "crashed", "RuntimeError: index 7 is out of range"),
    ],
)
@pytest.mark.parametrize("after", [0, 2])
def test_what_the_burst_raises_is_recorded_shown_and_raised(store, error, kind, words, after):
    seen = []
    with pytest.raises(type(error)):
        seen.extend(event for event in _one_by_one(record(store, config(), burst=raising(error, after)), seen))
    check_whole(seen, seen[0]["run"])
    assert (len(seen), seen[-1]["kind"]) == (after + 1, kind)
    assert words in seen[-1]["message"]
    assert read(store, seen[0]["run"]) == seen


def _one_by_one(burst, seen):
    for event in burst:
        seen.append(event)
    return ()


def test_a_store_that_fails_stops_the_burst(store, monkeypatch):
    def full(*_):
        raise InputError("--data-dir", "there", "more room")

    burst = record(store, config("step=0.01", steps=10_000), burst=fake)
    next(burst)
    monkeypatch.setattr(store, "append", full)
    with pytest.raises(InputError, match="more room"):
        list(burst)


LINE = """
import sys
from sessions_fakes import config, events
from explorer.sessions import Store, record

store = Store(sys.argv[1])
for event in record(store, config("step=0.01", steps=5000), burst=lambda config, run: events(config.as_json(), run)):
    print(event["run"], event["seq"], event["type"], flush=True)
"""


@pytest.mark.parametrize(
    ("how", "kind"), [(signal.SIGINT, "cancelled"), (signal.SIGKILL, "interrupted")], ids=["ctrl-c", "kill -9"]
)
def test_a_stopped_process_keeps_what_it_recorded(tmp_path, how, kind):
    process = subprocess.Popen(
        [sys.executable, "-c", LINE, tmp_path],
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, cwd=Path(__file__).parents[2],
    )  # fmt: skip
    run = process.stdout.readline().split()[0].decode()
    store = Store(tmp_path)
    wait_for(lambda: store.get(run).steps_done >= 10, what="ten steps")
    process.send_signal(how)
    process.communicate()
    assert process.returncode != 0
    if how == signal.SIGKILL:
        assert store.mark_interrupted() == [run]
    recorded = read(store, run)
    check_whole(recorded, run)
    assert recorded[-1]["kind"] == kind
    assert len(recorded) >= 12
    store.close()
