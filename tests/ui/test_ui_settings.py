"""The settings form and the links: what a config becomes there and comes back as."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import gradio as gr
import pytest

from explorer.burst.config import parse_config
from explorer.burst.presets import PRESETS
from explorer.errors import InputError
from explorer.ui import lanes, links, settings, words

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
CONFIGS = [preset.config() for preset in PRESETS.values()] + [parse_config(OVERRIDES)]


@pytest.fixture(scope="module")
def form() -> settings.Form:
    with gr.Blocks():
        return settings.build(next(iter(PRESETS.values())).config())


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
    updates = settings.remove_lane(form, _shown(form, config), 1)
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
    assert set(lanes.fresh()) == {"name", "recipe", "enabled", "init_scale", *lanes.SCALER_NUMBERS, "own"}


@pytest.mark.parametrize("config", CONFIGS)
def test_a_link_brings_its_config_back(config):
    assert links.decode_config(links.encode_config(config)) == config
    assert links.decode_config(json.dumps(config.as_json())) == config


@pytest.mark.parametrize("text", ["@@", "e30", "{", "x" * 50, "é"])
def test_a_link_that_is_none_is_an_input_error(text):
    with pytest.raises(InputError):
        links.decode_config(text)


def test_importing_the_pages_leaves_torch_alone():
    code = "import sys, explorer.ui; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
