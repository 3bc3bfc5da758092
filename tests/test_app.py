"""The server's own options: what they say and what they refuse."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from urllib.request import urlopen

import pytest
from gradio_client import Client
from gradio_client.exceptions import AppError

APP = [sys.executable, "app.py"]
OWN = {"model": "hub:owner/model", "lanes": [{"recipe": "fp32"}]}


def serve(tmp_path, *options):
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [*APP, "--port", str(port), "--data-dir", str(tmp_path), *options]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    address = f"http://127.0.0.1:{port}/"
    for _ in range(300):
        try:
            json.load(urlopen(address + "healthz", timeout=2))
            return process, address
        except OSError:
            time.sleep(0.1)
    process.kill()
    raise AssertionError("the server does not answer")


def answer(address, config):
    client = Client(address, verbose=False)
    try:
        with pytest.raises(AppError) as caught:
            client.predict(config, api_name="/submit_burst")
        return str(caught.value)
    finally:
        client.close()


def test_a_server_that_others_can_reach_takes_no_models_from_its_disk_or_the_hub(tmp_path):
    process, address = serve(tmp_path, "--host", "0.0.0.0", "--max-steps", "50")
    try:
        for model in ("hub:owner/model", f"path:{tmp_path}", "path:/nothing/here"):
            assert "this server takes no models from the hub or from folders" in answer(address, OWN | {"model": model})
        too_many = {"model": "mlp", "steps": 20, "seeds": 3, "lanes": [{"recipe": "fp32"}]}
        assert "got 60, but takes at most 50 on this server (times seeds" in answer(address, too_many)
    finally:
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 0


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--port", "0"], "1 to 65,535"),
        (["--port", "many"], "1 to 65,535"),
        (["--max-steps", "0"], "above 0"),
        (["--bogus"], "--bogus"),
    ],
)
def test_bad_options_are_refused_in_one_line(options, words):
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GRADIO_")}
    done = subprocess.run([*APP, *options], capture_output=True, text=True, check=False, timeout=60, env=environment)
    assert done.returncode == 2
    assert words in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_port_that_is_taken_is_named():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = subprocess.run([*APP, "--port", str(port)], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 2
    assert f"--port: got {port}" in done.stderr
