"""Hardware checks: they queue for the device with the runs, are recorded as they go, and can be stopped."""

import json
import os
import time

import pytest
from checks_fakes import run_check
from fastapi import FastAPI
from fastapi.testclient import TestClient
from sessions_driver import FAKE, wait_for
from sessions_fakes import config

from explorer.errors import InputError
from explorer.hardware import parse_options
from explorer.sessions import router
from explorer.sessions.checks import Checks
from explorer.sessions.process import WorkerCommand

COMMAND = WorkerCommand(burst=FAKE.burst, warm=FAKE.warm, check="checks_fakes:run_check")


@pytest.fixture
def session(make_driver):
    return make_driver(COMMAND).session


def wait_over(session, check):
    return wait_for(lambda: (found := session.checks.get(check))["state"] not in ("queued", "running") and found)


def test_a_check_is_run_in_the_worker_and_recorded(session):
    check = session.check({"seconds": 1}).run
    found = wait_over(session, check)
    assert (found["state"], found["message"]) == ("finished", "")
    assert found["result"]["complete"]
    assert found["result"]["matmul"][0]["gflops"] > 1
    assert found["progress"]["words"] == "multiplying"
    assert Checks(session.store.folder).get(check) == found


def test_a_stopped_check_keeps_what_it_has_measured(session):
    check = session.check({"seconds": 60}).run
    wait_for(lambda: session.checks.get(check)["result"]["matmul"])
    assert session.checks.get(check)["state"] == "running"
    assert session.stop_check(check)
    found = wait_over(session, check)
    assert (found["state"], found["message"]) == ("cancelled", "Stopped.")
    assert not found["result"]["complete"]
    assert found["result"]["matmul"][0]["shape"] == [1, 2, 3]
    assert session.health()["worker"] in ("ready", "busy")
    assert not session.stop_check(check)


def test_checks_and_runs_wait_for_each_other(session):
    run = session.submit(config("step=0.02", steps=30)).run
    check = session.check({"seconds": 1})
    assert check.position == 1
    assert session.checks.get(check.run)["state"] == "queued"
    after = session.submit(config(steps=3))
    assert after.position == 2
    found = wait_over(session, check.run)
    assert found["state"] == "finished"
    assert session.store.get(run).ended <= found["created"] + 60
    wait_for(lambda: session.store.get(after.run).over)
    assert session.store.get(after.run).state == "finished"


def test_the_same_check_is_joined_and_another_is_not(session):
    first = session.check({"seconds": 60})
    assert session.check({"seconds": 60}).run == first.run
    assert session.check({"seconds": 60}).joined
    second = session.check({"seconds": 59})
    assert second.run != first.run
    for check in (second, first):
        session.stop_check(check.run)
        assert wait_over(session, check.run)["state"] == "cancelled"


def test_a_device_that_is_not_here_is_refused(session):
    wait_for(lambda: session.health()["worker"] == "ready")
    with pytest.raises(InputError, match="device: got 'cuda:7'"):
        session.check({"device": "cuda:7"})
    assert session.checks.list() == []


def test_the_end_of_the_server_interrupts_a_check(make_driver):
    session = make_driver(COMMAND).session
    check = session.check({"seconds": 60}).run
    wait_for(lambda: session.checks.get(check)["result"]["matmul"])
    session.close()
    found = Checks(session.store.folder).get(check)
    assert found["state"] == "interrupted"
    assert "kept" in found["message"]
    assert found["result"]["matmul"]


def test_a_check_in_this_process_is_recorded_too(tmp_path):
    checks = Checks(tmp_path)
    events = list(checks.record(parse_options({"seconds": 1}), lambda _, run: run_check({"seconds": 0.1}, run)))
    found = checks.get(events[0]["run"])
    assert found["state"] == "finished"
    assert [entry["check"] for entry in checks.list()] == [events[0]["run"]]


def test_leaving_a_check_early_records_its_end(tmp_path):
    checks = Checks(tmp_path)
    events = checks.record(parse_options(), lambda _, run: run_check({"seconds": 9}, run))
    check = next(events)["run"]
    events.close()
    assert checks.get(check)["state"] == "cancelled"


@pytest.mark.parametrize("name", ["nobody", "../../etc/passwd", "", "a" * 13])
def test_there_is_no_check_of_another_name(tmp_path, name):
    assert Checks(tmp_path).get(name) is None


def test_a_torn_file_is_read_as_far_as_it_goes(tmp_path):
    checks = Checks(tmp_path)
    check = [*checks.record(parse_options(), lambda _, run: run_check({"seconds": 0.1}, run))].pop()["run"]
    path = tmp_path / "checks" / f"{check}.jsonl"
    lines = path.read_text().splitlines()
    path.write_text("\n".join(lines[:4]) + '\n{"type": "mat')
    found = Checks(tmp_path).get(check)
    assert found["result"]["matmul"][0]["gflops"] == 1.0
    assert found["state"] == "running"
    old = time.time() - 60
    os.utime(path, (old, old))
    assert Checks(tmp_path).get(check)["state"] == "interrupted"


def test_the_routes_show_checks(session):
    app = FastAPI(routes=list(router(session, session.store).routes))
    client = TestClient(app)
    check = session.check({"seconds": 1}).run
    wait_over(session, check)
    assert client.get(f"/checks/{check}.json").json()["state"] == "finished"
    assert [entry["check"] for entry in client.get("/checks.json").json()] == [check]
    assert client.get("/checks/schema.json").json()["title"]
    missing = client.get("/checks/nobody.json")
    assert (missing.status_code, "no check 'nobody'" in json.dumps(missing.json())) == (404, True)
