"""Bursts that several tests look at, each run once."""

import functools
import json

import pytest

from explorer.burst import get_preset, run_burst
from explorer.burst.events import encode


@functools.cache
def _events(settings: str):
    return [json.loads(encode(event)) for event in run_burst(json.loads(settings))]


@pytest.fixture(scope="session")
def burst():
    """Run a config (or a preset by name) once and give its events, as they come back from JSON."""

    def run(config):
        settings = get_preset(config).settings if isinstance(config, str) else config
        return _events(json.dumps(settings, sort_keys=True))

    return run


@pytest.fixture(scope="session")
def steps_of():
    """The ``step`` events of one lane."""

    def steps(events, lane=0):
        return [event for event in events if event["type"] == "step" and event["lane"] == lane]

    return steps


@pytest.fixture(scope="session")
def ending():
    """The ``lane_finished`` event of each lane, by lane name."""

    def finished(events):
        names = [lane["name"] for lane in events[0]["lanes"]]
        return {names[event["lane"]]: event for event in events if event["type"] == "lane_finished"}

    return finished
