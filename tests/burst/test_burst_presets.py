"""Each preset shows what it says. The bounds leave room for another CPU's rounding; the effects are larger."""

from statistics import fmean

import pytest

from explorer.burst import get_preset


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
    assert last["FP16, unscaled"] > 1.07 * last["FP32"]
    assert last["FP16, scaled"] == pytest.approx(last["FP32"], rel=0.05)
    said = [event["sentence"] for event in events if event["type"] == "diagnosis" and event["code"] == "lost-gradients"]
    assert "of its gradients" in said[-1]


def test_without_a_gradient_left_nothing_is_learnt(burst, ending):
    last = {name: event["loss"] for name, event in ending(burst("underflow-mlp")).items()}
    assert last["FP16, unscaled"] > 2
    assert last["FP16, scaled"] == pytest.approx(last["FP32"], rel=0.1)


def settings_of(name, lanes=None, **fields):
    """A preset's settings with fewer lanes or steps, where the effect shows all the same."""
    settings = {**get_preset(name).settings, **fields}
    return {**settings, "lanes": [settings["lanes"][at] for at in lanes]} if lanes else settings


def said(events, lane):
    return {
        event["code"]: event["sentence"]
        for event in events
        if event["type"] == "diagnosis" and event["lane"] == lane
    }  # fmt: skip


def test_an_overflow_in_the_forward_pass_ends_fp16_and_no_other(burst, ending):
    events = burst("fp16-overflow")
    over = ending(events)
    assert [over[name]["reason"] for name in ("FP32", "BF16", "FP16, scaled")] == ["done", "done", "scale-collapsed"]
    assert over["BF16"]["loss"] == pytest.approx(over["FP32"]["loss"], rel=0.2)
    assert "no loss scale can cure" in said(events, 2)["forward-overflow"]


def test_pure_bf16_stalls_where_master_weights_and_stochastic_rounding_go_on(burst, steps_of, ending):
    events = burst("swamping")
    last = {name: event["loss"] for name, event in ending(events).items()}
    assert last["BF16 pure"] > 1.7 * last["FP32"]
    assert last["BF16"] == pytest.approx(last["FP32"], rel=0.05)
    assert last["BF16 pure, stochastic"] == pytest.approx(last["FP32"], rel=0.05)
    shares = [
        fmean(step["updates"]["unchanged_fraction"] for step in steps_of(events, lane) if "updates" in step)
        for lane in range(3)
    ]
    assert shares[2] > 0.6
    assert max(shares[:2]) < 0.05
    assert "lost-updates" in said(events, 2)


@pytest.fixture(scope="module")
def fp8(burst):
    return burst(settings_of("fp8-scaling", lanes=[0, 1, 3], steps=50))


def test_fp8_without_scales_learns_less_and_with_them_follows_float32(fp8, ending):
    last = {name: event["loss"] for name, event in ending(fp8).items()}
    assert last["FP8 unscaled"] > 1.05 * last["FP32"]
    assert last["FP8 tensorwise"] == pytest.approx(last["FP32"], rel=0.04)
    assert last["FP8 tensorwise"] < last["FP8 unscaled"]


def test_fp8_without_scales_makes_most_gradients_zero(fp8, steps_of):
    assert fmean(shares(fp8, steps_of, 2, "zero_fraction")) > 0.5
    assert fmean(shares(fp8, steps_of, 1, "zero_fraction")) < 0.05
    assert "lost-gradients" in said(fp8, 2)
    assert "lost-gradients" not in said(fp8, 1)


def test_blocks_of_eight_and_four_bits_follow_float32(burst, ending):
    last = {name: event["loss"] for name, event in ending(burst(settings_of("blocks", steps=20))).items()}
    assert last["MXFP8"] == pytest.approx(last["FP32"], rel=0.03)
    assert last["NVFP4"] == pytest.approx(last["FP32"], rel=0.06)


def test_pure_fp16_needs_a_larger_eps_or_sgd(burst, steps_of, ending):
    events = burst("pure-fp16-eps")
    last = {name: event["loss"] for name, event in ending(events).items()}
    assert last["FP16 pure, eps 1e-8"] == "nan"
    assert last["FP16 pure, eps 1e-4"] < 0.3
    assert last["FP16 pure, SGD"] < 1
    assert next(step["step"] for step in steps_of(events, 1) if step["loss"] == "nan") < 5
    assert "is 0 in FP16" in said(events, 1)["eps-underflow"]


def test_clipping_what_is_still_scaled_leaves_nothing_to_learn_from(burst, ending):
    events = burst("clip-order")
    last = {name: event["loss"] for name, event in ending(events).items()}
    assert last["unscale, then clip"] == pytest.approx(last["FP32"], rel=0.05)
    assert last["clip, then unscale"] > 2
    assert "clipped-before-unscaling" in said(events, 2)
    assert "clipped-before-unscaling" not in said(events, 1)


def test_one_infinite_gradient_costs_a_step_with_a_scaler_and_everything_without(burst, steps_of, ending):
    events = burst("infinite-gradient")
    over = ending(events)
    assert over["FP16, scaled"]["skipped"] == 1
    assert [step["scale"] for step in steps_of(events)[19:22]] == [65536, 65536, 32768]
    assert over["FP16, scaled"]["loss"] < 1
    assert over["FP16, unscaled"]["loss"] == over["BF16"]["loss"] == "nan"


def test_clipping_saves_the_weights_from_a_loss_spike(burst, ending):
    events = burst("loss-spike")
    last = {name: event["loss"] for name, event in ending(events).items()}
    assert last["clipped to 1"] < 0.8
    assert last["not clipped"] > 2
    assert all("step 50" in said(events, lane)["loss-spike"] for lane in (0, 1))


def test_five_seeds_tell_pure_bf16_from_float32_and_bf16_not(burst):
    events = burst("seeds")
    outcomes = [said(events, lane)["outcome"] for lane in range(4)]
    assert "not told apart" in outcomes[1]
    assert "above FP32, more than the seeds differ" in outcomes[2]
    assert "not told apart" in outcomes[3]


def test_the_loss_in_float32_is_not_the_loss_in_the_format_of_training(burst, steps_of):
    events = burst("inference")
    apart = [
        fmean(
            abs(step["eval"]["autocast_loss"] / step["eval"]["loss"] - 1)
            for step in steps_of(events, lane)
            if "eval" in step
        )
        for lane in range(4)
    ]
    assert apart[0] == 0
    assert 0 < apart[1] < 0.003 < apart[3] < 0.1
