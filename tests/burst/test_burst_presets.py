"""Each preset shows what it says. The bounds leave room for another CPU's rounding; the effects are larger."""

from statistics import fmean

import pytest


def shares(events, steps_of, lane, field):
    return [
        step["gradients"][field]
        for step in steps_of(events, lane)
        if "gradients" in step and step["gradients"][field] is not None
    ]


@pytest.fixture(scope="module")
def four_lanes(burst):
    return burst("four-lanes")


def test_every_lane_of_four_lanes_learns_and_the_halves_end_near_float32(four_lanes, steps_of, ending):
    last = {name: event["loss"] for name, event in ending(four_lanes).items()}
    for lane, name in enumerate(last):
        assert last[name] < steps_of(four_lanes, lane)[0]["loss"] * 2 / 3
    assert last["BF16"] == pytest.approx(last["FP32"], rel=0.05)
    assert last["FP16, scaled"] == pytest.approx(last["FP32"], rel=0.05)


def test_unscaled_fp16_gradients_of_four_lanes_are_mostly_subnormal(four_lanes, steps_of):
    assert fmean(shares(four_lanes, steps_of, 2, "subnormal_fraction")) > 0.6
    assert fmean(shares(four_lanes, steps_of, 3, "subnormal_fraction")) < 0.05


def test_all_lanes_start_from_the_same_loss(four_lanes, steps_of):
    first = [steps_of(four_lanes, lane)[0]["loss"] for lane in range(4)]
    assert first == pytest.approx([first[0]] * 4, rel=2e-3)


def test_events_are_numbered_without_a_gap_and_end_once(four_lanes):
    assert [event["seq"] for event in four_lanes] == list(range(len(four_lanes)))
    assert [event["type"] for event in four_lanes if event["type"].startswith("run_")] == [
        "run_started",
        "run_finished",
    ]
    assert four_lanes[-1]["type"] == "run_finished"
    times = [event["time"] for event in four_lanes]
    assert times == sorted(times)


def test_lanes_advance_in_turn(four_lanes):
    order = [(event["step"], event["lane"]) for event in four_lanes if event["type"] == "step"]
    assert order == [(step, lane) for step in range(60) for lane in range(4)]


def test_every_lane_gets_one_to_three_sentences(four_lanes):
    for lane in range(4):
        codes = {event["code"] for event in four_lanes if event["type"] == "diagnosis" and event["lane"] == lane}
        assert 1 <= len(codes) <= 3


def test_too_high_a_scale_costs_a_step_a_halving_and_heals(burst, steps_of, ending):
    events = burst("scale-falls")
    skipped = [event["skipped"] for event in ending(events).values()]
    assert skipped[0] == 0
    assert skipped == sorted(skipped)
    assert skipped[3] > 15
    assert all(isinstance(event["loss"], float) for event in ending(events).values())
    for lane, power in enumerate((16, 24, 32, 40)):
        assert steps_of(events, lane)[0]["scale"] == 2.0**power
        assert steps_of(events, lane)[-1]["scale"] == 2.0 ** (power - skipped[lane])


def test_the_shorter_the_growth_interval_the_more_steps_are_skipped(burst, ending):
    skipped = [event["skipped"] for event in ending(burst("scale-grows")).values()]
    assert skipped == sorted(skipped, reverse=True)
    assert skipped[0] > 30
    assert skipped[3] == 0


def test_unscaled_fp16_loses_gradients_and_learns_less(burst, steps_of, ending):
    events = burst("underflow")
    last = {name: event["loss"] for name, event in ending(events).items()}
    assert fmean(shares(events, steps_of, 2, "lost_fraction")) > 0.5
    assert fmean(shares(events, steps_of, 3, "lost_fraction")) < 0.05
    assert last["FP16, unscaled"] > 1.1 * last["FP32"]
    assert last["FP16, scaled"] == pytest.approx(last["FP32"], rel=0.05)
    said = [event["sentence"] for event in events if event["type"] == "diagnosis" and event["code"] == "lost-gradients"]
    assert "of its gradients" in said[-1]


def test_without_a_gradient_left_nothing_is_learnt(burst, ending):
    last = {name: event["loss"] for name, event in ending(burst("underflow-mlp")).items()}
    assert last["FP16, unscaled"] > 2
    assert last["FP16, scaled"] == pytest.approx(last["FP32"], rel=0.1)
