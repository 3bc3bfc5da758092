"""What a real training step takes under each recipe: the lanes of a burst, without instruments, in turn."""

from __future__ import annotations

import time
from collections.abc import Iterator
from statistics import median
from typing import Any

import torch

from explorer import recipes
from explorer.burst.config import BurstConfig, parse_config
from explorer.burst.lane import Lane
from explorer.errors import InputError
from explorer.workloads import build

MODEL, BATCH_SIZE, SEQUENCE_LENGTH = "gpt2-tiny", 8, 128
FIRST = ("fp32", "bf16-amp", "fp16-amp", "tf32")
"""Recipes that are timed first: the ones that advice is about. The others follow as far as the time goes."""
MOST_STEPS = 50
SLOW = 4.0
"""A recipe whose step takes this many times float32's is timed once: more rounds would be taken from the others."""
SETUP_SHARE = 0.8
"""Share of the time after which no further recipe is begun, but for the first three."""


def steps(device: torch.device, seconds: float) -> Iterator[dict[str, Any]]:
    """Train a model under every recipe, a step each in turn; yield a recipe's figures after each of its steps.

    Parameters
    ----------
    device : torch.device
        Where to train.
    seconds : float
        How long, but for the first three recipes, which get two steps each in any case.

    Yields
    ------
    dict
        ``device recipe compute support model batch_size sequence_length parameters``, ``step_ms`` (the fastest step
        but the first, in milliseconds), ``median_step_ms``, ``samples_per_s`` (by the fastest) and ``steps``; or
        ``device recipe unavailable`` with a sentence.
    """
    started = time.perf_counter()
    names = [*FIRST, *(name for name in recipes.names() if name not in FIRST)]
    timed: list[_Timed] = []
    for number, name in enumerate(name for name in names if name in recipes.names()):
        if number > 2 and time.perf_counter() - started > SETUP_SHARE * seconds:
            break
        try:
            lane = _Timed(name, device)
            for _ in range(2):
                lane.step()
        except (InputError, RuntimeError, ImportError, NotImplementedError, TypeError, ValueError) as error:
            # A recipe may need what this device or this installation lacks; the others go on.
            reason = " ".join(str(error).split())[:200] or type(error).__name__
            yield {"device": str(device), "recipe": name, "unavailable": f"{name} did not run here: {reason}"}
            continue
        timed.append(lane)
        yield lane.figures()
    while timed and time.perf_counter() - started < seconds:
        fastest = min(lane.best for lane in timed)
        left = [lane for lane in timed if len(lane.taken) < MOST_STEPS and lane.best < SLOW * fastest]
        if not left:
            return
        for lane in left:
            if time.perf_counter() - started >= seconds:
                return
            lane.step()
            yield lane.figures()


class _Timed:
    """A lane and the milliseconds of its steps; the first, which sets up the optimizer's state, does not count."""

    def __init__(self, recipe: str, device: torch.device) -> None:
        config = _config(recipe, device)
        settings = config.lanes[0]
        self.lane = Lane(config, settings, build.build_model(MODEL, seed=0), device)
        if self.lane.precision.support == "missing":
            raise InputError("recipe", recipe, "one that runs here", sentence=f"{device} lacks its format.")
        self._batches = build.build_batches("text", BATCH_SIZE, SEQUENCE_LENGTH, seed=0)
        self.recipe, self.device = recipe, device
        self.taken: list[float] = []
        self._steps = 0

    @property
    def best(self) -> float:
        return min(self.taken)

    def step(self) -> None:
        step_ms = self.lane.train(self._batches.next(self.device)).step_ms
        if self._steps:
            self.taken.append(step_ms)
        self._steps += 1

    def figures(self) -> dict[str, Any]:
        return {
            "device": str(self.device),
            "recipe": self.recipe,
            "compute": recipes.get(self.recipe).compute,
            "support": self.lane.precision.support,
            "model": MODEL,
            "batch_size": BATCH_SIZE,
            "sequence_length": SEQUENCE_LENGTH,
            "parameters": sum(parameter.numel() for parameter in self.lane.parameters),
            "step_ms": round(self.best, 4),
            "median_step_ms": round(median(self.taken), 4),
            "samples_per_s": round(BATCH_SIZE / self.best * 1e3, 2),
            "steps": len(self.taken),
        }


def _config(recipe: str, device: torch.device) -> BurstConfig:
    return parse_config({"model": MODEL, "batch_size": BATCH_SIZE, "sequence_length": SEQUENCE_LENGTH,
                         "device": str(device), "steps": MOST_STEPS, "lanes": [{"recipe": recipe}]})  # fmt: skip
