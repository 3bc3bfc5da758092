"""Gradient accumulation: many small batches in one update are one large batch."""

import pytest
import torch

from explorer.burst import parse_config, run_burst
from explorer.burst.lane import Lane
from explorer.workloads import build

CPU = torch.device("cpu")
MLP = {"model": "mlp", "batch_size": 8, "steps": 4, "optimizer": "sgd", "learning_rate": 0.1}


def lane_of(recipe="fp32", **fields):
    config = parse_config({**MLP, "lanes": [{"recipe": recipe, **fields}]})
    return Lane(config, config.lanes[0], build.build_model("mlp", 0), CPU)


def batches(count):
    supply = build.build_batches("digits", 8, 2, 0)
    return [supply.next(CPU) for _ in range(count)]


@pytest.mark.parametrize("recipe", ["fp32", "bf16-amp", "fp16-amp"])
def test_four_micro_batches_are_one_batch_of_four_times_the_size(recipe):
    first, *more = batches(4)
    pieces, whole = lane_of(recipe), lane_of(recipe)
    accumulated = pieces.train(first, more=more)
    at_once = whole.train(tuple(torch.cat(parts) for parts in zip(first, *more, strict=True)))
    tolerance = {"rel": 1e-5} if recipe == "fp32" else {"rel": 1e-2}
    assert accumulated.loss == pytest.approx(at_once.loss, **tolerance)
    assert accumulated.grad_norm == pytest.approx(at_once.grad_norm, **tolerance)
    for ours, theirs in zip(pieces.parameters, whole.parameters, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-3, atol=1e-5 if recipe == "fp32" else 1e-3)


def test_one_micro_batch_that_overflows_costs_the_whole_step_and_halves_the_scale_once():
    lane = lane_of("fp16-amp")
    (images, classes), *more = batches(3)
    trained = lane.train((images * 1e6, classes), more=more)
    assert trained.skipped
    assert (trained.scale, trained.next_scale) == (65536.0, 32768.0)


def test_a_step_of_the_burst_draws_its_micro_batches_one_after_another():
    config = {**MLP, "accumulation_steps": 3, "lanes": [{"recipe": "fp32"}]}
    lane, drawn = lane_of(), batches(12)
    expected = [lane.train(drawn[at], more=drawn[at + 1 : at + 3]).loss for at in range(0, 12, 3)]
    steps = [event for event in run_burst(config) if event["type"] == "step"]
    assert [event["loss"] for event in steps] == expected
    for event in steps:
        assert event["samples_per_s"] == pytest.approx(24 / event["step_ms"] * 1e3, rel=1e-2)
