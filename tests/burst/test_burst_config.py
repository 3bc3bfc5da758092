import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from explorer.burst import PRESETS, parse_config
from explorer.errors import InputError

FP32 = {"recipe": "fp32"}


def scaled(**scaler):
    return {"lanes": [{"recipe": "fp16-amp", "scaler": scaler}]}


def lanes(**fields):
    return {"lanes": [FP32], **fields}


REFUSED = [
    ({}, "lanes", "one to four lanes"),
    ({"lanes": []}, "lanes", "one to four lanes"),
    ({"lanes": [FP32] * 5}, "lanes", "one to four lanes"),
    ({"lanes": 3}, "lanes", "one to four lanes"),
    ({"lanes": [3]}, "lanes[0]", "recipe"),
    ({"lanes": [{}]}, "lanes[0].recipe", "fp32"),
    (lanes(steps=0), "steps", "from 1 to 100,000"),
    (lanes(steps=10**9), "steps", "from 1 to 100,000"),
    (lanes(steps="many"), "steps", "a whole number"),
    (lanes(steps=True), "steps", "a whole number"),
    (lanes(learning_rate=math.nan), "learning_rate", "above 0"),
    (lanes(learning_rate=math.inf), "learning_rate", "above 0"),
    (lanes(clip_norm=-1), "clip_norm", "null for no clipping"),
    (lanes(model="gpt5"), "model", "gpt2-tiny"),
    (lanes(model="mlp", data="text"), "data", "digits"),
    (lanes(sequence_length=129), "sequence_length", "at most 128"),
    (lanes(input_scale=2.0), "input_scale", "tokens"),
    (lanes(device="../cuda"), "device", "auto, cpu"),
    (lanes(stepz=3), "stepz", "steps"),
    (lanes(trace={"index": [1.5]}), "trace.index[0]", "whole numbers"),
    ({"lanes": [{"recipe": "fp64"}]}, "lanes[0].recipe", "fp32"),
    ({"lanes": [{"recipe": "fp32", "name": "x" * 10_000}]}, "lanes[0].name", "1 to 40 characters"),
    ({"lanes": [{"recipe": "fp32", "scaler": {}}]}, "lanes[0].scaler", "only fp16-amp scales"),
    ({"lanes": [{"recipe": "fp32", "learning_rate": None}]}, "lanes[0].learning_rate", "above 0"),
    (scaled(growth_factor=1), "lanes[0].scaler.growth_factor", "above 1"),
    (scaled(backoff_factor=1), "lanes[0].scaler.backoff_factor", "between 0 and 1"),
    (scaled(init_scale=0), "lanes[0].scaler.init_scale", "above 0"),
    (scaled(init_scale=-1), "lanes[0].scaler.init_scale", "above 0"),
    (scaled(init_scale=math.inf), "lanes[0].scaler.init_scale", "above 0"),
    (scaled(growth_interval=0), "lanes[0].scaler.growth_interval", "a whole number"),
    ("not json", "config", "JSON"),
    ("[" * 100_000, "config", "JSON"),
    ("x" * 800_000, "config", "700,000 bytes"),
    ([], "config", "a JSON object"),
    (None, "config", "a JSON object"),
]


@pytest.mark.parametrize(("config", "field", "accepted"), REFUSED, ids=[str(case[0])[:60] for case in REFUSED])
def test_bad_input_gets_one_sentence_that_names_the_field_and_what_it_takes(config, field, accepted):
    with pytest.raises(InputError) as refusal:
        parse_config(config)
    sentence = str(refusal.value)
    assert refusal.value.field == field
    assert sentence.startswith(field)
    assert accepted in sentence
    assert "\n" not in sentence
    assert len(sentence) < 400


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
                    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(
                        st.sampled_from(["lanes", "steps", "recipe", "scaler", "trace", "index", "name", "x"]), inner),
                    max_leaves=12))  # fmt: skip
def test_whatever_is_given_is_accepted_or_refused_with_a_sentence(given_value):
    try:
        parse_config(given_value)
    except InputError as error:
        assert str(error)  # noqa: PT017


@pytest.mark.parametrize("preset", PRESETS.values(), ids=PRESETS)
def test_a_config_survives_the_way_through_json(preset):
    config = preset.config()
    assert parse_config(json.dumps(config.as_json())) == config


def test_a_lane_without_clipping_differs_from_one_that_says_nothing():
    config = parse_config({"clip_norm": 2.0, "lanes": [FP32, {"recipe": "fp32", "clip_norm": None}]})
    again = parse_config(config.as_json())
    assert [again.lane_setting(lane, "clip_norm") for lane in again.lanes] == [2.0, None]


def test_scaler_defaults_are_those_of_grad_scaler():
    import torch

    scaler = parse_config({"lanes": [{"recipe": "fp16-amp"}]}).lanes[0].scaler
    theirs = torch.amp.GradScaler("cpu")
    assert scaler.enabled
    assert scaler.init_scale == theirs.get_scale()
    assert scaler.growth_factor == theirs.get_growth_factor()
    assert scaler.backoff_factor == theirs.get_backoff_factor()
    assert scaler.growth_interval == theirs.get_growth_interval()
