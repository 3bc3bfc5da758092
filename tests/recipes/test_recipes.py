"""Recipes: what each says is what it does."""

import pytest
import torch

from explorer import formats, recipes
from explorer.errors import InputError
from explorer.recipes.precision import DTYPES, Precision

CPU = torch.device("cpu")


@pytest.mark.parametrize("recipe", recipes.RECIPES, ids=recipes.names())
def test_every_format_a_recipe_names_exists(recipe):
    for name in (recipe.weights, recipe.compute, recipe.accumulate, recipe.gradients):
        assert formats.get(name).name == name


@pytest.mark.parametrize("recipe", recipes.RECIPES, ids=recipes.names())
def test_products_run_in_the_compute_format_and_gradients_come_in_the_gradients_format(recipe):
    precision = Precision(recipe, CPU)
    layer = torch.nn.Linear(8, 8)
    with precision.step():
        with precision.forward():
            out = layer(torch.randn(4, 8))
        out.float().sum().backward()
    assert out.dtype is DTYPES[recipe.compute]
    assert layer.weight.dtype is DTYPES[recipe.weights]
    assert layer.weight.grad.dtype is DTYPES[recipe.gradients]


def test_the_scaler_takes_all_its_parameters():
    settings = {
        "enabled": True, "init_scale": 8.0, "growth_factor": 3.0, "backoff_factor": 0.25, "growth_interval": 7,
    }  # fmt: skip
    scaler = Precision(recipes.get("fp16-amp"), CPU, settings).scaler
    assert scaler.is_enabled()
    assert scaler.get_scale() == 8
    assert scaler.get_growth_factor() == 3
    assert scaler.get_backoff_factor() == 0.25
    assert scaler.get_growth_interval() == 7


def test_without_scaler_settings_nothing_is_scaled():
    loss = torch.tensor(2.0)
    assert Precision(recipes.get("fp16-amp"), CPU).scaler.scale(loss) == loss


def test_an_unknown_recipe_is_refused_with_those_there_are():
    with pytest.raises(InputError, match="fp32, bf16-amp, fp16-amp"):
        recipes.get("fp4")


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here")
def test_cuda_flags_are_the_lanes_own_and_are_put_back():
    matmul, convolution = torch.backends.cuda.matmul, torch.backends.cudnn.conv
    before = (matmul.fp32_precision, convolution.fp32_precision, matmul.allow_fp16_reduced_precision_reduction)
    with Precision(recipes.get("fp32"), torch.device("cuda")).step():
        assert (matmul.fp32_precision, convolution.fp32_precision) == ("ieee", "ieee")
        assert not matmul.allow_fp16_reduced_precision_reduction
    assert before == (matmul.fp32_precision, convolution.fp32_precision, matmul.allow_fp16_reduced_precision_reduction)
