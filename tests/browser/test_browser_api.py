"""The named endpoints, by Gradio's own client."""

import re
import time

import pytest
from browser_lab import LONG, SHORT
from gradio_client import Client
from gradio_client.exceptions import AppError


@pytest.fixture(scope="module")
def client(server):
    client = Client(server.address, verbose=False)
    yield client
    client.close()


def wait_for_end(client, run):
    for _ in range(200):
        status = client.predict(run, api_name="/run_status")
        if status["state"] not in ("queued", "running"):
            return status
        time.sleep(0.05)
    raise AssertionError(f"{run} does not end: {status}")


def test_a_burst_is_submitted_followed_and_listed(client):
    taken = client.predict(SHORT, api_name="/submit_burst")
    assert set(taken) == {"run", "joined", "position"}
    status = wait_for_end(client, taken["run"])
    assert (status["state"], status["step"], status["steps"]) == ("finished", 30, 30)
    listed = client.predict(api_name="/list_runs")
    assert listed[0]["run"] == taken["run"]
    assert listed[0]["config"]["model"] == "mlp"


def test_a_burst_is_cancelled(client):
    run = client.predict(LONG, api_name="/submit_burst")["run"]
    assert client.predict(run, api_name="/cancel_run") is True
    assert wait_for_end(client, run)["state"] == "cancelled"


def test_a_value_is_inspected(client):
    rows = client.predict("0.1", ["fp16", "e4m3fn"], api_name="/inspect_value")
    assert [(row["format"], row["hex"]) for row in rows] == [("fp16", "0x2E66"), ("e4m3fn", "0x1D")]
    assert len(client.predict("1", api_name="/inspect_value")) == 13


@pytest.mark.parametrize(
    ("endpoint", "given", "words"),
    [
        ("/submit_burst", ({**SHORT, "steps": "many"},), "steps: got 'many'"),
        ("/submit_burst", ({**SHORT, "lanes": []},), "one to four lanes"),
        ("/submit_burst", ("not a config",), "config"),
        ("/run_status", ("nothing",), "nothing"),
        ("/inspect_value", ("12e",), "12e"),
        ("/inspect_value", ("1", ["fp17"]), "fp17"),
    ],
)
def test_bad_input_is_one_sentence(client, endpoint, given, words):
    before = client.predict(api_name="/list_runs")
    with pytest.raises(AppError, match=re.escape(words)) as caught:
        client.predict(*given, api_name=endpoint)
    assert "Traceback" not in str(caught.value)
    assert client.predict(api_name="/list_runs") == before
