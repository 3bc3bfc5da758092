"""Recipes: what each says is what it does."""

import pytest
import torch

from explorer import formats, recipes
from explorer.errors import InputError
from explorer.recipes.precision import DTYPES, Precision

CPU = torch.device("cpu")

ALL = (
    "fp32", "tf32", "bf16-amp", "fp16-amp", "bf16-pure", "fp16-pure", "bf16-pure-stochastic",
    "fp8-tensorwise", "fp8-rowwise", "fp8-unscaled", "mxfp8", "nvfp4",
)  # fmt: skip


def each_recipe(test):
    return pytest.mark.parametrize("recipe", recipes.RECIPES, ids=recipes.names())(test)


def two_layers():
    """A linear layer, and a head that no recipe converts."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return torch.nn.Sequential(torch.nn.Linear(32, 32), torch.nn.Linear(32, 8))


def test_all_recipes_are_there():
    assert recipes.names() == ALL


@each_recipe
def test_every_format_a_recipe_names_exists(recipe):
    named = (recipe.weights, recipe.compute, recipe.accumulate, recipe.gradients, recipe.optimizer_state)
    for name in (*named, recipe.gradient_operand):
        assert formats.get(name).name == name


@each_recipe
def test_a_recipe_is_one_description_that_json_holds(recipe):
    data = recipe.as_data()
    assert data["name"] == recipe.name
    assert data["backward"] == recipe.gradient_operand
    for sentence in (recipe.summary, recipe.needs):
        assert sentence.endswith(".")


@each_recipe
def test_weights_gradients_and_optimizer_state_are_stored_as_the_recipe_says(recipe):
    precision = Precision(recipe, CPU)
    model = precision.prepare(two_layers())
    parameters = list(model.parameters())
    optimizer = precision.optimizer("adamw", parameters, lr=1e-3, weight_decay=0.0, eps=1e-4)
    with precision.step():
        with precision.forward():
            out = model(torch.randn(4, 32, generator=torch.Generator().manual_seed(1)))
        out.float().square().mean().backward()
        optimizer.step()
    for parameter in parameters:
        assert parameter.dtype is DTYPES[recipe.weights]
        assert parameter.grad.dtype is DTYPES[recipe.gradients]
        assert optimizer.state[parameter]["exp_avg_sq"].dtype is DTYPES[recipe.optimizer_state]


@pytest.mark.parametrize("name", ["fp32", "bf16-amp", "fp16-amp"])
def test_products_under_autocast_come_in_the_compute_format(name):
    precision = Precision(recipes.get(name), CPU)
    with precision.step(), precision.forward():
        out = torch.nn.Linear(8, 8)(torch.randn(4, 8))
    assert out.dtype is DTYPES[name.removesuffix("-amp")] is precision.compute


@each_recipe
def test_a_lane_is_told_how_products_run_and_why(recipe):
    precision = Precision(recipe, CPU)
    model = precision.prepare(two_layers())
    told = precision.describe()
    assert told["support"] in ("native", "emulated")
    assert told["reason"].endswith(".")
    assert told["converted"] == (["0"] if recipe.converts else [])
    if recipe.compute not in DTYPES:
        assert told["support"] == "emulated"
    assert model[1].weight.shape == (8, 32)


@each_recipe
def test_preparing_a_model_draws_nothing_and_leaves_the_flags_alone(recipe):
    model, before = two_layers(), torch.get_rng_state()
    flags = torch.backends.cuda.math_sdp_enabled(), torch.backends.cuda.flash_sdp_enabled()
    precision = Precision(recipe, CPU)
    model = precision.prepare(model)
    optimizer = precision.optimizer("sgd", model.parameters(), lr=0.1, weight_decay=0.0, eps=1e-8)
    with precision.step():
        model(torch.ones(4, 32)).float().sum().backward()
        optimizer.step()
    assert torch.equal(torch.get_rng_state(), before)
    assert flags == (torch.backends.cuda.math_sdp_enabled(), torch.backends.cuda.flash_sdp_enabled())


@pytest.mark.parametrize(
    ("kind", "expected"),
    [("adamw", torch.optim.AdamW), ("sgd", torch.optim.SGD), ("adafactor", torch.optim.Adafactor)],
)
@pytest.mark.parametrize("name", ["fp32", "bf16-pure-stochastic"])
def test_every_optimizer_is_pytorchs_own_and_moves_the_weights(name, kind, expected):
    precision = Precision(recipes.get(name), CPU)
    model = precision.prepare(two_layers())
    before = model[0].weight.detach().clone()
    optimizer = precision.optimizer(kind, model.parameters(), lr=0.01, weight_decay=0.0, eps=1e-8)
    assert isinstance(optimizer, expected)
    model(torch.ones(4, 32)).float().square().sum().backward()
    optimizer.step()
    assert not torch.equal(model[0].weight, before)


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
    with pytest.raises(InputError, match="fp32, tf32, bf16-amp, fp16-amp"):
        recipes.get("fp4")


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here")
@pytest.mark.parametrize(("name", "expected"), [("fp32", "ieee"), ("tf32", "tf32")])
def test_cuda_flags_are_the_lanes_own_and_are_put_back(name, expected):
    matmul, convolution = torch.backends.cuda.matmul, torch.backends.cudnn.conv
    before = (matmul.fp32_precision, convolution.fp32_precision, matmul.allow_fp16_reduced_precision_reduction)
    precision = Precision(recipes.get(name), torch.device("cuda"))
    if name == "tf32" and precision.support != "native":
        expected = "ieee"
    with precision.step():
        assert (matmul.fp32_precision, convolution.fp32_precision) == (expected, expected)
        assert not matmul.allow_fp16_reduced_precision_reduction
    assert before == (matmul.fp32_precision, convolution.fp32_precision, matmul.allow_fp16_reduced_precision_reduction)


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here")
@each_recipe
def test_a_step_on_cuda_comes_near_the_same_step_on_the_cpu(recipe):
    gradients = []
    x = torch.randn(128, 32, generator=torch.Generator().manual_seed(1))
    for device in (CPU, torch.device("cuda")):
        precision = Precision(recipe, device)
        model = precision.prepare(two_layers().to(device))
        with precision.step():
            with precision.forward():
                out = model(x.to(device))
            out.float().square().mean().backward()
        gradients.append(model[0].weight.grad.float().cpu())
    distance = torch.linalg.vector_norm(gradients[0] - gradients[1]) / torch.linalg.vector_norm(gradients[0])
    assert distance < 0.03
