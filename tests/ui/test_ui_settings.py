"""The settings form and the links: what a config becomes there and comes back as."""

from __future__ import annotations

import html
import json
import subprocess
import sys
from typing import Any

import gradio as gr
import pytest

from explorer import recipes
from explorer.burst.config import BurstConfig, parse_config
from explorer.burst.presets import PRESETS
from explorer.errors import InputError
from explorer.ui import lab, lanes, links, settings, words

OVERRIDES = {
    "model": "mlp",
    "clip_norm": None,
    "input_scale": 1e4,
    "trace": {"parameter": "0.weight", "index": [3, 5]},
    "lanes": [
        {"name": "own", "recipe": "fp32", "learning_rate": 0.5, "clip_norm": None, "optimizer": "sgd"},
        {"name": "scaled", "recipe": "fp16-amp", "scaler": {"enabled": False, "init_scale": 3.5, "growth_interval": 7}},
    ],
}
EVERYTHING = {
    "model": "gpt2-tiny",
    "text": " Ein eigener Text,\n\nmit Zeilen. ",
    "steps": 50,
    "accumulation_steps": 4,
    "warmup_steps": 5,
    "schedule": "cosine",
    "optimizer": "adafactor",
    "eval_every": 7,
    "seed": 3,
    "seeds": 5,
    "lanes": [
        {"name": "spike", "recipe": "fp16-amp", "faults": [{"kind": "loss-spike", "step": 30, "factor": 1e3}]},
        {
            "name": "three",
            "recipe": "fp16-amp",
            "faults": [
                {"kind": "clip-before-unscale", "step": 2},
                {"kind": "infinite-gradient", "step": 9, "lasting": True},
                {"kind": "no-scaler-update"},
            ],
        },
        {"name": "blocks", "recipe": "nvfp4", "faults": [{"kind": "activation-outlier", "lasting": True}]},
        {"name": "plain", "recipe": "bf16-pure-stochastic"},
    ],
}
SPIRALS = {"model": "spirals-mlp", "input_scale": 2.0, "lanes": [{"recipe": "tf32"}]}
OWN = {"model": "hub:someone/their-model", "data": "digits", "lanes": [{"recipe": "fp8-rowwise"}]}
CONFIGS = [preset.config() for preset in PRESETS.values()]
CONFIGS += [parse_config(config) for config in (OVERRIDES, EVERYTHING, SPIRALS, OWN)]


@pytest.fixture(scope="module")
def form() -> settings.Form:
    with gr.Blocks():
        return settings.build(next(iter(PRESETS.values())).config())


def _value(update: Any) -> Any:
    return update["value"] if isinstance(update, dict) else update


def _shown(form: settings.Form, config: Any) -> list[Any]:
    """The values that the form's inputs have once a config was filled in."""
    updates = dict(zip(form.outputs, settings.fill(form, config), strict=True))
    plain = [updates[component] for component in form.inputs]
    return [update["value"] if isinstance(update, dict) else update for update in plain]


@pytest.mark.parametrize("config", CONFIGS)
def test_a_config_that_was_filled_in_is_read_back(form, config):
    read = parse_config(settings.read(form, _shown(form, config)))
    # The form leaves out what the model does not read.
    leave = {"input_scale", "sequence_length"}
    assert {**read.as_json(), **dict.fromkeys(leave)} == {**config.as_json(), **dict.fromkeys(leave)}


def test_a_form_is_built_with_what_filling_it_would_show(form):
    first = next(iter(PRESETS.values())).config()
    built = [component.value for component in form.inputs]
    assert built == _shown(form, first)


def test_every_field_of_a_config_has_a_place_in_the_form(form):
    assert {*form.fields, "lanes", "trace"} == {*BurstConfig.model_fields, "trace_parameter", "trace_index"} | {"lanes"}


def test_data_is_chosen_only_where_there_is_a_choice():
    assert settings.fill_model("hub:someone/their-model")[1] == gr.update(
        choices=[("English text", "text"), ("Handwritten digits", "digits")], value="text", visible=True
    )
    assert not settings.fill_model("gpt2-tiny")[1]["visible"]


def test_fields_that_are_not_read_are_out_of_sight():
    def seen(model, data):
        updates = dict(zip(settings.DEPEND_ON_WORKLOAD, settings.fill_data(model, data)[1:], strict=True))
        return {field for field, update in updates.items() if update["visible"]}

    assert seen("gpt2-tiny", "text") == {"text", "sequence_length"}
    assert seen("mlp", "digits") == {"input_scale"}
    assert seen("hub:someone/their-model", "text") >= {"text"}
    assert "text" not in seen("hub:someone/their-model", "digits")


def test_a_model_of_one_s_own_is_named_in_the_field_of_the_model(form):
    values = _shown(form, CONFIGS[0])
    at = form.inputs.index(form.fields["model"])
    values[at] = " hub:someone/their-model "
    assert settings.read(form, values)["model"] == "hub:someone/their-model"
    about, *_ = settings.fill_model("hub:<img src=x>")
    assert "&lt;img" in about
    assert "<img" not in about
    values[at] = "hub:<img src=x>"
    with pytest.raises(InputError, match="model: got 'hub:<img"):
        parse_config(settings.read(form, values))


def test_a_fault_comes_with_its_usual_strength_and_length():
    row, factor, lasting = lanes.show_fault("loss-spike")[1:]
    assert (row["visible"], factor["value"], factor["visible"], lasting["visible"]) == (True, 1e4, True, True)
    row, factor, lasting = lanes.show_fault("clip-before-unscale")[1:]
    assert (row["visible"], factor["visible"], lasting["value"], lasting["visible"]) == (True, False, True, False)
    assert not lanes.show_fault("none")[1]["visible"]


def test_the_faults_behind_the_first_are_kept_as_text(form):
    values = _shown(form, parse_config(EVERYTHING))
    at = form.inputs.index(form.lanes[1].fields["more_faults"])
    assert [fault["kind"] for fault in json.loads(values[at])] == ["infinite-gradient", "no-scaler-update"]
    values[at] = "spike"
    with pytest.raises(InputError, match=r"lanes\[1\]\.faults: got 'spike', but takes a list of faults as JSON"):
        settings.read(form, values)


@pytest.mark.parametrize("name", recipes.names())
def test_a_recipe_says_what_it_is_and_whether_it_is_native(name):
    recipe = recipes.get(name)
    assert html.escape(recipe.summary) in lanes.about_recipe(name)
    assert "data-how" not in lanes.about_recipe(name)
    marked = lanes.about_recipe(name, {name: {"how": "emulated", "reason": "No <unit> for it."}})
    assert 'data-how="emulated"' in marked
    assert "No &lt;unit&gt; for it." in marked


def test_marks_leave_the_values_alone(form):
    updates = dict(zip(form.outputs, settings.mark(form, CONFIGS[0], None), strict=True))
    assert html.escape(recipes.get("bf16-amp").summary) in updates[form.lanes[1].about]
    assert all(updates[component] == gr.skip() for component in form.inputs)


def test_an_emptied_number_is_named(form):
    values = _shown(form, CONFIGS[0])
    values[form.inputs.index(form.fields["steps"])] = None
    with pytest.raises(InputError, match=r"steps: is empty, but takes a whole number from 1"):
        settings.read(form, values)


def test_a_bad_own_setting_is_named_with_its_lane(form):
    values = _shown(form, CONFIGS[0])
    values[form.inputs.index(form.lanes[1].fields["own"])] = "momentum=1"
    with pytest.raises(InputError, match=r"lanes\[1\]\.own settings: got 'momentum=1'"):
        settings.read(form, values)


def test_lanes_behind_a_removed_one_move_up(form):
    config = PRESETS["scale-falls"].config()
    updates = settings.remove_lane(form, _shown(form, config), index=1)
    shown = dict(zip(form.lane_outputs, updates, strict=True))
    assert [shown[lane.fields["name"]] for lane in form.lanes[:3]] == ["from 2^16", "from 2^32", "from 2^40"]
    assert shown[form.count] == 3
    assert not shown[form.lanes[3].group]["visible"]


@pytest.mark.parametrize(
    ("text", "scale"),
    [
        ("2^16", 65536.0),
        ("2**24", 2.0**24),
        (" 1024 ", 1024.0),
        ("6.5e4", 6.5e4),
        ("2^", "2^"),
        ("much", "much"),
        ("", ""),
    ],
)
def test_a_scale_is_read_as_people_write_it(text, scale):
    assert words.read_scale(text) == scale


@pytest.mark.parametrize("scale", [65536.0, 2.0**126, 1.0, 3.5, 100000.0, 0.25])
def test_a_written_scale_is_read_back(scale):
    assert words.read_scale(words.scale_text(scale)) == scale


def test_the_help_on_a_scaler_s_setting_has_its_range_and_default():
    assert words.scaler_help("backoff_factor").endswith("Takes a number between 0 and 1, both excluded; default 0.5.")
    assert words.scaler_help("init_scale").endswith("default 2^16.")


def test_every_field_of_a_lane_s_form_is_filled():
    scaler = {"enabled", "init_scale", *lanes.SCALER_NUMBERS}
    assert set(lanes.fresh()) == {"name", "recipe", *scaler, "own", *words.FAULT_LABELS}


@pytest.mark.parametrize("config", CONFIGS)
def test_a_link_brings_its_config_back(config):
    assert links.decode_config(links.encode_config(config)) == config
    assert links.decode_config(json.dumps(config.as_json())) == config


def test_a_text_that_no_link_can_hold_is_refused(form):
    values = _shown(form, parse_config({**EVERYTHING, "text": "ab" * 20_000}))
    link, alert = lab._link(form, *values)
    assert link == gr.skip()
    assert alert.startswith("text: is too long for a link")
    assert lab._link(form, *_shown(form, parse_config(EVERYTHING)))[1] == ""


@pytest.mark.parametrize("text", ["@@", "e30", "{", "x" * 50, "é"])
def test_a_link_that_is_none_is_an_input_error(text):
    with pytest.raises(InputError):
        links.decode_config(text)


def test_importing_the_pages_leaves_torch_alone():
    code = "import sys, explorer.ui; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
