"""``python -m explorer check`` as a person uses it."""

import json
import signal
import subprocess
import sys
import time

import jsonschema
import pytest

from explorer.hardware import schema
from explorer.sessions.checks import Checks

COMMAND = [sys.executable, "-m", "explorer", "check"]


def check(*arguments):
    return subprocess.run([*COMMAND, *map(str, arguments)], capture_output=True, text=True, check=False, timeout=120)


def test_json_is_one_object_of_the_published_shape_and_is_recorded(tmp_path):
    done = check("--seconds", 2, "--formats", "fp32", "bf16", "--parts", "matmul", "bandwidth", "--json",
                 "--data-dir", tmp_path)  # fmt: skip
    assert done.returncode == 0
    found = json.loads(done.stdout)
    jsonschema.Draft202012Validator(schema()).validate(found)
    assert found["complete"]
    assert {row["format"] for row in found["matmul"]} == {"fp32", "bf16"}
    (recorded,) = Checks(tmp_path).list()
    assert Checks(tmp_path).get(recorded["check"])["result"] == found


def test_the_schema_can_be_printed():
    assert json.loads(check("--schema").stdout) == schema()


def test_an_interrupted_check_prints_what_it_has(tmp_path):
    command = [*COMMAND, "--seconds", "60", "--parts", "matmul", "--formats", "fp32", "--data-dir", str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as started:
        until = time.monotonic() + 60
        while not Checks(tmp_path).list():
            assert time.monotonic() < until
            time.sleep(0.1)
        started.send_signal(signal.SIGINT)
        said = started.stdout.read()
        assert started.wait(20) == 130
    assert "Train in" in said
    assert "Stopped early" in said
    assert "fp32" in said
    (recorded,) = Checks(tmp_path).list()
    assert recorded["state"] == "cancelled"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--seconds", "0"], "seconds: got 0.0"),
        (["--seconds", "soon"], "seconds: got 'soon'"),
        (["--device", "cuda:9"], "device: got 'cuda:9'"),
        (["--formats", "fp9"], "formats: got ['fp9']"),
        (["--parts", "luck"], "parts: got ['luck']"),
    ],
)
def test_bad_input_is_one_line_and_status_2(arguments, words, tmp_path):
    done = check(*arguments, "--data-dir", tmp_path)
    assert done.returncode == 2
    assert words in done.stderr
    assert done.stderr.count("\n") == 1
    assert done.stdout == ""
    assert Checks(tmp_path).list() == []
