"""The worker with the real burst: torch, a small network, and nothing on standard error."""

import os
import signal
import time

import pytest
from sessions_driver import Driver, wait_for

from explorer.errors import InputError
from explorer.sessions import Session, Store, record

MLP = {"model": "mlp", "steps": 20, "lanes": [{"recipe": "fp32"}, {"recipe": "fp16-amp"}]}


@pytest.fixture(scope="module")
def real(tmp_path_factory):
    session = Session(Store(tmp_path_factory.mktemp("data")))
    driver = Driver(session)
    wait_for(lambda: session.health()["worker"] == "ready", 120, "a worker with torch")
    yield driver
    session.close()
    session.store.close()


def test_a_burst_trains_and_says_nothing_on_standard_error(tmp_path, capfd):
    session = Session(Store(tmp_path))
    driver = Driver(session)
    run = session.submit(MLP).run
    events = driver.wait(run, 120)
    assert [event["type"] for event in events].count("step") == 40
    assert events[-1]["type"] == "run_finished"
    session.close()
    session.store.close()
    assert capfd.readouterr().err == ""


def test_what_this_machine_is_is_known_when_the_worker_is_ready(real):
    details = real.session.details()
    assert details["devices"][0] == "cpu"
    assert details["device"]["name"]
    assert details["torch"][0].isdigit()
    assert set(details["native"]) <= {"fp16", "bf16"}


def test_a_run_is_cancelled_within_a_second(real):
    run = real.session.submit({**MLP, "steps": 5000}).run
    real.wait_steps(run, 3)
    asked = time.monotonic()
    real.session.cancel(run)
    assert real.wait(run)[-1]["kind"] == "cancelled"
    assert time.monotonic() - asked < 1.0


def test_what_only_torch_can_know_is_bad_input_too(real):
    events = real.run({**MLP, "trace": {"parameter": "nowhere"}})
    assert (len(events), events[-1]["kind"]) == (1, "invalid")
    assert "nowhere" in events[-1]["message"]


def test_a_worker_killed_in_the_middle_of_training_is_replaced(real):
    run = real.session.submit({**MLP, "steps": 5000}).run
    real.wait_steps(run, 10)
    os.kill(real.session.details()["pid"], signal.SIGKILL)
    assert real.wait(run, 2.0)[-1]["kind"] == "crashed"
    run = real.session.submit(MLP).run
    assert real.wait(run, 120)[-1]["type"] == "run_finished"


def test_a_device_that_is_not_here_is_refused_at_once(real):
    with pytest.raises(InputError, match="device: got 'cuda:7'"):
        real.session.submit({**MLP, "device": "cuda:7"})


def test_a_burst_in_this_process_is_recorded_the_same(store):
    events = list(record(store, {**MLP, "steps": 3}))
    assert events[-1]["type"] == "run_finished"
    assert store.get(events[0]["run"]).steps_done == 3
