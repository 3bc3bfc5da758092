"""Counts of gradients against the gradients themselves."""

import functools

import pytest
import torch
from burst_lanes import lane_of, watched

from explorer import formats, recipes
from explorer.burst.gradients import Gradients, weights_of_products
from explorer.burst.layers import products
from explorer.burst.magnitudes import Magnitudes, histogram, tally
from explorer.recipes.precision import DTYPES

RECIPES = ("fp32", "bf16-amp", "fp16-amp")


class Outputs:
    """Keeps the output gradients of all layers that multiply, as autograd gives them."""

    def __init__(self, lane):
        self.kept = {}
        for name, module in products(lane.model):
            module.register_forward_hook(functools.partial(self.keep, name))

    def keep(self, name, layer, args, output):
        output.register_hook(lambda gradient: self.kept.__setitem__(name, gradient.clone()))


def shares(numbers, name):
    """Zero, subnormal and non-finite shares by comparison with the format's limits."""
    wide = numbers.double()
    subnormal = (wide != 0) & (wide.abs() < formats.get(name).smallest_normal)
    return [each.double().mean().item() for each in (wide == 0, subnormal, ~wide.isfinite())]


def bins(numbers):
    """The histogram by logarithm."""
    wide = numbers.double()
    exponents = wide[wide.isfinite() & (wide != 0)].abs().log2().floor().int()
    low = int(exponents.min())
    return {"low": low, "counts": torch.bincount(exponents - low).tolist()}


@pytest.mark.parametrize("name", ["fp16", "bf16", "fp32", "e5m2", "e4m3fn", "tf32"])
def test_shares_of_every_code_are_what_the_format_says(name):
    spec = formats.get(name)
    if name == "fp32":
        values = torch.tensor([0.0, -0.0, 1e-45, 1e-39, 1.2e-38, 1.0, -3.0, float("inf"), float("nan"), 2.0**100])
    elif name == "tf32":
        values = torch.tensor([0.0, -0.0, 1.0, -3.0, float("inf"), float("nan"), 2.0**100, 2.0**-126])
    elif name in DTYPES:
        values = torch.arange(2**16, dtype=torch.int32).to(torch.int16).view(DTYPES[name])
    else:
        values = torch.tensor([spec.decode(code).value for code in range(2**spec.bits)])
    found = Magnitudes.of(tally(values.reshape(2, -1)), spec)
    assert found.shares() == shares(values, name)
    assert found.total == values.numel()
    if name != "fp32":
        assert histogram(found.exponents) == bins(values)


@pytest.mark.parametrize("recipe", RECIPES)
@pytest.mark.parametrize("model", ["mlp", "gpt2-tiny"])
def test_every_layer_has_the_shares_of_its_own_gradient(model, recipe):
    lane, batch = lane_of(model, recipe)
    gradients, outputs = Gradients(lane, 1), Outputs(lane)
    watched(lane, batch, gradients, step=1)
    reading = gradients.reading()
    assert reading["layers"] == {name: shares(g, reading["format"]) for name, g in outputs.kept.items()}
    together = torch.cat([gradient.reshape(-1) for gradient in outputs.kept.values()])
    assert [reading[f"{kind}_fraction"] for kind in ("zero", "subnormal", "nonfinite")] == shares(
        together, reading["format"]
    )
    if recipe != "fp32":
        assert reading["histogram"] == bins(together)


@pytest.mark.parametrize("recipe", [name for name in recipes.names() if recipes.get(name).converts])
@pytest.mark.parametrize("model", ["mlp", "gpt2-tiny"])
def test_a_layer_that_rounds_its_operands_holds_them_in_the_recipes_format(model, recipe):
    lane, batch = lane_of(model, recipe)
    gradients, outputs = Gradients(lane, 1), Outputs(lane)
    watched(lane, batch, gradients)
    reading, described = gradients.reading(), recipes.get(recipe)
    spec = formats.get(described.gradient_operand)
    element = spec.element if described.scaling == "block" else spec
    assert reading["format"] == element.name
    # The definition in numpy, where it has the same scales: in blocks along a row, or none.
    if described.scaling in ("none", "block"):
        for name in lane.precision.converted[:4]:
            rows = outputs.kept[name].reshape(-1, outputs.kept[name].shape[-1]).numpy()
            rounded = torch.from_numpy(spec.quantize(rows) if described.scaling == "block" else saturated(spec, rows))
            assert reading["layers"][name][0] == (rounded == 0).double().mean().item()
    assert 0 <= reading["lost_fraction"] <= reading["zero_fraction"]
    unconverted = reading["layers"].keys() - set(lane.precision.converted)
    assert all(reading["layers"][name] == shares(outputs.kept[name], "fp32") for name in unconverted)


def saturated(spec, rows):
    return spec.quantize(rows, overflow="saturate")


@pytest.mark.parametrize("recipe", ["bf16-pure", "fp16-pure", "bf16-pure-stochastic"])
def test_lost_gradients_of_pure_halves_are_found_in_true_float32(recipe):
    lane, batch = lane_of("mlp", recipe, loss_weight=1e-7)
    gradients = Gradients(lane, 1)
    watched(lane, batch, gradients)
    lost = gradients.reading()["lost_fraction"]
    assert lost > 0.9 if recipe == "fp16-pure" else lost < 0.1


def test_layers_are_named_in_the_order_of_backward():
    lane, batch = lane_of("mlp", "fp32")
    gradients = Gradients(lane, 1)
    watched(lane, batch, gradients)
    assert list(gradients.reading()["layers"]) == ["4", "2", "0"]


@pytest.mark.parametrize("recipe", RECIPES)
def test_weights_gradients_are_counted_while_they_are_scaled(recipe):
    lane, batch = lane_of("mlp", recipe)
    gradients = Gradients(lane, 1)
    watched(lane, batch, gradients)
    # Recomputed with another graph, by autograd.grad, from the same initial weights.
    again, _ = lane_of("mlp", recipe)
    with again.precision.step():
        with again.precision.forward():
            loss = torch.nn.functional.cross_entropy(again.model(batch[0]), batch[1])
        found = torch.autograd.grad(loss * (again.scaler.get_scale() or 1), list(again.model.parameters()))
    together = torch.cat([gradient.reshape(-1) for gradient in found])
    expected, seen = bins(together), gradients.reading()["weights_histogram"]
    assert sum(seen["counts"]) == sum(expected["counts"])
    assert seen == expected


def test_tied_weights_belong_to_no_one_layer():
    lane, _ = lane_of("gpt2-tiny", "fp32")
    ours = {id(p) for p in weights_of_products(lane.model)}
    assert id(lane.model.lm_head.weight) not in ours
    assert id(lane.model.transformer.h[0].mlp.c_fc.weight) in ours
    assert id(lane.model.transformer.ln_f.weight) not in ours


def test_the_first_layer_that_overflows_is_named():
    lane, batch = lane_of("mlp", "fp16-amp", lane={"scaler": {"init_scale": 2.0**20}})
    layer = lane.model[2]
    layer.register_full_backward_pre_hook(lambda _, gradient: (torch.full_like(gradient[0], torch.inf),))
    gradients = Gradients(lane, 1)
    assert watched(lane, batch, gradients).skipped
    reading = gradients.reading()
    assert reading["first_nonfinite"] == "2"
    assert reading["layers"]["4"][2] == 0
    assert reading["layers"]["2"][2] == 1


def test_no_layer_is_named_where_all_is_finite():
    lane, batch = lane_of("cnn", "bf16-amp")
    gradients = Gradients(lane, 1)
    watched(lane, batch, gradients)
    assert gradients.reading()["first_nonfinite"] is None


def test_lost_gradients_are_zero_here_and_not_in_float32():
    lane, batch = lane_of("mlp", "fp16-amp", loss_weight=1e-7, lane={"scaler": {"enabled": False}})
    gradients = Gradients(lane, 1)
    watched(lane, batch, gradients)
    reading = gradients.reading()
    assert reading["lost_fraction"] > 0.9
    assert reading["zero_fraction"] >= reading["lost_fraction"]


def test_a_lane_in_float32_loses_nothing():
    lane, batch = lane_of("mlp", "fp32")
    gradients = Gradients(lane, 1)
    watched(lane, batch, gradients)
    assert gradients.reading()["lost_fraction"] == 0
    assert gradients.reading()["zero_fraction"] > 0.1


def test_a_histogram_of_nothing_is_empty():
    assert histogram({}) == {"low": 0, "counts": []}
    assert histogram({-3: 2, -1: 1}) == {"low": -3, "counts": [2, 0, 1]}
