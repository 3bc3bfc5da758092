"""Each fault does what it says, at its step and nowhere else, and the scaler meets it as PyTorch's own does."""

import pytest
import torch

from explorer.burst import parse_config
from explorer.burst.faults import FAULTS
from explorer.burst.lane import COLLAPSED_BELOW, Lane
from explorer.workloads import build

MLP = {"model": "mlp", "batch_size": 32, "steps": 12}
CPU = torch.device("cpu")


def lane_of(*faults, recipe="fp16-amp", **fields):
    settings = {"recipe": recipe, "faults": list(faults), **fields.pop("lane", {})}
    config = parse_config({**MLP, "lanes": [settings], **fields})
    return Lane(config, config.lanes[0], build.build_model("mlp", 0), CPU)


def batches(count):
    supply = build.build_batches("digits", 32, 128, 0)
    return [supply.next(CPU) for _ in range(count)]


def train(lane, steps=12):
    return [lane.train(batch) for batch in batches(steps)]


def test_one_infinite_gradient_costs_one_step_as_it_does_grad_scaler_alone():
    """The scaler run alone: no model, a gradient of one, and an infinite one at step 5."""
    settings = {"init_scale": 2.0**10, "growth_factor": 2.0, "backoff_factor": 0.25, "growth_interval": 4}
    lane = lane_of({"kind": "infinite-gradient", "step": 5}, lane={"scaler": settings})
    ours = train(lane)

    scaler = torch.amp.GradScaler("cpu", **settings)
    weight = torch.nn.Parameter(torch.zeros(1))
    optimizer = torch.optim.SGD([weight], lr=1.0)
    expected = []
    for step in range(12):
        before = weight.item()
        weight.grad = torch.full((1,), float("inf") if step == 5 else 1.0)
        scaler.scale(torch.zeros(1))
        scale = scaler.get_scale()
        scaler.step(optimizer)
        scaler.update()
        expected.append((scale, scaler.get_scale(), weight.item() == before))
    assert [(each.scale, each.next_scale, each.skipped) for each in ours] == expected
    assert [step for step, each in enumerate(ours) if each.skipped] == [5]
    # Grown after steps 0 to 3; the count of calm steps, one at step 4, starts again behind the skipped step.
    assert [each.next_scale for each in ours[3:10]] == [2.0**11] * 2 + [2.0**9] * 4 + [2.0**10]


def test_without_a_scaler_an_infinite_gradient_reaches_the_weights():
    lane = lane_of({"kind": "infinite-gradient", "step": 1}, recipe="bf16-amp")
    trained = train(lane, 3)
    assert not any(each.skipped for each in trained)
    assert trained[1].grad_norm == float("inf")
    assert not all(p.isfinite().all() for p in lane.parameters)


def test_a_loss_spike_multiplies_the_recorded_loss_and_the_gradients_of_one_step():
    spiked = train(lane_of({"kind": "loss-spike", "step": 3, "factor": 64.0}, recipe="fp32"), 5)
    plain = train(lane_of(recipe="fp32"), 5)
    assert [each.loss for each in spiked[:3]] == [each.loss for each in plain[:3]]
    assert spiked[3].loss == plain[3].loss * 64
    assert spiked[3].grad_norm == pytest.approx(plain[3].grad_norm * 64)
    assert spiked[4].loss < 2 * plain[4].loss


def test_too_small_a_gradient_scale_shrinks_gradients_and_not_the_recorded_loss():
    (small,) = train(lane_of({"kind": "small-gradient-scale", "factor": 2.0**-10}, recipe="fp32"), 1)
    (plain,) = train(lane_of(recipe="fp32"), 1)
    assert small.loss == plain.loss
    assert small.grad_norm == pytest.approx(plain.grad_norm / 1024)


@pytest.mark.parametrize("lasting", [False, True])
def test_an_outlier_multiplies_one_activation_at_one_step_or_from_one_on(lasting):
    seen = []
    lane = lane_of({"kind": "activation-outlier", "step": 1, "factor": 100.0, "lasting": lasting}, recipe="fp32")
    plain = lane_of(recipe="fp32")
    plain.model[0].register_forward_hook(lambda *call: seen.append(call[-1].detach().clone()))
    # The lane's own outlier is put in first, so that a hook of ours that follows sees it.
    for step, batch in enumerate(batches(3)):
        plain.model.load_state_dict(lane.model.state_dict())
        plain.model(batch[0])
        with_fault = []
        lane.faults.begin(step)
        with lane.faults.in_forward(lane.model):
            handle = lane.model[0].register_forward_hook(lambda *call, to=with_fault: to.append(call[-1].detach()))
            lane.model(batch[0])
            handle.remove()
        differing = (with_fault[0] != seen[-1]).nonzero().tolist()
        assert len(differing) == (step == 1 or (lasting and step > 1))
        for at in map(tuple, differing):
            assert with_fault[0][at] == seen[-1][at] * 100
            assert seen[-1][at] == seen[-1].max()


def test_an_outlier_overflows_fp16_and_no_other_format():
    fault = {"kind": "activation-outlier", "step": 1, "factor": 1e6}
    losses = {recipe: train(lane_of(fault, recipe=recipe), 3)[1].loss for recipe in ("fp16-amp", "bf16-amp", "fp32")}
    assert losses["fp16-amp"] != losses["fp16-amp"]
    assert all(loss < 1e7 for recipe, loss in losses.items() if recipe != "fp16-amp")


def test_clipping_before_unscaling_leaves_the_clip_norm_over_the_scale():
    trained = train(lane_of({"kind": "clip-before-unscale"}, clip_norm=1.0), 4)
    assert [each.grad_norm for each in trained] == pytest.approx([1 / 65536] * 4, rel=1e-4)


def test_a_scaler_that_is_not_updated_keeps_its_scale_and_goes_on():
    trained = train(lane_of({"kind": "no-scaler-update"}, lane={"scaler": {"init_scale": 2.0**60}}), 12)
    assert {(each.scale, each.next_scale, each.skipped) for each in trained} == {(2.0**60, 2.0**60, True)}


def test_faults_begin_at_their_step():
    fault = {"kind": "clip-before-unscale", "step": 2}
    late, plain = train(lane_of(fault), 4), train(lane_of(), 4)
    assert [each.grad_norm for each in late[:2]] == [each.grad_norm for each in plain[:2]]
    assert late[2].grad_norm < plain[2].grad_norm / 1000


def test_a_lane_without_faults_is_no_different_from_one_whose_fault_never_comes():
    waiting = lane_of({"kind": "loss-spike", "step": 11})
    for ours, theirs in zip(train(waiting, 6), train(lane_of(), 6), strict=True):
        assert (ours.loss, ours.grad_norm) == (theirs.loss, theirs.grad_norm)


def test_a_lane_collapses_when_every_step_is_skipped_until_its_scale_is_below_what_fp16_holds():
    lane = lane_of(input_scale=256.0, weight_gain=16.0, lane={"scaler": {"init_scale": 2.0**-8}})
    lane.model.load_state_dict(build.build_model("mlp", 0, 1e4).state_dict())
    scales = []
    while not lane.collapsed:
        scales.append(lane.train(batches(1)[0]).next_scale)
    assert scales == [2.0**-power for power in range(9, 16)]
    assert scales[-2] == COLLAPSED_BELOW


def test_a_small_scale_that_was_asked_for_is_no_collapse():
    lane = lane_of(lane={"scaler": {"init_scale": 2.0**-20}})
    train(lane, 6)
    assert not lane.collapsed


def test_every_fault_has_words_and_runs():
    for kind, fault in FAULTS.items():
        assert fault.kind == kind
        assert fault.summary.endswith(".")
        assert len(train(lane_of({"kind": kind, "step": 1}), 3)) == 3
