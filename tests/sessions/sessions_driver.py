"""A session with a made-up burst: driving it, waiting for what it does, and reading what it recorded."""

import json
import time
from pathlib import Path

from explorer.sessions.process import WorkerCommand

FAKE = WorkerCommand(burst="sessions_fakes:run_burst", warm="sessions_fakes:warm_up")


def wait_for(condition, seconds=20.0, what="the condition"):
    """Wait until it holds; what it returned."""
    give_up = time.monotonic() + seconds
    while not (result := condition()):
        assert time.monotonic() < give_up, f"waited {seconds} s in vain for {what}"
        time.sleep(0.01)
    return result


def gone(pid):
    """Whether there is no such process any more, or only its remains."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


def read(store, run):
    return [json.loads(line) for line in store.events(run)]


def check_whole(events, run):
    """The contract that holds for every run that has ended."""
    assert [event["seq"] for event in events] == list(range(len(events)))
    assert {event["run"] for event in events} == {run}
    assert [event["type"] in ("run_finished", "run_failed") for event in events].index(True) == len(events) - 1
    times = [event["time"] for event in events]
    assert times == sorted(times)


class Driver:
    """A session with the fake burst, and what the tests ask of it again and again."""

    def __init__(self, session):
        self.session, self.store = session, session.store

    def run(self, config):
        """Submit and wait for the end; its events."""
        return self.wait(self.session.submit(config).run)

    def wait(self, run, seconds=20.0):
        wait_for(lambda: self.store.get(run).over, seconds, f"the end of {run}")
        events = read(self.store, run)
        check_whole(events, run)
        return events

    def wait_steps(self, run, steps):
        wait_for(lambda: self.store.get(run).steps_done >= steps, what=f"{steps} steps of {run}")

    def wait_ready(self):
        wait_for(lambda: self.session.health()["worker"] == "ready", what="a worker that is ready")
