"""A session runs what it is given, one after the other, and every run gets exactly one ending."""

import subprocess
import sys
import threading
import time

import pytest
from sessions_driver import wait_for
from sessions_fakes import config

from explorer.errors import InputError


def last_time(events):
    return events[-1]["time"]


def test_a_run_is_recorded_whole_and_in_order(warm):
    events = warm.run(config(steps=50, lanes=4))
    assert [event["type"] for event in events].count("step") == 200
    assert events[0]["type"] == "run_started"
    assert events[-1]["type"] == "run_finished"


def test_a_finished_run_says_so(warm):
    run = warm.session.submit(config(steps=7)).run
    warm.wait(run)
    assert warm.session.status(run) == {"state": "finished", "step": 7, "steps": 7, "position": 0, "message": ""}


def test_runs_wait_for_each_other_in_order(warm):
    submitted = [warm.session.submit(config("step=0.01", steps=20)) for _ in range(3)]
    waiting = warm.session.status(submitted[2].run)
    assert (waiting["state"], waiting["position"]) == ("queued", 2)
    assert "2 runs are before it" in waiting["message"]
    assert [one.position for one in submitted] == [0, 1, 2]
    for one in submitted:
        warm.wait(one.run)
    ended = [warm.store.get(one.run).ended for one in submitted]
    assert ended == sorted(ended)


def test_health_tells_what_the_worker_does(warm):
    warm.wait_ready()
    assert warm.session.health() == {"status": "ok", "worker": "ready", "version": "0.1.0", "queued": 0}
    first, second = (warm.session.submit(config("step=0.01", steps=30)).run for _ in range(2))
    warm.wait_steps(first, 1)
    assert warm.session.health() == {"status": "ok", "worker": "busy", "version": "0.1.0", "queued": 1}
    warm.wait(second)


def test_details_tell_what_the_header_shows(warm):
    warm.wait_ready()
    details = warm.session.details()
    assert details["device"]["device"] == "cpu"
    assert details["native"] == ["bf16"]
    assert details["pid"] > 0
    assert details["memory_free"] > 0


def test_a_queued_run_can_be_cancelled_and_never_starts(warm):
    running = warm.session.submit(config("step=0.01", steps=50)).run
    queued = warm.session.submit(config()).run
    assert warm.session.cancel(queued)
    (event,) = warm.wait(queued)
    assert (event["type"], event["kind"]) == ("run_failed", "cancelled")
    assert warm.session.status(queued)["state"] == "cancelled"
    assert warm.wait(running)[-1]["type"] == "run_finished"


def test_a_running_run_is_cancelled_between_steps_by_the_same_worker(warm):
    run = warm.session.submit(config("step=0.02", steps=5000)).run
    warm.wait_steps(run, 3)
    pid, asked = warm.session.details()["pid"], time.monotonic()
    assert warm.session.cancel(run)
    events = warm.wait(run)
    assert time.monotonic() - asked < 1.0
    assert events[-1]["kind"] == "cancelled"
    assert warm.run(config())[-1]["type"] == "run_finished"
    assert warm.session.details()["pid"] == pid


def test_cancel_during_a_long_step_replaces_the_worker_within_a_second(driver):
    run = driver.session.submit(config("at=3 do=hang")).run
    driver.wait_steps(run, 3)
    pid, asked = driver.session.details()["pid"], time.monotonic()
    driver.session.cancel(run)
    events = driver.wait(run)
    assert time.monotonic() - asked < 1.0
    assert events[-1]["kind"] == "cancelled"
    assert len(events) == 1 + 3 + 1
    assert driver.run(config())[-1]["type"] == "run_finished"
    assert driver.session.details()["pid"] != pid
    assert driver.session.details()["restarts"] == 1


def test_an_ended_run_cannot_be_cancelled(warm):
    run = warm.session.submit(config()).run
    events = warm.wait(run)
    assert warm.session.cancel(run) is False
    assert warm.wait(run) == events


def test_cancelling_twice_ends_once(warm):
    run = warm.session.submit(config("step=0.02", steps=5000)).run
    warm.wait_steps(run, 1)
    warm.session.cancel(run)
    warm.session.cancel(run)
    assert warm.wait(run)[-1]["kind"] == "cancelled"


@pytest.mark.parametrize("method", ["status", "cancel"])
def test_an_unknown_run_is_bad_input(warm, method):
    with pytest.raises(InputError, match="run: got 'nothing', but takes the id of a recorded run"):
        getattr(warm.session, method)("nothing")


@pytest.mark.parametrize("script", ["step=0.02", "at=3 do=hang"])
def test_a_run_is_stopped_at_the_time_limit(make_driver, script):
    driver = make_driver(max_seconds=0.5)
    driver.wait_ready()
    events = driver.run(config(script, steps=5000))
    assert events[-1]["kind"] == "timed-out"
    assert "0.5 seconds" in events[-1]["message"]
    assert last_time(events) < 2.0


def test_more_steps_than_the_server_allows_are_refused(make_driver):
    driver = make_driver(max_steps=100)
    with pytest.raises(InputError, match="steps: got 101, but takes at most 100 on this server"):
        driver.session.submit(config(steps=101))
    assert driver.store.list() == []


def test_a_full_queue_is_refused(make_driver):
    driver = make_driver(max_waiting=2)
    driver.wait_ready()
    runs = [driver.session.submit(config("step=0.05", steps=1000)).run]
    driver.wait_steps(runs[0], 1)
    runs += [driver.session.submit(config()).run for _ in range(2)]
    with pytest.raises(InputError, match="The queue is full: 2 runs are waiting"):
        driver.session.submit(config())
    driver.session.cancel(runs[0])
    for run in runs:
        driver.wait(run)


def test_a_device_that_is_not_here_is_refused(warm):
    warm.wait_ready()
    with pytest.raises(InputError, match=r"device: got 'cuda', but takes auto or cpu \(what there is here\)"):
        warm.session.submit(config(device="cuda"))


def test_a_bad_config_is_refused_unrecorded(driver):
    with pytest.raises(InputError, match="steps"):
        driver.session.submit({"model": "mlp", "steps": 0, "lanes": [{"recipe": "fp32"}]})
    assert driver.store.list() == []


def test_a_config_may_come_as_text(warm):
    events = warm.run('{"model": "mlp", "steps": 2, "lanes": [{"recipe": "fp32", "name": "x"}]}')
    assert events[-1]["type"] == "run_finished"


def test_closing_a_session_records_what_it_leaves_unfinished(make_driver):
    driver = make_driver()
    running = driver.session.submit(config("step=0.02", steps=5000)).run
    queued = driver.session.submit(config()).run
    driver.wait_steps(running, 2)
    driver.session.close()
    assert driver.wait(running)[-1]["kind"] == "interrupted"
    assert driver.wait(queued)[-1]["kind"] == "interrupted"


def test_restart_replaces_the_worker_and_goes_on_with_the_queue(driver):
    running = driver.session.submit(config("step=0.02", steps=5000)).run
    queued = driver.session.submit(config()).run
    driver.wait_steps(running, 1)
    pid = driver.session.details()["pid"]
    driver.session.restart()
    assert driver.wait(running)[-1]["kind"] == "cancelled"
    assert driver.wait(queued)[-1]["type"] == "run_finished"
    assert driver.session.details()["pid"] != pid


def test_a_run_that_cannot_be_recorded_ends_for_its_viewers_and_the_next_one_works(driver, monkeypatch):
    append, full = driver.store.append, threading.Event()

    def append_while_there_is_room(*args):
        if full.is_set():
            raise InputError("--data-dir", "there", "a disk with room")
        append(*args)

    monkeypatch.setattr(driver.store, "append", append_while_there_is_room)
    run = driver.session.submit(config("step=0.02", steps=5000)).run
    driver.wait_steps(run, 3)
    full.set()
    wait_for(lambda: driver.session.status(run)["state"] == "failed", what="the run to fail")
    assert "a disk with room" in driver.session.status(run)["message"]

    full.clear()
    assert driver.run(config())[-1]["type"] == "run_finished"


def test_a_closed_session_takes_nothing_on(make_driver):
    driver = make_driver()
    driver.session.close()
    with pytest.raises(InputError, match="the session was closed"):
        driver.session.submit(config())


def test_the_page_does_not_wait_for_the_worker(store):
    from explorer.sessions import Session

    began = time.monotonic()
    session = Session(store)
    assert time.monotonic() - began < 0.2
    assert session.health()["worker"] == "starting"
    session.close()


def test_sessions_need_neither_torch_nor_gradio():
    code = "import explorer.sessions, sys; sys.exit(any(name in sys.modules for name in ('torch', 'gradio')))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
