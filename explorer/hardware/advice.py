"""What to train in on this machine, from what was probed and measured. Needs no torch.

On an accelerator the matrix products decide: a model small enough to be timed in seconds is held up by launching
kernels, not by them. On a CPU nothing is launched, and the training step itself decides.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from explorer import recipes

WORTH = 1.1
"""How many times faster a half format must be than float32 before its smaller range or precision is taken on."""

CLEARLY_FASTER = 1.2
"""How many times faster FP16 must be than BF16 to make up for the loss scaling that it needs."""

HALVES = {"bf16-amp": "bf16", "fp16-amp": "fp16"}
NAMES = {"bf16": "BF16", "fp16": "FP16", "tf32": "TF32", "fp32": "FP32"}

Rows = Sequence[Mapping[str, Any]]


def advise(device: Mapping[str, Any], formats: Rows, matmul: Rows = (), training: Rows = ()) -> dict[str, Any]:
    """The recipe for a device.

    Parameters
    ----------
    device : mapping
        As :meth:`explorer.devices.facts.DeviceFacts.as_dict` gives it.
    formats : sequence of mapping
        ``device format support`` of every format; other devices' are ignored.
    matmul : sequence of mapping
        ``device format gflops``; may be empty or lack formats, as after a check that was stopped.
    training : sequence of mapping
        ``device recipe step_ms support``, likewise.

    Returns
    -------
    dict
        ``device recipe reason``, ``runner_up`` (``recipe reason``, or None) and ``avoid`` (a list of the same). Each
        reason is one sentence.
    """
    return _Advisor(device, formats, matmul, training).advice()


class _Advisor:
    def __init__(self, device: Mapping[str, Any], formats: Rows, matmul: Rows, training: Rows) -> None:
        name = device["device"]
        self.device, self.on_cpu = device, device["type"] == "cpu"
        self.support = {row["format"]: row["support"] for row in formats if row["device"] == name}
        self.rates = {row["format"]: row["gflops"] for row in matmul if row["device"] == name}
        self.steps = {row["recipe"]: row["step_ms"] for row in training if row["device"] == name}
        self.there = recipes.names()

    def advice(self) -> dict[str, Any]:
        recipe = self._pick()
        runner_up = self._runner_up(recipe)
        taken = {recipe, runner_up and runner_up["recipe"]}
        return {
            "device": self.device["device"],
            "recipe": recipe,
            "reason": self._reason(recipe),
            "runner_up": runner_up,
            "avoid": [entry for entry in self._avoid() if entry["recipe"] not in taken],
        }

    # -- figures -------------------------------------------------------------------------------------------------

    def native(self, name: str) -> bool:
        return self.support.get(name) == "native"

    def kernel(self, name: str) -> float | None:
        """Rate of a format's products over float32's."""
        if not self.native(name) or not self.rates.get(name) or not self.rates.get("fp32"):
            return None
        return self.rates[name] / self.rates["fp32"]

    def training(self, recipe: str) -> float | None:
        """How many steps fit into the time of one in float32."""
        if not self.steps.get(recipe) or not self.steps.get("fp32"):
            return None
        return self.steps["fp32"] / self.steps[recipe]

    def gain(self, recipe: str) -> float | None:
        """What decides; None where it was not measured."""
        # Where steps were timed and this recipe's was not, nothing is known of it.
        return self.training(recipe) if self.on_cpu and self.steps else self.kernel(HALVES[recipe])

    # -- the choice ----------------------------------------------------------------------------------------------

    def _pick(self) -> str:
        gains = {recipe: self.gain(recipe) for recipe, name in HALVES.items() if self.native(name)}
        # Not measured: hardware that has a format is taken to be faster in it, but for a CPU, where that often fails.
        unknown = 1.0 if self.on_cpu else WORTH
        worth = {recipe: gain or unknown for recipe, gain in gains.items() if (gain or unknown) >= WORTH}
        if {"bf16-amp", "fp16-amp"} <= worth.keys():
            return "fp16-amp" if worth["fp16-amp"] > CLEARLY_FASTER * worth["bf16-amp"] else "bf16-amp"
        if worth:
            return next(iter(worth))
        return "tf32" if self.native("tf32") and "tf32" in self.there else "fp32"

    def _reason(self, recipe: str) -> str:
        if recipe == "fp32":
            return self._reason_for_fp32()
        if recipe == "tf32":
            return "No half format pays here, and TF32 speeds up float32 products without a change to the code."
        name = NAMES[HALVES[recipe]]
        why = {
            "bf16-amp": "has float32's range, so the loss needs no scaling",
            "fp16-amp": "has ten bits behind the leading one, but a small range: scale the loss",
        }[recipe]
        return f"{name} is native here{self._figures(recipe)}, and {why}."

    def _reason_for_fp32(self) -> str:
        natives = [recipe for recipe, name in HALVES.items() if self.native(name)]
        if not natives:
            return "No half format is native here, so float32 is both the fastest and the most exact."
        recipe = natives[0]
        if self.gain(recipe) is None:
            return f"{NAMES[HALVES[recipe]]} is native here, but was not measured to be faster."
        name, kernel, training = NAMES[HALVES[recipe]], self.kernel(HALVES[recipe]), self.training(recipe)
        products = f" and its products run at {_times(kernel)} float32's rate" if kernel is not None else ""
        step = f", but a step of gpt2-tiny runs at {_times(training)} float32's" if training is not None else ""
        return f"Float32 is the better choice at this size: {name} is native{products}{step}."

    def _figures(self, recipe: str) -> str:
        kernel, training = self.kernel(HALVES[recipe]), self.training(recipe)
        said = []
        if kernel is not None:
            said.append(f"its products run at {_times(kernel)} float32's rate")
        if training is not None:
            said.append(f"a step of gpt2-tiny at {_times(training)} float32's")
        return f" ({' and '.join(said)})" if said else ""

    def _runner_up(self, recipe: str) -> dict[str, str] | None:
        fp8 = next((name for name in ("e4m3fn", "e4m3fnuz") if self.native(name)), None)
        if recipe == "bf16-amp":
            if fp8 and "fp8-tensorwise" in self.there:
                return _entry("fp8-tensorwise", "FP8 is native here and pays in large linear layers, a few thousand "
                              "wide; below that its scaling costs more than it saves.")  # fmt: skip
            if self.native("fp16"):
                return _entry("fp16-amp", "FP16 has three more bits of precision, but overflows above 65,504 and needs "
                              "its loss scaled.")  # fmt: skip
            return _entry("fp32", "Float32 is slower and spares you every question of range and precision.")
        if recipe == "fp16-amp":
            if self.native("bf16"):
                return _entry("bf16-amp", "BF16 is native too and needs no loss scaling, but was clearly slower.")
            return _entry("fp32", "Float32 where FP16 overflows in the forward pass, which loss scaling cannot cure.")
        natives = [each for each, name in HALVES.items() if self.native(name) and each in self.there]
        if natives:
            kernel = self.kernel(HALVES[natives[0]])
            name = NAMES[HALVES[natives[0]]]
            if kernel is not None and kernel >= WORTH:
                return _entry(natives[0], f"{name} for larger models: its products run at {_times(kernel)} float32's "
                              "rate, and the larger the layers, the more of the step they are.")  # fmt: skip
            return _entry(natives[0], f"{name} is native and halves the memory of activations.")
        return _entry("bf16-amp", "BF16 is emulated here: take it to rehearse a run that is meant for a GPU.")

    def _avoid(self) -> list[dict[str, str]]:
        avoid = []
        for recipe, name in HALVES.items():
            training = self.training(recipe)
            slow = f" A step took {1 / training:.1f} times float32's." if training and training < 1 else ""
            if self.support.get(name) == "missing":
                avoid.append(_entry(recipe, f"{NAMES[name]} does not run on this device."))
            elif not self.native(name):
                avoid.append(_entry(recipe, f"{NAMES[name]} is only emulated here: right numbers, no speed.{slow}"))
            elif slow:
                avoid.append(_entry(recipe, f"{NAMES[name]} is native, but does not pay at this size.{slow}"))
        for recipe, name in (("bf16-pure", "BF16"), ("fp16-pure", "FP16")):
            avoid.append(_entry(recipe, f"Weights kept in {name} lose small updates to rounding; keep float32 master "
                                "weights."))  # fmt: skip
        if not (self.native("e4m3fn") or self.native("e4m3fnuz")):
            avoid.append(_entry("fp8-tensorwise", "FP8 is only emulated here: good for learning, not for speed."))
        if not (self.native("mxfp8-e4m3") or self.native("nvfp4")):
            avoid.append(_entry("mxfp8", "Block formats are only emulated here: good for learning, not for speed."))
        return avoid


def _entry(recipe: str, reason: str) -> dict[str, str]:
    return {"recipe": recipe, "reason": reason}


def _times(ratio: float) -> str:
    return f"{ratio:.2g} times" if ratio < 10 else f"{ratio:.0f} times"
