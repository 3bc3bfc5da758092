"""Configurations that each show one thing in one click, with the question they answer.

Their effects were measured on two CPU cores and are asserted by the tests.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from explorer import recipes
from explorer.burst.config import BurstConfig, parse_config
from explorer.errors import look_up


@dataclass(frozen=True, slots=True)
class Preset:
    """A named configuration. ``question`` is what a person may ask, ``answer`` what to look at while it runs."""

    name: str
    title: str
    question: str
    answer: str
    settings: dict[str, Any]

    def config(self) -> BurstConfig:
        """The configuration, with everything filled in."""
        return parse_config(self.settings)


def _scaled(name: str, **scaler: Any) -> dict[str, Any]:
    return {"name": name, "recipe": "fp16-amp", "scaler": scaler}


def _own(recipe: str, name: str | None = None) -> dict[str, Any]:
    return {"name": name or recipes.get(recipe).label, "recipe": recipe}


_FP32, _BF16 = _own("fp32", "FP32"), _own("bf16-amp", "BF16")
_UNSCALED = _scaled("FP16, unscaled", enabled=False)
_ALL_FOUR = [_FP32, _BF16, _UNSCALED, _scaled("FP16, scaled")]
_DIGITS = {"model": "mlp", "batch_size": 64}

PRESETS: dict[str, Preset] = {
    preset.name: preset
    for preset in (
        Preset(
            name="four-lanes",
            title="FP32, BF16, FP16 and scaled FP16 side by side",
            question="Do the halves train as well as float32?",
            answer="All four losses end within a few percent, though nearly all unscaled FP16 gradients are subnormal.",
            settings={"model": "gpt2-tiny", "steps": 60, "lanes": _ALL_FOUR},
        ),
        Preset(
            name="scale-falls",
            title="The scaler overflows and recovers",
            question="What does a far too high initial scale cost?",
            answer="One skipped step for every halving, and no NaN: the scaler finds its level by itself.",
            settings={
                **_DIGITS,
                "steps": 100,
                "lanes": [_scaled(f"from 2^{power}", init_scale=2.0**power) for power in (16, 24, 32, 40)],
            },
        ),
        Preset(
            name="underflow",
            title="FP16 without scaling loses gradients",
            question="When does FP16 lose its gradients?",
            answer="With the loss weighted by 0.001 nearly all unscaled FP16 gradients round to 0: that lane learns "
            "less.",
            settings={
                "model": "gpt2-tiny",
                "steps": 60,
                "loss_weight": 0.001,
                "clip_norm": None,
                "lanes": _ALL_FOUR,
            },
        ),
        Preset(
            name="scale-grows",
            title="The scale grows until it overflows",
            question="How does the scale find its level?",
            answer="A saw-tooth under the overflow limit: the shorter the growth interval, the more steps are skipped.",
            settings={
                **_DIGITS,
                "steps": 150,
                "lanes": [
                    *(_scaled(f"growth interval {steps}", growth_interval=steps) for steps in (2, 5, 10)),
                    _scaled("growth interval 2000"),
                ],
            },
        ),
        Preset(
            name="underflow-mlp",
            title="Lost gradients in three seconds",
            question="How does it look when FP16 cannot learn at all?",
            answer="With the loss weighted by 0.00001 unscaled FP16 has hardly a gradient left; scaled, it learns.",
            settings={**_DIGITS, "steps": 150, "loss_weight": 1e-5, "clip_norm": None, "lanes": _ALL_FOUR},
        ),
        Preset(
            name="fp16-overflow",
            title="What loss scaling cannot cure",
            question="Why does the scale fall and fall?",
            answer="Activations leave FP16's range before there is a gradient: every step is skipped, until the lane "
            "ends. BF16 has the range.",
            settings={
                **_DIGITS,
                "steps": 100,
                "input_scale": 256.0,
                "weight_gain": 16.0,
                "lanes": [_FP32, _BF16, _scaled("FP16, scaled")],
            },
        ),
        Preset(
            name="swamping",
            title="Small updates vanish beside large weights",
            question="Why are master weights kept in float32?",
            answer="In pure BF16 most updates are less than half an ulp of their weight, and leave no trace. Float32 "
            "master weights keep them, and stochastic rounding does on average.",
            settings={
                **_DIGITS,
                "steps": 400,
                "learning_rate": 1e-4,
                "clip_norm": None,
                "lanes": [_FP32, _BF16, _own("bf16-pure"), _own("bf16-pure-stochastic")],
            },
        ),
        Preset(
            name="fp8-scaling",
            title="FP8 needs scales",
            question="What does FP8 lose without scaling?",
            answer="Plain casts make most output gradients 0 in E5M2, and that lane learns less; one scale a tensor is "
            "enough to follow float32.",
            settings={
                "model": "gpt2-tiny",
                "steps": 60,
                "lanes": [_FP32, _own("fp8-tensorwise"), _own("fp8-rowwise"), _own("fp8-unscaled")],
            },
        ),
        Preset(
            name="blocks",
            title="Blocks of 32 and 16 numbers with a scale each",
            question="How far down can a format go?",
            answer="MXFP8 and even 4-bit NVFP4 stay within a few percent of float32 over these steps.",
            settings={"model": "gpt2-tiny", "steps": 60, "lanes": [_FP32, _own("mxfp8"), _own("nvfp4")]},
        ),
        Preset(
            name="pure-fp16-eps",
            title="AdamW's eps is zero in FP16",
            question="Why does pure FP16 go to NaN at once?",
            answer="1e-8 rounds to 0 in FP16, and so does the second moment of a small gradient: 0 / 0 in the first "
            "steps. An eps of 1e-4 trains, and so does SGD.",
            settings={
                **_DIGITS,
                "steps": 200,
                "clip_norm": None,
                "lanes": [
                    _FP32,
                    _own("fp16-pure", "FP16 pure, eps 1e-8"),
                    {**_own("fp16-pure", "FP16 pure, eps 1e-4"), "eps": 1e-4},
                    {**_own("fp16-pure", "FP16 pure, SGD"), "optimizer": "sgd", "learning_rate": 0.1},
                ],
            },
        ),
        Preset(
            name="clip-order",
            title="Clip, then unscale: the classic mistake",
            question="Does it matter whether gradients are clipped before or after unscaling?",
            answer="Scaled gradients are 65,536 times too long: clipped to 1 and unscaled afterwards, nothing is left. "
            "With AdamW, which does not care how large gradients are, it would not show.",
            settings={
                **_DIGITS,
                "steps": 150,
                "optimizer": "sgd",
                "learning_rate": 0.1,
                "lanes": [
                    _FP32,
                    _scaled("unscale, then clip"),
                    {**_scaled("clip, then unscale"), "faults": [{"kind": "clip-before-unscale"}]},
                ],
            },
        ),
        Preset(
            name="infinite-gradient",
            title="One infinite gradient",
            question="What does a single bad gradient do?",
            answer="With a scaler it costs one step and half the scale. Without one the update is made, and everything "
            "is NaN from then on: BF16 has no scaler to catch it.",
            settings={
                **_DIGITS,
                "steps": 60,
                "lanes": [
                    {**lane, "faults": [{"kind": "infinite-gradient", "step": 20}]}
                    for lane in (_scaled("FP16, scaled"), _UNSCALED, _BF16)
                ],
            },
        ),
        Preset(
            name="loss-spike",
            title="One loss spike, clipped and not",
            question="What does clipping save?",
            answer="At step 50 one loss is 10,000 times too large. Clipped, it is a step like any other; not clipped, "
            "it throws the weights far away.",
            settings={
                **_DIGITS,
                "steps": 150,
                "optimizer": "sgd",
                "learning_rate": 0.1,
                "lanes": [
                    {**_own("fp32", name), "clip_norm": clip_norm, "faults": [{"kind": "loss-spike", "step": 50}]}
                    for name, clip_norm in (("clipped to 1", 1.0), ("not clipped", None))
                ],
            },
        ),
        Preset(
            name="seeds",
            title="The same again with five seeds",
            question="Which differences are real?",
            answer="BF16, MXFP8 and FP32 differ by far less than the seeds do. Pure BF16 falls behind by more at this "
            "learning rate: its bands are apart.",
            settings={
                **_DIGITS,
                "steps": 100,
                "seeds": 5,
                "learning_rate": 2e-4,
                "lanes": [_FP32, _BF16, _own("bf16-pure"), _own("mxfp8")],
            },
        ),
        Preset(
            name="inference",
            title="Trained in one format, used in another",
            question="Is the model that is used the one that was trained?",
            answer="On held-out data the same weights have another loss in float32 than in the format they trained in: "
            "by a thousandth in BF16, by some percent in 4 bits.",
            settings={
                **_DIGITS,
                "steps": 200,
                "eval_every": 10,
                "lanes": [_FP32, _BF16, _own("mxfp8"), _own("nvfp4")],
            },
        ),
    )
}


def get_preset(name: str) -> Preset:
    """The preset of that name.

    Raises
    ------
    InputError
        There is no such preset; the sentence lists those there are.
    """
    return look_up("preset", name, PRESETS)
