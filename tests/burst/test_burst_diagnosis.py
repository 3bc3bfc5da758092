"""What happened is named rightly: broken lanes get their cause, healthy ones none; seeds settle what they can."""

import pytest

from explorer.burst import parse_config
from explorer.burst.diagnosis import Diagnosis, outcome_of_seeds
from explorer.burst.findings import FINDINGS
from explorer.burst.lane import Trained

MLP = {"model": "mlp", "batch_size": 64, "steps": 50}
SGD = {"optimizer": "sgd", "learning_rate": 0.1}
FP32 = {"name": "FP32", "recipe": "fp32"}


def fp16(*faults, **scaler):
    return {"name": "broken", "recipe": "fp16-amp", "scaler": scaler, "faults": list(faults)}


def broken(recipe, **fields):
    return {"name": "broken", "recipe": recipe, **fields}


BROKEN = {
    "activations too large from the start": (
        "forward-overflow",
        {"input_scale": 256.0, "weight_gain": 16.0, "lanes": [FP32, fp16()]},
    ),
    "an activation outlier later on": (
        "forward-overflow",
        {"lanes": [FP32, fp16({"kind": "activation-outlier", "step": 20, "lasting": True})]},
    ),
    "no scaling, small loss": (
        "lost-gradients",
        {"loss_weight": 1e-5, "clip_norm": None, "lanes": [FP32, fp16(enabled=False)]},
    ),
    "too small a gradient scale": (
        "lost-gradients",
        {"clip_norm": None, "lanes": [FP32, fp16({"kind": "small-gradient-scale", "factor": 1e-10})]},
    ),
    "clipped before unscaling": (
        "clipped-before-unscaling",
        {**SGD, "lanes": [FP32, fp16({"kind": "clip-before-unscale"})]},
    ),
    "learning rate too high, everywhere": (
        "learning-rate-too-high",
        {"learning_rate": 1.0, "lanes": [FP32, broken("bf16-amp")]},
    ),
    "learning rate so high that FP16 overflows": (
        "learning-rate-too-high",
        {"learning_rate": 10.0, "lanes": [FP32, fp16()]},
    ),
    "eps of zero": ("eps-underflow", {"clip_norm": None, "lanes": [FP32, broken("fp16-pure")]}),
    "eps near zero": ("eps-underflow", {"clip_norm": None, "lanes": [FP32, broken("fp16-pure", eps=1e-6)]}),
    "scaler not updated": (
        "scaler-not-updated",
        {"lanes": [FP32, fp16({"kind": "no-scaler-update"}, init_scale=2.0**30)]},
    ),
    "scaler that should have grown": (
        "scaler-not-updated",
        {"lanes": [FP32, fp16({"kind": "no-scaler-update"}, growth_interval=10)]},
    ),
    "loss spike": ("loss-spike", {"lanes": [FP32, fp16({"kind": "loss-spike", "step": 30})]}),
    "loss spike that wrecks the weights": (
        "loss-spike",
        {**SGD, "clip_norm": None, "lanes": [FP32, broken("fp32", faults=[{"kind": "loss-spike", "step": 30}])]},
    ),
    "infinite gradient without a scaler": (
        "infinite-gradient",
        {"lanes": [FP32, broken("bf16-amp", faults=[{"kind": "infinite-gradient", "step": 20}])]},
    ),
    "far too high an initial scale": ("skipped-steps", {"lanes": [FP32, fp16(init_scale=2.0**40)]}),
}

HEALTHY = {
    "AdamW": {"lanes": [FP32, {"recipe": "bf16-amp"}, {"recipe": "fp16-amp"}, {"recipe": "bf16-pure-stochastic"}]},
    "SGD, accumulated, warmed up": {
        **SGD,
        "batch_size": 16,
        "accumulation_steps": 4,
        "warmup_steps": 10,
        "schedule": "cosine",
        "lanes": [FP32, {"recipe": "bf16-amp"}, {"recipe": "fp16-amp"}],
    },
    "FP8 with scales": {"lanes": [FP32, {"recipe": "fp8-tensorwise"}, {"recipe": "mxfp8"}, {"recipe": "tf32"}]},
}


def said(events, lane):
    """The last sentence of each code."""
    return {
        event["code"]: event["sentence"]
        for event in events
        if event["type"] == "diagnosis" and event["lane"] == lane
    }  # fmt: skip


@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_lane_is_told_its_cause_and_no_other(burst, case):
    code, fields = BROKEN[case]
    events = burst({**MLP, **fields})
    names = [lane["name"] for lane in events[0]["lanes"]]
    causes = said(events, names.index("broken")).keys() - {"outcome", "subnormal-gradients"}
    # A skipped step is what the scaler makes of a spike, and is said beside it.
    assert causes - ({"skipped-steps"} if code == "loss-spike" else set()) == {code}


@pytest.mark.parametrize("case", HEALTHY)
def test_a_healthy_lane_is_told_nothing_but_its_outcome(burst, case):
    events = burst({**MLP, **HEALTHY[case]})
    for lane in range(len(events[0]["lanes"])):
        assert said(events, lane).keys() == {"outcome"}


def test_float32_beside_a_broken_lane_is_not_blamed(burst):
    for code, fields in BROKEN.values():
        if code != "learning-rate-too-high":
            assert said(burst({**MLP, **fields}), 0).keys() == {"outcome"}


def test_the_sentences_name_what_was_measured(burst):
    def sentence(case):
        code, fields = BROKEN[case]
        return said(burst({**MLP, **fields}), 1)[code]

    assert "±65,504" in sentence("activations too large from the start")
    assert "2^16 → 2^-15" in sentence("activations too large from the start")
    assert "step 20 on" in sentence("an activation outlier later on")
    assert "in FP32 too" in sentence("learning rate too high, everywhere")
    assert "is 0 in FP16" in sentence("eps of zero")
    assert "step 30" in sentence("loss spike")
    assert "not come back" in sentence("loss spike that wrecks the weights")


def test_at_most_three_things_are_said_of_a_lane_each_in_a_sentence(burst):
    for _, fields in BROKEN.values():
        for lane in (0, 1):
            sentences = said(burst({**MLP, **fields}), lane)
            assert 1 <= len(sentences) <= 3
            assert all(sentence.endswith(".") for sentence in sentences.values())


def test_lost_updates_are_told_from_the_share_of_unchanged_weights():
    """From the numbers alone: the instrument that measures the share has tests of its own."""
    recipes = ["bf16-pure", "bf16-pure-stochastic", "fp32"]
    diagnosis = Diagnosis(parse_config({**MLP, "lanes": [{"recipe": recipe} for recipe in recipes]}))
    shares = [0.8, 0.8, 0.01]
    for lane, share in enumerate(shares):
        for step in range(20):
            diagnosis.learn(lane, step, step_of(2.0), {"updates": {"unchanged_fraction": share}})
    codes = [dict(diagnosis.conclude(lane)) for lane in range(3)]
    assert "80 % of its weights" in codes[0]["lost-updates"]
    assert "lost-updates" not in codes[1].keys() | codes[2].keys()


def step_of(loss, **fields):
    settings = {"scale": None, "next_scale": None, "skipped": False, "grad_norm": 1.0, "learning_rate": 1e-3}
    return Trained(loss=loss, step_ms=1.0, **{**settings, **fields})


def seen_losses(losses_by_seed):
    """What is said of two lanes of so many seeds, each with a constant loss: the lanes' last sentences."""
    seeds = len(losses_by_seed[0])
    config = parse_config({**MLP, "seeds": seeds, "lanes": [FP32, {"recipe": "bf16-amp"}]})
    diagnosis = Diagnosis(config)
    for lane, losses in enumerate(losses_by_seed):
        for seed, loss in enumerate(losses):
            for step in range(10):
                diagnosis.learn(lane, step, step_of(loss), {}, seed)
    return dict(diagnosis.conclude(1))


@pytest.mark.parametrize(
    ("ours", "apart"),
    [((1.0, 1.2, 1.1), False), ((1.15, 1.35, 1.25), False), ((1.19, 1.39, 1.29), False), ((1.4, 1.6, 1.5), True)],
)
def test_only_a_difference_outside_the_bands_is_called_one(ours, apart):
    sentence = seen_losses([(1.0, 1.2, 1.1), ours])["outcome"]
    assert ("above FP32" in sentence) == apart
    assert ("not told apart" in sentence) == (not apart)
    assert "3 seeds" in sentence


def test_a_seed_that_went_wrong_is_named():
    said = seen_losses([(1.0, 1.0), (1.0, float("nan"))])
    assert said["non-finite-loss"].startswith("With seed 1:")
    assert "outcome" not in said


def test_no_outcome_is_told_of_seeds_that_are_not_finite():
    config = parse_config({**MLP, "seeds": 2, "lanes": [FP32]})
    diagnosis = Diagnosis(config)
    for seed in range(2):
        diagnosis.learn(0, 0, step_of([1.0, float("inf")][seed]), {}, seed)
    assert outcome_of_seeds(diagnosis.lanes[0], None) is None


def test_every_code_that_a_finding_makes_redundant_exists():
    assert {code for finding in FINDINGS.values() for code in finding.explains} <= FINDINGS.keys()
