"""Held-out losses: of the same weights, on data that no lane sees, with and without the recipe's casts."""

import pytest
import torch
from torch.nn import functional

from explorer.burst import parse_config, run_burst
from explorer.burst.evaluation import BATCHES, Evaluation, copy_weights
from explorer.burst.lane import Lane
from explorer.workloads import build

CPU = torch.device("cpu")
MLP = {"model": "mlp", "batch_size": 32, "steps": 10, "eval_every": 4}
GPT2 = {"model": "gpt2-tiny", "batch_size": 2, "sequence_length": 16, "steps": 2, "eval_every": 1}


def evaluated(settings, recipe):
    """A lane of the burst after one step, and its held-out losses."""
    config = parse_config({**settings, "lanes": [{"recipe": recipe}]})
    model = build.build_model(config.model, 0)
    evaluation = Evaluation(config, model, CPU)
    lane = Lane(config, config.lanes[0], model, CPU)
    batches = build.build_batches(config.data, config.batch_size, config.sequence_length, 0, model=config.model)
    lane.train(batches.next(CPU))
    return lane, evaluation.of(lane)


def held_out():
    """The held-out images and classes, in one batch."""
    supply = build.build_batches("digits", 32, 2, 0, split="eval", model="mlp")
    return tuple(torch.cat(parts) for parts in zip(*(supply.next(CPU) for _ in range(BATCHES)), strict=True))


def by_hand(lane, images):
    """The perceptron in float64, from the lane's weights."""
    first, second, third = (lane.model[at] for at in (0, 2, 4))
    for layer in (first, second, third):
        images = functional.linear(images.double(), layer.weight.double(), layer.bias.double())
        images = images if layer is third else images.relu()
    return images


@pytest.mark.parametrize("recipe", ["fp32", "bf16-amp", "fp16-amp", "bf16-pure", "fp8-unscaled", "mxfp8"])
def test_the_plain_loss_is_that_of_the_weights_in_a_model_without_casts(recipe):
    lane, losses = evaluated(MLP, recipe)
    images, classes = held_out()
    with torch.no_grad():
        assert losses["loss"] == pytest.approx(
            functional.cross_entropy(by_hand(lane, images), classes).item(), rel=1e-5
        )


@pytest.mark.parametrize("recipe", ["bf16-amp", "fp8-unscaled", "mxfp8"])
def test_the_loss_as_trained_differs_by_the_recipes_rounding(recipe):
    _, losses = evaluated(MLP, recipe)
    assert losses["autocast_loss"] != losses["loss"]
    assert losses["autocast_loss"] == pytest.approx(losses["loss"], rel=0.02)


def test_in_float32_there_is_no_difference():
    _, losses = evaluated(MLP, "fp32")
    assert losses["autocast_loss"] == losses["loss"]


@pytest.mark.parametrize("recipe", ["fp8-tensorwise", "nvfp4"])
def test_layers_that_were_transposed_on_conversion_are_turned_back(recipe):
    """GPT-2's Conv1D became linear layers, some of them square."""
    lane, losses = evaluated(GPT2, recipe)
    assert lane.precision.transposed
    assert losses["autocast_loss"] == pytest.approx(losses["loss"], rel=0.02)
    plain = build.build_model("gpt2-tiny", 1)
    copy_weights(lane.model, plain, lane.precision.transposed)
    square = "transformer.h.0.attn.c_proj.weight"
    assert torch.equal(plain.get_parameter(square), lane.model.get_parameter(square).T)
    assert torch.equal(plain.transformer.wte.weight, lane.model.transformer.wte.weight)


def test_it_is_told_after_the_first_step_every_so_often_and_after_the_last(burst, steps_of):
    events = burst({**MLP, "lanes": [{"recipe": "fp32"}, {"recipe": "bf16-amp"}]})
    for lane in (0, 1):
        assert [event["step"] for event in steps_of(events, lane) if "eval" in event] == [0, 4, 8, 9]


def test_evaluating_changes_nothing_in_training():
    for recipe in ("fp32", "fp16-amp", "bf16-pure-stochastic"):
        settings = {**MLP, "lanes": [{"recipe": recipe}]}
        told = [
            [(event["loss"], event["scale"]) for event in run_burst({**settings, **fields}) if event["type"] == "step"]
            for fields in ({}, {"eval_every": None})
        ]
        assert told[0] == told[1]


def test_held_out_batches_are_never_trained_on():
    def rows(split):
        supply = build.build_batches("digits", 64, 2, 0, split=split, model="mlp")
        return {tuple(row) for _ in range(20) for row in supply.next(CPU)[0].tolist()}

    assert not rows("train") & rows("eval")
