"""The step loop against PyTorch's own loop, and what it does when it cannot go on."""

import pytest
import torch

from explorer.burst import parse_config, run_burst
from explorer.burst.events import Stamp, encode, number
from explorer.burst.lane import Lane
from explorer.errors import InputError
from explorer.workloads import build

MLP = {"model": "mlp", "batch_size": 32, "steps": 12}


def losses(config, lane=0):
    return [event["loss"] for event in run_burst(config) if event["type"] == "step" and event["lane"] == lane]


def bare_loop(config, dtype=None, scaler=None):
    """The loop of PyTorch's Automatic Mixed Precision recipe, without any of ours around it."""
    model = build.build_model(config.model, config.seed)
    batches = build.build_batches(config.data, config.batch_size, config.sequence_length, config.seed)
    optimizer = torch.optim.AdamW(model.parameters(), lr=config.learning_rate, weight_decay=0.0)
    scaler = scaler or torch.amp.GradScaler("cpu", enabled=False)
    seen = []
    for _ in range(config.steps):
        batch = batches.next(torch.device("cpu"))
        optimizer.zero_grad()
        with torch.autocast("cpu", dtype=dtype, enabled=dtype is not None):
            loss = build.loss(model, batch)
        scaler.scale(loss).backward()
        scaler.unscale_(optimizer)
        torch.nn.utils.clip_grad_norm_(model.parameters(), config.clip_norm)
        seen.append((loss.item(), scaler.get_scale() if scaler.is_enabled() else None))
        scaler.step(optimizer)
        scaler.update()
    return seen


def test_float32_lane_is_the_bare_loop():
    config = parse_config({**MLP, "lanes": [{"recipe": "fp32"}]})
    assert losses(config) == [loss for loss, _ in bare_loop(config)]


@pytest.mark.parametrize(("recipe", "dtype"), [("bf16-amp", torch.bfloat16), ("fp16-amp", torch.float16)])
def test_autocast_lanes_follow_the_bare_loop(recipe, dtype):
    config = parse_config({**MLP, "lanes": [{"recipe": recipe}]})
    scaler = torch.amp.GradScaler("cpu") if recipe == "fp16-amp" else None
    expected = [loss for loss, _ in bare_loop(config, dtype, scaler)]
    # Kernels that multiply in float32 and PyTorch's own half kernels differ in the order of additions.
    assert losses(config) == pytest.approx(expected, rel=2e-2)


def test_scale_and_skips_are_those_of_grad_scaler():
    settings = {"init_scale": 2.0**26, "growth_factor": 4.0, "backoff_factor": 0.25, "growth_interval": 3}
    config = parse_config({**MLP, "steps": 30, "lanes": [{"recipe": "fp16-amp", "scaler": settings}]})
    ours = [event for event in run_burst(config) if event["type"] == "step"]
    expected = [scale for _, scale in bare_loop(config, torch.float16, torch.amp.GradScaler("cpu", **settings))]
    assert [event["scale"] for event in ours] == expected
    after = [*expected[1:], ours[-1]["scale"]]
    fell = [later < scale for scale, later in zip(expected, after, strict=True)]
    assert [event["skipped"] for event in ours[:-1]] == fell[:-1]
    assert any(fell)


def test_a_skipped_step_leaves_the_weights_as_they_were():
    config = parse_config({**MLP, "lanes": [{"recipe": "fp16-amp", "scaler": {"init_scale": 2.0**60}}]})
    lane = Lane(config, config.lanes[0], build.build_model("mlp", 0), torch.device("cpu"))
    before = [p.detach().clone() for p in lane.parameters]
    batch = build.build_batches("digits", 32, 128, 0).next(torch.device("cpu"))
    trained = lane.train(batch)
    assert trained.skipped
    assert trained.next_scale == 2.0**59
    assert all(torch.equal(old, new) for old, new in zip(before, lane.parameters, strict=True))


def test_clipping_comes_after_unscaling():
    lanes = [
        {"recipe": "fp16-amp", "optimizer": "sgd", "learning_rate": 0.1, "scaler": {"init_scale": scale}}
        for scale in (1.0, 65536.0)
    ]
    config = {**MLP, "clip_norm": 1.0, "lanes": lanes}
    # Were gradients clipped while they are scaled, the second lane would hardly move.
    assert losses(config, 1)[-1] == pytest.approx(losses(config, 0)[-1], rel=0.02)


def test_loss_weight_scales_gradients_but_not_the_recorded_loss():
    events = [
        next(event for event in run_burst({**MLP, "steps": 1, "loss_weight": weight, "lanes": [{"recipe": "fp32"}]})
             if event["type"] == "step")
        for weight in (1.0, 0.25)
    ]  # fmt: skip
    assert events[0]["loss"] == events[1]["loss"]
    assert events[1]["grad_norm"] == pytest.approx(events[0]["grad_norm"] / 4)


def test_equal_seeds_give_equal_runs_and_other_seeds_others():
    config = {**MLP, "lanes": [{"recipe": "fp32"}]}
    assert losses(config) == losses(config) != losses({**config, "seed": 1})


def test_lanes_do_not_disturb_one_another():
    lane = {"recipe": "bf16-amp"}
    assert losses({**MLP, "lanes": [lane]}) == losses({**MLP, "lanes": [{"recipe": "fp16-amp"}, lane]}, 1)


def test_not_finite_numbers_are_words_and_every_line_is_json():
    config = {**MLP, "input_scale": 1e30, "weight_gain": 1e10, "lanes": [{"recipe": "fp16-amp"}]}
    lines = [encode(event) for event in run_burst(config)]
    assert any('"loss":"nan"' in line for line in lines)
    assert not any("NaN" in line.split('"sentence"')[0] or "Infinity" in line for line in lines)


OVERFLOWS = {"model": "mlp", "batch_size": 64, "steps": 40, "input_scale": 256.0, "weight_gain": 16.0}


def test_a_lane_whose_scale_collapses_ends_with_a_sentence_and_the_others_go_on(burst, steps_of, ending):
    lanes = [{"name": "FP16", "recipe": "fp16-amp"}, {"name": "BF16", "recipe": "bf16-amp"}]
    events = burst({**OVERFLOWS, "lanes": lanes})
    over = ending(events)
    # 2^16 falls below 2^-14 with the 31st halving.
    assert over["FP16"]["reason"] == "scale-collapsed"
    assert over["FP16"]["steps"] == over["FP16"]["skipped"] == len(steps_of(events, 0)) == 31
    assert "2^-14" in over["FP16"]["message"]
    assert (over["BF16"]["reason"], over["BF16"]["steps"]) == ("done", 40)
    assert "message" not in over["BF16"]
    # It ends when it happens, not when the run does.
    assert over["FP16"]["seq"] < steps_of(events, 1)[31]["seq"]
    assert events[-1]["type"] == "run_finished"


def test_a_run_whose_every_lane_has_collapsed_is_over(burst):
    *events, last = burst({**OVERFLOWS, "steps": 1000, "lanes": [{"recipe": "fp16-amp"}] * 2})
    assert last["type"] == "run_finished"
    assert sum(event["type"] == "step" for event in events) == 62
    assert [event["reason"] for event in events if event["type"] == "lane_finished"] == ["scale-collapsed"] * 2


def test_instruments_that_look_once_have_an_event_of_their_own_behind_the_second_step(burst):
    events = burst({**MLP, "lanes": [{"recipe": "fp32"}, {"recipe": "bf16-amp"}]})
    for lane in (0, 1):
        own = [event for event in events if event["type"] in ("operations", "timeline") and event["lane"] == lane]
        assert sorted(event["type"] for event in own) == ["operations", "timeline"]
        before = [event for event in events[: own[0]["seq"]] if event["type"] == "step" and event["lane"] == lane]
        assert before[-1]["step"] == 1


@pytest.mark.parametrize("optimizer", ["adamw", "sgd", "adafactor"])
def test_every_optimizer_lowers_the_loss(burst, steps_of, optimizer):
    fields = {"optimizer": optimizer, "learning_rate": 0.5 if optimizer == "sgd" else 1e-2, "steps": 30}
    first, *_, last = steps_of(burst({**MLP, **fields, "lanes": [{"recipe": "fp32"}]}))
    assert last["loss"] < 0.95 * first["loss"]


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"device": "cuda:77"}, "device"),
        ({"trace": {"parameter": "no.such"}}, "trace.parameter"),
        ({"trace": {"parameter": "0.weight", "index": [1, 1000]}}, "trace.index"),
        ({"trace": {"parameter": "0.weight", "index": [1]}}, "trace.index"),
    ],
)
def test_what_is_not_there_is_refused_before_the_first_event(fields, field):
    with pytest.raises(InputError) as refusal:
        next(run_burst({**MLP, "lanes": [{"recipe": "fp32"}], **fields}))
    assert refusal.value.field == field


def test_out_of_memory_ends_the_run_with_a_sentence(monkeypatch):
    def full(*_):
        raise torch.OutOfMemoryError("no room")

    monkeypatch.setattr(Lane, "train", full)
    *_, last = run_burst({**MLP, "lanes": [{"recipe": "fp32"}]})
    assert (last["type"], last["kind"]) == ("run_failed", "out-of-memory")
    assert "smaller batch" in last["message"]


def test_a_bug_is_not_taken_for_out_of_memory(monkeypatch):
    def broken(*_):
        raise RuntimeError("shapes do not match")

    monkeypatch.setattr(Lane, "train", broken)
    with pytest.raises(RuntimeError, match="shapes"):
        list(run_burst({**MLP, "lanes": [{"recipe": "fp32"}]}))


@pytest.mark.parametrize(
    ("value", "held"), [(1.5, 1.5), (None, None), (float("inf"), "inf"), (-float("inf"), "-inf"), (float("nan"), "nan")]
)
def test_numbers_are_held_as_json_can(value, held):
    assert number(value) == held


def test_stamps_number_from_where_they_are_told():
    stamp = Stamp("r", seq=7)
    assert [stamp("step")["seq"], stamp("step")["seq"]] == [7, 8]


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here")
def test_a_burst_on_cuda_gives_the_allocators_figures_beside_ours():
    lanes = [{"recipe": name} for name in ("fp32", "bf16-amp", "fp16-amp")]
    *events, last = run_burst({**MLP, "device": "cuda", "lanes": lanes})
    assert last["type"] == "run_finished"
    memory = next(event["memory"] for event in events if "memory" in event)
    assert memory["allocator_peak"] >= memory["weights"] + memory["gradients"]
