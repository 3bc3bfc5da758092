"""A check of this machine: its events, its result, and how it ends."""

import json
import subprocess
import sys
import time

import jsonschema
import pytest
import torch

from explorer import recipes
from explorer.errors import InputError
from explorer.hardware import check as check_module
from explorer.hardware import collect, parse_options, run_check, schema
from explorer.hardware import steps as steps_module
from explorer.hardware.result import Result

VALIDATOR = jsonschema.Draft202012Validator(schema())


@pytest.fixture(scope="module")
def events():
    return list(run_check({"seconds": 4}, "a-check"))


@pytest.fixture(scope="module")
def result(events):
    return collect(events)


def test_events_are_numbered_and_of_one_check(events):
    assert [event["seq"] for event in events] == list(range(len(events)))
    assert {event["run"] for event in events} == {"a-check"}
    assert (events[0]["type"], events[-1]["type"]) == ("check_started", "run_finished")
    json.dumps(events, allow_nan=False)


def test_the_result_has_the_published_shape(result):
    jsonschema.Draft202012Validator.check_schema(schema())
    VALIDATOR.validate(result)
    VALIDATOR.validate(json.loads(json.dumps(result)))


def test_the_contract_s_fields_are_there(result):
    assert {"devices", "formats", "matmul", "advice"} <= set(result)
    assert {"device", "format", "support", "how"} <= set(result["formats"][0])
    assert {"device", "format", "gflops", "shape"} <= set(result["matmul"][0])
    assert {"recipe", "reason"} <= set(result["advice"])


def test_products_memory_casts_and_steps_are_measured(result):
    assert {"fp32", "fp16", "bf16"} <= {row["format"] for row in result["matmul"]}
    assert result["bandwidth"]["gb_per_s"] > 0
    assert len(result["casts"]) >= 4
    assert {"fp32", "bf16-amp", "fp16-amp"} <= {row["recipe"] for row in result["training"]}


def test_kernel_and_training_speed_up_stand_side_by_side(result):
    rows = {row["recipe"]: row for row in result["speedups"]}
    assert (rows["fp32"]["kernel"], rows["fp32"]["training"]) == (1, 1)
    for row in rows.values():
        assert row["training"] > 0
        assert (row["kernel"] is None) == (row["support"] != "native")


def test_progress_only_ever_goes_forward(events):
    shown = [event for event in events if event["type"] == "progress"]
    fractions = [event["fraction"] for event in shown]
    assert fractions == sorted(fractions)
    assert 0 <= fractions[0] <= fractions[-1] <= 1
    assert {event["part"] for event in shown} == {"probe", "matmul", "bandwidth", "casts", "training"}


def test_advice_is_of_a_recipe_that_there_is_with_code_for_it(result):
    assert result["advice"]["recipe"] in recipes.names()
    assert result["advice"]["code"][0]["name"] == "PyTorch"


def test_every_beginning_of_a_check_is_a_result(events):
    partial = Result()
    for event in events[:-1]:
        partial.add(event)
        found = partial.as_dict()
        VALIDATOR.validate(found)
        assert not found["complete"]


def test_one_part_of_one_format_takes_the_time_that_it_is_given():
    options = {"seconds": 1, "formats": ["fp32"], "parts": ["matmul"]}
    found = list(run_check(options))
    began = next(event["time"] for event in found if event["type"] == "devices")
    assert {event["format"] for event in found if event["type"] == "matmul"} == {"fp32"}
    assert collect(found)["training"] == []
    assert found[-1]["time"] - began < 4


def test_a_check_stops_between_two_events():
    started = run_check({"seconds": 60, "parts": ["matmul"], "formats": ["fp32"]})
    for event in started:
        if event["type"] == "matmul":
            break
    before = time.perf_counter()
    started.close()
    assert time.perf_counter() - before < 1


def test_what_cannot_be_measured_is_said_and_the_rest_goes_on(monkeypatch):
    def refuses(name, *arguments):
        raise NotImplementedError(f"no {name} here")

    monkeypatch.setattr(check_module, "Rate", refuses)
    found = collect(run_check({"seconds": 1, "parts": ["matmul", "bandwidth"]}))
    assert found["matmul"] == []
    assert found["complete"]
    assert "fp32 could not be measured here: no fp32 here" in [entry["message"] for entry in found["unavailable"]]
    assert found["bandwidth"]["gb_per_s"] > 0
    VALIDATOR.validate(found)


def test_a_recipe_that_fails_does_not_end_the_others(monkeypatch):
    real = steps_module.Lane

    def lane(config, settings, model, device):
        if settings.recipe == "bf16-amp":
            raise RuntimeError("out of luck")
        return real(config, settings, model, device)

    monkeypatch.setattr(steps_module, "Lane", lane)
    found = list(steps_module.steps(torch.device("cpu"), 0.1))
    refused = [entry for entry in found if "unavailable" in entry]
    assert [entry["recipe"] for entry in refused] == ["bf16-amp"]
    assert "out of luck" in refused[0]["unavailable"]
    assert {"fp32", "fp16-amp"} <= {entry["recipe"] for entry in found}


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"seconds": 0}, "seconds: got 0, but takes a number from 1 to 600"),
        ({"seconds": float("nan")}, "seconds: got nan"),
        ({"seconds": True}, "seconds: got True"),
        ({"seconds": "20"}, "seconds: got '20'"),
        ({"device": "the fast one"}, "device: got 'the fast one'"),
        ({"device": 0}, "device: got 0"),
        ({"formats": []}, "formats: got []"),
        ({"formats": ["fp9"]}, "one or more of fp32"),
        ({"parts": "matmul"}, "parts: got 'matmul'"),
        ({"time": 3}, "time: no such field; there are seconds, device, formats, parts"),
        ([], "options: got []"),
    ],
)
def test_bad_options_are_a_sentence(given, sentence):
    with pytest.raises(InputError) as refused:
        parse_options(given)
    assert sentence in str(refused.value)


def test_options_come_back_as_they_were():
    options = parse_options({"seconds": 5, "formats": ["int8", "fp32"], "parts": ["training"]})
    assert parse_options(options.as_json()) == options
    assert options.formats == ("fp32", "int8")
    assert options.share("training") == 5


def test_a_device_that_is_not_here_is_refused_before_anything_is_measured():
    with pytest.raises(InputError, match="device"):
        next(run_check({"device": "cuda:9"}))


def test_all_but_the_check_itself_is_torch_free():
    modules = ["hardware", "hardware.advice", "hardware.listings", "hardware.result", "devices.support",
               "devices.datasheet", "devices.shapes", "devices.tf32", "sessions.checks"]  # fmt: skip
    imports = "; ".join(f"import explorer.{module}" for module in modules)
    code = f"import sys; {imports}; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
