"""A burst with several seeds is several bursts in turn, and says what they have in common."""

import math
import statistics

import pytest

from explorer.burst.seeds import Spread

MLP = {"model": "mlp", "batch_size": 16, "steps": 12, "lanes": [{"recipe": "fp32"}, {"recipe": "fp16-amp"}]}


def losses(events, lane, seed=None):
    return [
        event["loss"]
        for event in events
        if event["type"] == "step" and event["lane"] == lane and event.get("seed") == seed
    ]


def test_each_seed_is_the_burst_with_that_seed_alone(burst):
    together = burst({**MLP, "seed": 5, "seeds": 3})
    for index in range(3):
        alone = burst({**MLP, "seed": 5 + index})
        for lane in (0, 1):
            assert losses(together, lane, index) == losses(alone, lane)


def test_seeds_advance_in_turn_within_their_lane(burst):
    events = burst({**MLP, "seed": 5, "seeds": 3})
    order = [(event["step"], event["lane"], event["seed"]) for event in events if event["type"] == "step"]
    assert order == [(step, lane, seed) for step in range(12) for lane in range(2) for seed in range(3)]


def test_a_lane_ends_once_with_the_mean_and_the_deviation_over_its_seeds(burst):
    events = burst({**MLP, "seed": 5, "seeds": 3})
    endings = [event for event in events if event["type"] == "lane_finished"]
    assert [event["lane"] for event in endings] == [0, 1]
    last = [statistics.fmean(losses(events, 0, seed)[-5:]) for seed in range(3)]
    assert endings[0]["loss"] == pytest.approx(statistics.fmean(last))
    assert endings[0]["loss_deviation"] == pytest.approx(statistics.stdev(last))
    assert (endings[0]["steps"], endings[0]["seeds"]) == (36, 3)


def test_only_the_first_seed_is_watched(burst):
    steps = [event for event in burst({**MLP, "seed": 5, "seeds": 3}) if event["type"] == "step"]
    assert all(("gradients" in event) == (event["seed"] == 0 and event["step"] in (0, 1, 10, 11)) for event in steps)


def test_a_burst_with_one_seed_says_nothing_of_seeds(burst):
    events = burst({**MLP, "seed": 5})
    assert not any("seed" in event or "seeds" in event or "loss_deviation" in event for event in events)


def test_a_seed_that_collapses_ends_while_its_lane_goes_on(monkeypatch):
    from explorer.burst import run_burst
    from explorer.burst.lane import Lane

    def collapses(lane, trained):
        lane.collapsed = lane.settings.recipe == "fp16-amp" and lane._random_seed == 6 and trained.loss > 0

    make = Lane.__init__

    def remember_seed(lane, config, settings, model, device, seed=None):
        make(lane, config, settings, model, device, seed)
        lane._random_seed = seed

    monkeypatch.setattr(Lane, "__init__", remember_seed)
    monkeypatch.setattr(Lane, "_note_collapse", collapses)
    events = list(run_burst({**MLP, "seed": 5, "seeds": 2}))
    assert [len(losses(events, 1, seed)) for seed in (0, 1)] == [12, 1]
    ending = [event for event in events if event["type"] == "lane_finished"][1]
    assert ending["reason"] == "done"
    assert ending["message"].startswith("1 of 2 seeds ended early")
    assert ending["steps"] == 13


@pytest.mark.parametrize(
    ("values", "mean", "deviation"),
    [([2.0], 2.0, 0.0), ([1.0, 3.0], 2.0, math.sqrt(2)), ([1.0, 2.0, 3.0], 2.0, 1.0)],
)
def test_a_spread_is_mean_and_sample_deviation(values, mean, deviation):
    spread = Spread.of(values)
    assert (spread.mean, spread.deviation, spread.count) == (mean, pytest.approx(deviation), len(values))
    assert spread.is_finite


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_a_spread_with_a_seed_that_is_not_finite_is_not_finite(bad):
    assert not Spread.of([1.0, bad]).is_finite


def test_bands_overlap_where_they_share_a_value():
    assert Spread(1.0, 0.5, 3).overlaps(Spread(2.0, 0.5, 3))
    assert not Spread(1.0, 0.5, 3).overlaps(Spread(2.0, 0.25, 3))
