import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from explorer.burst import PRESETS, parse_config
from explorer.burst.faults import FAULTS
from explorer.errors import InputError

FP32 = {"recipe": "fp32"}


def scaled(**scaler):
    return {"lanes": [{"recipe": "fp16-amp", "scaler": scaler}]}


def lanes(**fields):
    return {"lanes": [FP32], **fields}


def faulty(kind, recipe="fp16-amp", scaler=None, clip_norm=1.0, **fields):
    lane = {"recipe": recipe, "faults": [{"kind": kind, **fields}], "clip_norm": clip_norm}
    return {"lanes": [lane if scaler is None else {**lane, "scaler": scaler}]}


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
    (lanes(accumulation_steps=65), "accumulation_steps", "from 1 to 64"),
    (lanes(batch_size=4096, accumulation_steps=32), "accumulation_steps", "at most 16 with a batch_size of 4,096"),
    (lanes(warmup_steps=100), "warmup_steps", "fewer than the 100 steps"),
    (lanes(schedule="step"), "schedule", "constant, linear, cosine"),
    (lanes(eval_every=0), "eval_every", "or null for no evaluation"),
    (lanes(eval_every=101), "eval_every", "at most the 100 steps"),
    (lanes(seeds=6), "seeds", "from 1 to 5"),
    (lanes(seeds=2, seed=2**32 - 1), "seeds", "at most 1"),
    (lanes(optimizer="adam"), "optimizer", "adamw, sgd, adafactor"),
    (lanes(model="mlp", text="To be or not to be."), "text", "null with the data digits"),
    (lanes(text="x" * 50_001), "text", "50,000 characters"),
    (lanes(text=""), "text", "50,000 characters"),
    (lanes(model="hub:no-owner"), "model", "hub:<owner>/<id>"),
    (lanes(model=3), "model", "the name of a model"),
    (faulty("meteor"), "lanes[0].faults[0].kind", "loss-spike, infinite-gradient"),
    (faulty("loss-spike", step=100), "lanes[0].faults[0].step", "from 0 to 99"),
    (faulty("loss-spike", step=-1), "lanes[0].faults[0].step", "a whole number"),
    (faulty("loss-spike", factor=0), "lanes[0].faults[0].factor", "above 0"),
    (faulty("loss-spike", strength=2), "lanes[0].faults[0].strength", "kind, step, factor, lasting"),
    (faulty("infinite-gradient", factor=2), "lanes[0].faults[0].factor", "no factor"),
    (faulty("clip-before-unscale", lasting=False), "lanes[0].faults[0].lasting", "true in the fault"),
    (faulty("clip-before-unscale", clip_norm=None), "lanes[0].faults[0].kind", "a lane that clips"),
    (faulty("clip-before-unscale", "fp32"), "lanes[0].faults[0].kind", "which the recipe fp32 is not"),
    (faulty("no-scaler-update", scaler={"enabled": False}), "lanes[0].faults[0].kind", "its scaler enabled"),
    ({"lanes": [{"recipe": "fp32", "faults": [3]}]}, "lanes[0].faults[0]", "a JSON object with the fields kind"),
    ({"lanes": [{"recipe": "fp32", "faults": {}}]}, "lanes[0].faults", "a list of up to eight faults"),
    ({"lanes": [{"recipe": "fp32", "faults": [{}]}]}, "lanes[0].faults[0].kind", "loss-spike"),
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


FIELDS = ["lanes", "steps", "recipe", "scaler", "trace", "index", "name", "faults", "kind", "text", "x"]


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
                    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(FIELDS), inner),
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


def test_every_field_survives_the_way_through_json():
    config = parse_config({
        "text": "ä𝄞" * 100, "accumulation_steps": 2, "warmup_steps": 3, "schedule": "cosine", "eval_every": 5,
        "seeds": 2, "optimizer": "adafactor", "lanes": [
            {"recipe": "fp16-amp", "faults": [{"kind": kind, "step": 2} for kind in FAULTS], "optimizer": "sgd"},
            {"recipe": "mxfp8", "faults": [{"kind": "activation-outlier", "factor": 3.5, "lasting": True}]},
        ],
    })  # fmt: skip
    assert parse_config(json.dumps(config.as_json())) == config
    assert parse_config(json.dumps(config.as_json())).as_json() == config.as_json()


def test_the_longest_text_fits_into_a_config_however_it_is_written():
    config = parse_config(lanes(text="𝄞" * 50_000))
    assert parse_config(json.dumps(config.as_json(), ensure_ascii=True)) == config


def test_a_fault_is_filled_in_with_what_its_kind_usually_is():
    faults = (
        parse_config(faulty("loss-spike")).lanes[0].faults + parse_config(faulty("no-scaler-update")).lanes[0].faults
    )
    assert [(fault.step, fault.factor, fault.lasting) for fault in faults] == [(0, 1e4, False), (0, None, True)]


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
