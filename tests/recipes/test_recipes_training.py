"""Every recipe trains: the digits' perceptron to a lower loss, and a small GPT-2 for a few steps."""

import copy
import math

import pytest
import torch

from explorer import recipes
from explorer.recipes.precision import Precision
from explorer.workloads import build

CPU = torch.device("cpu")


def losses(recipe, model, batches, steps, optimizer="adamw", eps=1e-8, lr=1e-3):
    precision = Precision(recipes.get(recipe), CPU, {"enabled": True} if recipes.get(recipe).scaler else None)
    model = precision.prepare(model)
    optimizer = precision.optimizer(optimizer, model.parameters(), lr=lr, weight_decay=0.0, eps=eps)
    found = []
    for _ in range(steps):
        batch = batches.next(CPU)
        with precision.step():
            optimizer.zero_grad()
            with precision.forward():
                loss = build.loss(model, batch)
            precision.scaler.scale(loss).backward()
            precision.scaler.step(optimizer)
            precision.scaler.update()
        found.append(loss.item())
    return found


def digits(recipe, steps=60, **options):
    return losses(recipe, build.build_model("mlp", 0), build.build_batches("digits", 64, 2, 0), steps, **options)


@pytest.fixture(scope="module")
def gpt2():
    return build.build_model("gpt2-tiny", 0)


@pytest.fixture(scope="module")
def float32_digits():
    return digits("fp32")


@pytest.mark.parametrize("recipe", [name for name in recipes.names() if name != "fp16-pure"])
def test_the_perceptron_trains_about_as_well_as_in_float32(recipe, float32_digits):
    found = digits(recipe)
    assert found[0] > 2.2
    assert found[-1] == pytest.approx(float32_digits[-1], rel=0.1)


def test_pure_fp16_trains_the_perceptron_with_a_larger_eps():
    found = digits("fp16-pure", eps=1e-4)
    assert found[-1] < 0.3 * found[0]


def test_pure_fp16_trains_the_perceptron_with_sgd_as_float32_does():
    settings = {"optimizer": "sgd", "lr": 0.1, "steps": 150}
    found, reference = digits("fp16-pure", **settings), digits("fp32", **settings)
    assert found[-1] == pytest.approx(reference[-1], rel=0.05)
    assert found[-1] < 0.5 * found[0]


def test_pure_fp16_goes_to_nan_with_adamws_default_eps():
    assert math.isnan(digits("fp16-pure", steps=5)[-1])


@pytest.mark.parametrize("recipe", recipes.names())
def test_gpt2_trains(recipe, gpt2):
    batches = build.build_batches("text", 4, 32, 0)
    found = losses(recipe, copy.deepcopy(gpt2), batches, 6, eps=1e-4 if recipe == "fp16-pure" else 1e-8)
    assert 5.4 < found[0] < 5.6
    assert found[-1] < found[0] - 0.5


def test_bf16_alone_stalls_where_stochastic_rounding_goes_on_as_float32_does():
    fallen = {}
    for recipe in ("fp32", "bf16-pure", "bf16-pure-stochastic"):
        found = digits(recipe, steps=250, lr=1e-4)
        fallen[recipe] = found[0] - sum(found[-5:]) / 5
    assert fallen["bf16-pure-stochastic"] == pytest.approx(fallen["fp32"], rel=0.05)
    assert fallen["bf16-pure"] < 0.4 * fallen["fp32"]
