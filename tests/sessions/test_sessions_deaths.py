"""Workers and servers are really killed here: no recorded step is lost, and the next run works."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from sessions_driver import FAKE, check_whole, gone, read, wait_for
from sessions_fakes import config

from explorer.errors import InputError
from explorer.sessions import Session, Store, record
from explorer.sessions.deaths import Memory, explain, memory_now
from explorer.sessions.process import WorkerCommand

ROOMY, SCARCE = Memory(1000, 800, 3), Memory(1000, 10, 3)


def test_a_killed_worker_costs_its_run_no_step_and_the_next_run_nothing(driver):
    run = driver.session.submit(config("step=0.01", steps=5000, lanes=2)).run
    following = driver.session.submit(config()).run
    driver.wait_steps(run, 20)
    pid, killed = driver.session.details()["pid"], time.monotonic()
    os.kill(pid, signal.SIGKILL)
    events = driver.wait(run)
    assert time.monotonic() - killed < 2.0
    assert events[-1]["kind"] == "crashed"
    assert "killed from outside (SIGKILL)" in events[-1]["message"]
    steps = [(event["step"], event["lane"]) for event in events if event["type"] == "step"]
    assert len(steps) >= 40
    assert steps == [(index // 2, index % 2) for index in range(len(steps))]
    assert driver.wait(following)[-1]["type"] == "run_finished"
    assert driver.session.details()["restarts"] == 1


def test_an_idle_worker_that_is_killed_is_replaced(driver):
    driver.wait_ready()
    pid = driver.session.details()["pid"]
    os.kill(pid, signal.SIGKILL)
    wait_for(lambda: driver.session.details()["pid"] not in (pid, None), what="a new worker")
    assert driver.run(config())[-1]["type"] == "run_finished"


@pytest.mark.parametrize(
    ("do", "kind", "words"),
    [
        ("crash", "crashed", "RuntimeError: index 7 is out of range"),
        ("invalid", "invalid", "trace.parameter: got 'nowhere', but takes the name of a parameter."),
        ("memory", "out-of-memory", "smaller"),
        ("stop", "crashed", "without an event that ends it"),
    ],
)
def test_an_error_in_a_burst_ends_the_run_and_not_the_worker(warm, do, kind, words):
    warm.wait_ready()
    pid = warm.session.details()["pid"]
    events = warm.run(config(f"at=3 do={do}"))
    assert (events[-1]["kind"], len(events)) == (kind, 5)
    assert words in events[-1]["message"]
    assert warm.run(config())[-1]["type"] == "run_finished"
    assert warm.session.details()["pid"] == pid


@pytest.mark.parametrize(
    ("do", "words"), [("segfault", "native code (SIGSEGV)"), ("exit", "exit status 7"), ("torn", "SIGKILL")]
)
def test_a_worker_that_dies_of_a_run_ends_it_with_all_whole_steps(warm, do, words):
    events = warm.run(config(f"at=3 do={do}"))
    assert (events[-1]["kind"], len(events)) == ("crashed", 5)
    assert words in events[-1]["message"]
    assert warm.run(config())[-1]["type"] == "run_finished"


def test_stray_prints_do_not_reach_the_events(warm):
    events = warm.run(config("at=3 do=print"))
    assert events[-1]["type"] == "run_finished"
    assert len(events) == 1 + 20 + 2


def test_a_worker_that_cannot_start_is_down_with_the_reason(make_driver, monkeypatch):
    monkeypatch.setenv("FAKE_WARM_UP", "fails")
    driver = make_driver()
    queued = driver.session.submit(config()).run
    wait_for(lambda: driver.session.health()["worker"] == "down", what="the session to be down")
    assert driver.session.details()["reason"] == "no torch here."
    assert "no torch here" in driver.wait(queued)[-1]["message"]
    with pytest.raises(InputError, match="no torch here"):
        driver.session.submit(config())

    monkeypatch.delenv("FAKE_WARM_UP")
    driver.session.restart()
    driver.wait_ready()
    assert driver.run(config())[-1]["type"] == "run_finished"


def test_a_missing_worker_program_is_a_reason_too(make_driver):
    driver = make_driver(WorkerCommand(warm="no_such_module:f"))
    wait_for(lambda: driver.session.health()["worker"] == "down", what="the session to be down")
    assert "no_such_module" in driver.session.details()["reason"]


@pytest.mark.parametrize(
    ("status", "before", "after", "kind", "words"),
    [
        (-9, ROOMY, ROOMY, "crashed", "killed from outside (SIGKILL)"),
        (-9, ROOMY, Memory(1000, 800, 4), "out-of-memory", "memory ran out"),
        (-9, SCARCE, ROOMY, "out-of-memory", "memory ran out"),
        (-15, SCARCE, ROOMY, "crashed", "SIGTERM"),
        (-11, SCARCE, ROOMY, "crashed", "native code (SIGSEGV)"),
        (-6, ROOMY, ROOMY, "crashed", "native code (SIGABRT)"),
        (3, ROOMY, ROOMY, "crashed", "exit status 3"),
        (-9, Memory(None, None, 0), Memory(None, None, 0), "crashed", "SIGKILL"),
    ],
)
def test_deaths_are_told_apart(status, before, after, kind, words):
    told, sentence = explain(status, before, after)
    assert told == kind
    assert words in sentence


def test_a_container_with_a_limit_has_the_limits_memory(tmp_path):
    proc, cgroup = tmp_path / "proc", tmp_path / "cgroup"
    proc.mkdir()
    cgroup.mkdir()
    (proc / "meminfo").write_text("MemTotal: 1000 kB\nMemAvailable: 900 kB\n")
    (proc / "vmstat").write_text("nr_free_pages 12\noom_kill 2\n")
    assert memory_now(proc, cgroup) == Memory(1_024_000, 921_600, 2)
    (cgroup / "memory.max").write_text("500000\n")
    (cgroup / "memory.current").write_text("490000\n")
    (cgroup / "memory.events").write_text("oom 1\noom_kill 1\n")
    assert memory_now(proc, cgroup) == Memory(500_000, 10_000, 3)
    assert memory_now(proc, cgroup).scarce
    (cgroup / "memory.max").write_text("max\n")
    assert memory_now(proc, cgroup).total == 1_024_000


SERVER = """
import json, sys, time
from sessions_driver import FAKE
from sessions_fakes import config
from explorer.sessions import Session, Store

session = Session(Store(sys.argv[1]), command=FAKE)
runs = [session.submit(config(sys.argv[2], steps=5000)).run, session.submit(config()).run]
while session.store.get(runs[0]).steps_done < 5:
    time.sleep(0.01)
print(json.dumps({"runs": runs, "worker": session.details()["pid"]}), flush=True)
time.sleep(600)
"""


@pytest.mark.parametrize("script", ["step=0.01", "at=5 do=hang"])
def test_a_killed_server_takes_its_worker_along_and_keeps_every_recorded_step(tmp_path, script):
    server = subprocess.Popen(
        [sys.executable, "-c", SERVER, tmp_path, script], stdout=subprocess.PIPE, cwd=Path(__file__).parents[2]
    )
    told = json.loads(server.stdout.readline())
    server.kill()
    server.wait()
    server.stdout.close()
    wait_for(lambda: gone(told["worker"]), 2.0, "the worker to be gone")

    session = Session(Store(tmp_path), command=FAKE, autostart=False)
    running, queued = told["runs"]
    for run in told["runs"]:
        events = read(session.store, run)
        check_whole(events, run)
        assert events[-1]["kind"] == "interrupted"
        assert session.status(run)["state"] == "interrupted"
    steps = [event["step"] for event in read(session.store, running) if event["type"] == "step"]
    assert len(steps) >= 5
    assert steps == list(range(len(steps)))
    assert f"after step {len(steps)} of 5000" in session.status(running)["message"]
    assert len(read(session.store, queued)) == 1
    assert list((tmp_path / "owners").glob("*.lock")) == []
    session.close()
    session.store.close()


def test_a_server_that_starts_leaves_the_live_run_of_a_command_line_alone(tmp_path):
    from sessions_fakes import events

    line = Store(tmp_path)
    burst = record(line, config(steps=10), burst=lambda config, run: events(config.as_json(), run))
    run = next(burst)["run"]
    wait_for(lambda: line.get(run).last_seq >= 0, what="the first event")

    server = Session(Store(tmp_path), command=FAKE)
    assert server.status(run)["state"] == "running"
    assert server.cancel(run) is False
    rest = list(burst)
    assert rest[-1]["type"] == "run_finished"
    assert server.status(run)["state"] == "finished"
    check_whole(read(line, run), run)
    server.close()
    server.store.close()
    line.close()
