"""Learning rates over a burst, against PyTorch's own schedulers."""

import math

import pytest
import torch

from explorer.burst import parse_config, run_burst
from explorer.burst.lane import Lane
from explorer.burst.schedule import SCHEDULES, Schedule
from explorer.workloads import build


def by_torch(kind, warmup, steps):
    """The same schedule out of torch.optim.lr_scheduler: learning rates of 1, step by step."""
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    schedulers = torch.optim.lr_scheduler
    after = {
        "constant": lambda: schedulers.ConstantLR(optimizer, factor=1.0),
        "linear": lambda: schedulers.LinearLR(optimizer, 1.0, 0.0, total_iters=steps - warmup),
        "cosine": lambda: schedulers.CosineAnnealingLR(optimizer, T_max=steps - warmup),
    }[kind]()
    scheduler = after
    if warmup:
        rising = schedulers.LinearLR(optimizer, 1 / (warmup + 1), 1.0, total_iters=warmup)
        scheduler = schedulers.SequentialLR(optimizer, [rising, after], milestones=[warmup])
    rates = []
    for _ in range(steps):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    return rates


@pytest.mark.filterwarnings("ignore:The epoch parameter:UserWarning")
@pytest.mark.parametrize("kind", SCHEDULES)
@pytest.mark.parametrize("warmup", [0, 1, 7])
def test_the_shares_are_those_of_torchs_schedulers(kind, warmup):
    schedule = Schedule(kind, warmup, 20)
    assert [schedule.share(step) for step in range(20)] == pytest.approx(by_torch(kind, warmup, 20), abs=1e-9)


@pytest.mark.parametrize("kind", SCHEDULES)
def test_no_step_has_a_rate_of_zero(kind):
    for warmup, steps in ((0, 1), (1, 2), (9, 10), (0, 100)):
        schedule = Schedule(kind, warmup, steps)
        assert all(0 < schedule.share(step) <= 1 for step in range(steps))


def test_the_optimizer_gets_the_rate_and_the_event_tells_it():
    settings = {"model": "mlp", "batch_size": 8, "steps": 6, "schedule": "cosine", "warmup_steps": 2,
                "learning_rate": 0.5, "optimizer": "sgd", "lanes": [{"recipe": "fp32"}]}  # fmt: skip
    told = [event["learning_rate"] for event in run_burst(settings) if event["type"] == "step"]
    assert told == pytest.approx([0.5 / 3, 1 / 3, *(0.25 * (1 + math.cos(math.pi * at / 4)) for at in range(4))])
    config = parse_config(settings)
    lane = Lane(config, config.lanes[0], build.build_model("mlp", 0), torch.device("cpu"))
    batch = build.build_batches("digits", 8, 2, 0).next(torch.device("cpu"))
    before = [p.detach().clone() for p in lane.parameters]
    lane.train(batch)
    for old, new in zip(before, lane.parameters, strict=True):
        torch.testing.assert_close(new.detach(), old - told[0] * new.grad)


def test_a_constant_rate_is_not_repeated_in_every_event():
    events = run_burst({"model": "mlp", "batch_size": 8, "steps": 2, "lanes": [{"recipe": "fp32"}]})
    assert all("learning_rate" not in event for event in events)
