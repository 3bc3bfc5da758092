"""Which layers a recipe converts, and that a converted model is the same model."""

import copy

import pytest
import torch
from torch import nn

from explorer import recipes
from explorer.recipes.convert import as_linear, convert, head_of
from explorer.recipes.linear import RoundedLinear
from explorer.recipes.precision import Precision
from explorer.workloads import build

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def gpt2():
    return build.build_model("gpt2-tiny", 0)


@pytest.fixture(scope="module")
def tokens():
    return build.build_batches("text", 2, 16, 0).next(CPU)


def test_conv1d_becomes_a_linear_layer_of_the_same_weights_and_function(gpt2):
    conv = gpt2.transformer.h[0].mlp.c_fc
    linear = as_linear(conv)
    assert type(linear) is nn.Linear
    assert torch.equal(linear.weight, conv.weight.T)
    assert linear.weight.is_contiguous()
    assert linear.bias is conv.bias
    x = torch.randn(3, 5, 128, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(linear(x), conv(x))


def test_a_model_of_linear_layers_computes_what_it_did(gpt2, tokens):
    model = copy.deepcopy(gpt2)
    converted = convert(model, lambda layer: layer)
    assert converted.transposed == set(converted.layers)
    torch.testing.assert_close(build.loss(model, tokens), build.loss(gpt2, tokens))


def test_all_linear_layers_of_gpt2_but_the_head_are_converted(gpt2):
    precision = Precision(recipes.get("mxfp8"), CPU)
    model = precision.prepare(copy.deepcopy(gpt2))
    inside = ("attn.c_attn", "attn.c_proj", "mlp.c_fc", "mlp.c_proj")
    assert precision.converted == [f"transformer.h.{block}.{name}" for block in range(4) for name in inside]
    assert precision.transposed == set(precision.converted)
    assert type(model.lm_head) is nn.Linear
    assert model.lm_head.weight is model.transformer.wte.weight


def test_a_converted_model_has_the_parameters_of_the_other_lanes(gpt2):
    precision = Precision(recipes.get("fp8-rowwise"), CPU)
    model = precision.prepare(copy.deepcopy(gpt2))
    plain = dict(gpt2.named_parameters())
    for name, parameter in model.named_parameters():
        turned = name.endswith(".weight") and name.rpartition(".")[0] in precision.transposed
        assert torch.equal(parameter, plain.pop(name).T if turned else plain.get(name, parameter))
        plain.pop(name, None)
    assert not plain


def test_the_head_is_what_the_model_says_or_its_last_linear_layer(gpt2):
    mlp = build.build_model("mlp", 0)
    assert head_of(gpt2) is gpt2.lm_head
    assert head_of(mlp) is mlp[4]
    assert head_of(nn.Sequential(nn.ReLU())) is None


def test_in_the_mlp_the_hidden_layers_are_converted_and_in_the_cnn_none():
    for name, expected in (("mlp", ["0", "2"]), ("cnn", [])):
        precision = Precision(recipes.get("fp8-unscaled"), CPU)
        model = precision.prepare(build.build_model(name, 0))
        assert precision.converted == expected
        assert [n for n, module in model.named_modules() if isinstance(module, RoundedLinear)] == expected


@pytest.mark.parametrize("name", ["llama-tiny", "bert-tiny", "vit-tiny"])
def test_every_linear_layer_but_the_head_of_other_architectures_is_converted(name):
    from explorer import workloads

    if name not in workloads.model_names():
        pytest.skip(f"no {name} among the models")
    model = build.build_model(name, 0)
    linear = [each for each, module in model.named_modules() if isinstance(module, nn.Linear)]
    head = head_of(model)
    precision = Precision(recipes.get("nvfp4"), CPU)
    prepared = precision.prepare(model)
    left = [each for each, module in prepared.named_modules() if type(module) is nn.Linear]
    assert [prepared.get_submodule(each) for each in left] == [head]
    assert precision.converted == [each for each in linear if each not in left]


def test_a_layer_in_two_places_stays_one_layer():
    shared = nn.Linear(8, 8)
    model = nn.Sequential(shared, nn.ReLU(), shared, nn.Linear(8, 2))
    converted = convert(model, lambda layer: nn.Identity())
    assert converted.layers == ["0"]
    assert model[0] is model[2]
    assert isinstance(model[0], nn.Identity)


def test_a_weight_that_another_module_uses_stays_where_it_is():
    tied, embedding = nn.Linear(8, 4, bias=False), nn.Embedding(4, 8)
    tied.weight = embedding.weight
    model = nn.Sequential(embedding, tied, nn.Linear(4, 2))
    assert convert(model, lambda layer: nn.Identity()).layers == []


def test_a_converted_layer_keeps_its_mode():
    model = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 4)).eval()
    precision = Precision(recipes.get("mxfp8"), CPU)
    assert not precision.prepare(model)[0].training
