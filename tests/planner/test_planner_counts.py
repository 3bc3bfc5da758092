"""Parameter counts, exact and quick."""

import time

import pytest
import torch
from torch import nn

from explorer.errors import InputError
from explorer.planner import NAMED
from explorer.planner.request import parse_request
from explorer.planner.subject import count, subject_of
from explorer.workloads import build

# From the models' cards, the papers, or the numbers of elements in their published safetensors files.
KNOWN = {
    "gpt2": 124_439_808,
    "gpt2-medium": 354_823_168,
    "gpt2-large": 774_030_080,
    "gpt2-xl": 1_557_611_200,
    "llama-2-7b": 6_738_415_616,
    "llama-2-13b": 13_015_864_320,
    "llama-2-70b": 68_976_648_192,
    "llama-3-8b": 8_030_261_248,
    "mistral-7b": 7_241_732_096,
    "qwen3-0.6b": 596_049_920,
    "qwen3-8b": 8_190_735_360,
    "bert-base": 109_514_298,
    "bert-large": 335_174_458,
    "vit-base": 86_567_656,
    "vit-large": 304_326_632,
}


def subject(name):
    return subject_of(parse_request({"model": name}))


@pytest.mark.parametrize("name", KNOWN)
def test_a_published_model_has_its_published_number_of_parameters(name):
    assert subject(name).count.parameters == KNOWN[name]


def test_seventy_billion_parameters_are_counted_in_seconds():
    assert subject("llama-2-7b").count.layers == 32, "and Transformers is imported"
    started = time.perf_counter()
    assert subject("llama-2-70b").count.layers == 80
    assert time.perf_counter() - started < 20


@pytest.mark.parametrize("name", ["mlp", "cnn", "gpt2-tiny"])
def test_a_model_of_the_lab_has_the_parameters_that_it_trains(name):
    built = build.build_model(name, seed=0)
    assert subject(name).count.parameters == sum(parameter.numel() for parameter in built.parameters())


def test_tied_weights_count_once():
    first, last = nn.Embedding(10, 4), nn.Linear(4, 10, bias=False)
    last.weight = first.weight
    assert count(nn.Sequential(first, last)).parameters == 40


def test_counting_allocates_no_weights():
    named = subject("llama-2-70b")
    with torch.device("meta"):
        assert {parameter.device.type for parameter in named.build(2).parameters()} == {"meta"}


def test_every_named_model_says_where_its_config_is_from():
    assert all(model.source.startswith("https://huggingface.co/") for model in NAMED.values())


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({"model_type": "nothing-like-it"}, "model type of Transformers"),
        ({"model_type": "llama", "num_hidden_layers": 10**9}, "num_hidden_layers"),
        ({"model_type": "llama", "hidden_size": -1}, "config"),
        ({"model_type": "llama", "hidden_size": "wide"}, "config"),
        ({"model_type": "t5"}, "has no model in Transformers"),
    ],
)
def test_a_config_that_cannot_be_built_is_refused_in_a_sentence(config, words):
    with pytest.raises(InputError, match=words) as refused:
        subject_of(parse_request({"config": config})).count  # noqa: B018
    assert "\n" not in str(refused.value)


def test_code_that_a_config_points_to_is_not_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "evil.py").write_text("raise SystemExit('ran')")
    config = NAMED["llama-2-7b"].config | {"auto_map": {"AutoModel": "evil.Model"}, "num_hidden_layers": 2}
    assert subject_of(parse_request({"config": config})).count.layers == 2
