"""What one lane with one seed has shown so far: the numbers that findings are made from."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from statistics import fmean
from typing import TYPE_CHECKING, Any

from explorer import formats, recipes

if TYPE_CHECKING:
    from explorer.burst.config import BurstConfig, LaneConfig
    from explorer.burst.lane import Trained

RECENT = 5
"""How many last losses are averaged."""


@dataclass
class Seen:
    """What one lane has shown so far, and what it was asked to do. Faults are not part of it: they are found out."""

    name: str
    recipe: recipes.Recipe
    optimizer: str
    learning_rate: float
    eps: float
    clip_norm: float | None
    scales: bool
    growth_interval: int | None
    seed: int = 0
    over: bool = False
    """Whether there will be no further step."""

    losses: list[float] = field(default_factory=list)
    norms: list[float] = field(default_factory=list)
    """2-norm of all gradients, unscaled, as the clipping got them."""
    scale: list[float | None] = field(default_factory=list)
    skipped: list[int] = field(default_factory=list)
    first_bad: int | None = None
    """The first step whose loss is not finite."""
    last_scale: float | None = None
    """The loss scale after the last step."""
    grown: int = 0
    """How often the scale rose."""
    stuck: list[int] = field(default_factory=list)
    """Steps that were skipped, or ended a growth interval, without any change of the scale."""
    lost: list[float] = field(default_factory=list)
    subnormal: list[float] = field(default_factory=list)
    unchanged: list[float] = field(default_factory=list)
    seconds: float = 0.0
    _calm: int = 0

    @classmethod
    def of(cls, config: BurstConfig, lane: LaneConfig, seed: int = 0) -> Seen:
        """Nothing yet of a lane of the burst."""
        settings = ("optimizer", "learning_rate", "eps", "clip_norm")
        return cls(
            name=lane.name,
            recipe=recipes.get(lane.recipe),
            **{setting: config.lane_setting(lane, setting) for setting in settings},
            scales=lane.scales,
            growth_interval=lane.scaler.growth_interval if lane.scales else None,
            seed=seed,
        )

    def learn(self, step: int, trained: Trained, readings: dict[str, Any]) -> None:
        """Take in one step."""
        if self.first_bad is None and not math.isfinite(trained.loss):
            self.first_bad = step
        self.losses.append(trained.loss)
        self.norms.append(trained.grad_norm)
        self.scale.append(trained.scale)
        self.seconds += trained.step_ms / 1e3
        if trained.skipped:
            self.skipped.append(step)
        if trained.scale is not None:
            self._learn_scale(step, trained)
        if sample := readings.get("gradients"):
            self.subnormal.append(sample["subnormal_fraction"])
            if sample["lost_fraction"] is not None:
                self.lost.append(sample["lost_fraction"])
        share = readings.get("updates", {}).get("unchanged_fraction")
        if share is not None:
            self.unchanged.append(share)

    def _learn_scale(self, step: int, trained: Trained) -> None:
        self.last_scale = trained.next_scale
        self.grown += trained.next_scale > trained.scale
        self._calm = 0 if trained.skipped else self._calm + 1
        due = trained.skipped or self._calm == self.growth_interval
        # A scale near float32's largest number cannot grow, and one of 0 cannot fall: neither says anything.
        if due and trained.next_scale == trained.scale and 0 < trained.scale < 2.0**120:
            self.stuck.append(step)
        if due:
            self._calm = 0

    @property
    def format(self) -> formats.FormatSpec:
        """The format of the operands of forward products; of their elements, where these share scales."""
        return _elements(self.recipe.compute)

    @property
    def gradient_format(self) -> formats.FormatSpec:
        """The same of the output gradients that enter the products of a backward pass."""
        return _elements(self.recipe.gradient_operand)

    @property
    def stored(self) -> formats.FormatSpec:
        """The format in which the optimizer keeps the weights."""
        return formats.get(self.recipe.weights)

    @property
    def recent_loss(self) -> float:
        """Mean of the last five losses."""
        return fmean(self.losses[-RECENT:])

    @property
    def has_diverged(self) -> bool:
        """Whether the loss has grown well beyond where it began: at the end, or for several steps on the way."""
        finite = [loss for loss in self.losses if math.isfinite(loss)]
        if len(finite) < 2 or not math.isfinite(self.losses[0]):
            return False
        first = max(finite[0], 1e-6)
        at_the_end = fmean(finite[-RECENT:]) > 1.5 * first
        return at_the_end or sum(loss > 3 * first for loss in finite) >= 3


def _elements(name: str) -> formats.FormatSpec:
    found = formats.get(name)
    return getattr(found, "element", found)
