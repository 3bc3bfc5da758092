"""What may be asked, and the sentence for what may not."""

import json
import subprocess
import sys

import pytest

from explorer import cli, recipes
from explorer.errors import InputError
from explorer.planner.request import parse_request


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("gpus", 0),
        ("gpus", 1.5),
        ("batch", -1),
        ("sequence", -1),
        ("sequence", True),
        ("optimizer", "adam2"),
        ("sharding", "zero9"),
        ("attention", "none"),
        ("device", "tpu"),
        ("checkpointing", "yes"),
        ("recipes", 5),
        ("colour", "red"),
    ],
)
def test_a_bad_value_is_refused_by_the_name_of_its_field(field, value):
    with pytest.raises(InputError, match=f"^{field}") as refused:
        parse_request({"model": "gpt2", field: value})
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    "config", ["not JSON", "[1]", "{}", '{"model_type": 3}', "[" * 10_000, '{"a": 1}' + " " * 300_000, 7]
)
def test_a_config_that_is_none_is_refused(config):
    with pytest.raises(InputError, match=r"^config"):
        parse_request({"config": config})


@pytest.mark.parametrize("asked", [{}, {"model": "gpt2", "config": {"model_type": "gpt2"}}, [], None, "gpt2"])
def test_one_model_must_be_named(asked):
    with pytest.raises(InputError):
        parse_request(asked)


@pytest.mark.parametrize("name", ["hub:", "hub:a/b/c", "hub:../x", "hub:a b", "hub:x?y", "HUB:a", "", 5])
def test_a_name_that_is_none_is_refused(name):
    with pytest.raises(InputError, match=r"^model"):
        parse_request({"model": name})


def test_all_recipes_are_planned_where_none_is_named():
    assert parse_request({"model": "gpt2"}).recipes == recipes.names()
    assert parse_request({"model": "gpt2", "recipes": ["bf16-amp", "fp32"]}).recipes == ("fp32", "bf16-amp")


def test_a_request_survives_json():
    request = parse_request({"model": "gpt2", "batch": 4, "gpus": 8, "sharding": "fsdp"})
    assert parse_request(json.loads(json.dumps(request.as_json()))) == request


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (["--model", "gpt2", "--gpus", "0"], "gpus"),
        (["--model", "gpt2", "--sequence", "-1"], "sequence"),
        (["--model", "gpt2", "--batch", "many"], "batch"),
        (["--model", "gpt2", "--recipe", "fp7"], "recipe"),
        (["--model", "gpt9"], "model"),
        (["--config", "/no/such/file"], "--config"),
    ],
)
def test_the_command_says_what_is_wrong_in_a_line(arguments, word, capsys):
    assert cli.main(["plan", *arguments]) == cli.BAD_INPUT
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith(word)
    assert said.err.count("\n") == 1


def test_a_file_that_is_no_config_is_refused(tmp_path, capsys):
    (tmp_path / "config.json").write_bytes(b"\xff\xfe{")
    assert cli.main(["plan", "--config", str(tmp_path / "config.json")]) == cli.BAD_INPUT
    assert capsys.readouterr().err.startswith("config")


def test_a_server_may_refuse_the_hub(monkeypatch):
    monkeypatch.setenv("EXPLORER_OWN_MODELS", "no")
    with pytest.raises(InputError, match="model: got 'hub:owner/model'") as caught:
        parse_request({"model": "hub:owner/model"})
    assert "or hub:" not in str(caught.value)


def test_a_model_of_the_hub_without_network_is_a_sentence(monkeypatch, capsys):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    assert cli.main(["plan", "--model", "hub:nobody/nothing-of-that-name"]) == cli.BAD_INPUT
    said = capsys.readouterr().err
    assert said.startswith("model: hub:nobody/nothing-of-that-name cannot be fetched")
    assert said.count("\n") == 1


def test_refusing_loads_no_torch():
    code = "import sys\nfrom explorer import cli\nstatus = cli.main(['plan', '--model', 'gpt2', '--gpus', '0'])\n" \
           "sys.exit(9 if 'torch' in sys.modules else status)"  # fmt: skip
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, check=False).returncode == cli.BAD_INPUT
