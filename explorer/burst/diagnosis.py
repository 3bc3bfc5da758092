"""What happened, in words: one to three plain sentences a lane, from nothing but the run's own numbers.

Each finding is a function from what a lane has shown so far to a sentence, or None where there is nothing to say. They
are asked anew as the run goes, and a sentence that has changed replaces the one before it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from statistics import fmean
from typing import TYPE_CHECKING, Any

from explorer import formats, recipes

if TYPE_CHECKING:
    from explorer.burst.config import BurstConfig
    from explorer.burst.lane import Trained

SENTENCES = 3
"""The most that is said of one lane."""

WORTH_SAYING_LOST = 0.01
"""Share of lost gradients from which they are mentioned."""

WORTH_SAYING_SUBNORMAL = 0.5
"""Share of subnormal gradients from which they are mentioned."""


@dataclass
class Seen:
    """What one lane has shown so far."""

    name: str
    format: str
    """Label of its compute format."""
    significant_bits: int
    losses: list[float] = field(default_factory=list)
    skipped: list[int] = field(default_factory=list)
    first_scale: float | None = None
    last_scale: float | None = None
    lowest_scale: float = math.inf
    highest_scale: float = 0.0
    grown: int = 0
    """How often the scale rose."""
    lost: list[float] = field(default_factory=list)
    subnormal: list[float] = field(default_factory=list)
    seconds: float = 0.0
    said: dict[str, str] = field(default_factory=dict)

    def learn(self, step: int, trained: Trained, readings: dict[str, Any]) -> None:
        """Take in one step."""
        self.losses.append(trained.loss)
        self.seconds += trained.step_ms / 1e3
        if trained.skipped:
            self.skipped.append(step)
        if trained.scale is not None:
            self.first_scale = self.first_scale or trained.scale
            self.grown += trained.next_scale > trained.scale
            self.last_scale = trained.next_scale
            self.lowest_scale = min(self.lowest_scale, trained.scale)
            self.highest_scale = max(self.highest_scale, trained.scale)
        if sample := readings.get("gradients"):
            self.subnormal.append(sample["subnormal_fraction"])
            if sample["lost_fraction"] is not None:
                self.lost.append(sample["lost_fraction"])

    @property
    def recent_loss(self) -> float:
        """Mean of the last five losses."""
        return fmean(self.losses[-5:])


Finding = Callable[[Seen, Seen | None], str | None]


def _outcome(lane: Seen, reference: Seen | None) -> str | None:
    if not math.isfinite(lane.recent_loss):
        return None
    steps = len(lane.losses)
    sentence = f"Loss {_short(lane.losses[0])} → {_short(lane.recent_loss)} in {steps} step{'s' if steps > 1 else ''}"
    if reference is None or reference is lane or not math.isfinite(reference.recent_loss):
        return sentence + "."
    apart = lane.recent_loss / reference.recent_loss - 1 if reference.recent_loss else 0.0
    if abs(apart) < 0.01:
        return f"{sentence}, within 1 % of {reference.name}."
    return f"{sentence}, {abs(apart):.0%} {'above' if apart > 0 else 'below'} {reference.name}.".replace("%", " %")


def _not_finite(lane: Seen, reference: Seen | None) -> str | None:
    bad = next((step for step, loss in enumerate(lane.losses) if not math.isfinite(loss)), None)
    if bad is None:
        return None
    what = "NaN" if math.isnan(lane.losses[bad]) else "infinite"
    if len(lane.skipped) == len(lane.losses) > 1:
        return (
            f"The loss is {what} from step {bad}: {lane.format} overflowed in the forward pass, which no loss scale "
            "can cure. Every step was skipped."
        )
    return f"The loss became {what} at step {bad}."


def _lost(lane: Seen, reference: Seen | None) -> str | None:
    if not lane.lost or (share := fmean(lane.lost)) < WORTH_SAYING_LOST:
        return None
    return f"It lost {_percent(share)} of its gradients: too small for {lane.format}, they became 0."


def _skipped(lane: Seen, reference: Seen | None) -> str | None:
    if not lane.skipped:
        return None
    count = f"{len(lane.skipped)} step{'s' if len(lane.skipped) > 1 else ''} skipped"
    if lane.grown:
        low, high = _power(lane.lowest_scale), _power(lane.highest_scale)
        return f"{count}: the scale grew until gradients overflowed, and moved between {low} and {high}."
    return f"{count} while the scale fell from {_power(lane.first_scale)} to {_power(lane.last_scale)}."


def _subnormal(lane: Seen, reference: Seen | None) -> str | None:
    if not lane.subnormal or (share := fmean(lane.subnormal)) < WORTH_SAYING_SUBNORMAL:
        return None
    return (
        f"{_percent(share)} of its gradients are subnormal in {lane.format}, held with fewer than "
        f"{lane.significant_bits} significant bits."
    )


FINDINGS: dict[str, Finding] = {
    "outcome": _outcome,
    "non-finite-loss": _not_finite,
    "lost-gradients": _lost,
    "skipped-steps": _skipped,
    "subnormal-gradients": _subnormal,
}
"""Codes of ``diagnosis`` events and who writes their sentences, the most important first."""


class Diagnosis:
    """Follows a burst and says what happened in each lane."""

    def __init__(self, config: BurstConfig) -> None:
        self.lanes: list[Seen] = []
        self._reference: Seen | None = None
        for lane in config.lanes:
            recipe = recipes.get(lane.recipe)
            spec = formats.get(recipe.compute)
            seen = Seen(name=lane.name, format=spec.label, significant_bits=spec.mantissa_bits + 1)
            self.lanes.append(seen)
            if self._reference is None and recipe.compute == "fp32":
                self._reference = seen

    def learn(self, lane: int, step: int, trained: Trained, readings: dict[str, Any]) -> Iterator[tuple[str, str]]:
        """Take in one step of a lane; now and then yield code and sentence of what can be said that is new."""
        self.lanes[lane].learn(step, trained, readings)
        if _is_due(step):
            yield from self.conclude(lane)

    def conclude(self, lane: int) -> Iterator[tuple[str, str]]:
        """Yield code and sentence of everything that has changed since it was last said."""
        seen = self.lanes[lane]
        found = ((code, finding(seen, self._reference)) for code, finding in FINDINGS.items())
        for code, sentence in [(code, sentence) for code, sentence in found if sentence][:SENTENCES]:
            if seen.said.get(code) != sentence:
                seen.said[code] = sentence
                yield code, sentence


def _is_due(step: int) -> bool:
    """Speak every tenth step of the first hundred, every hundredth of the first thousand, and so on."""
    done = step + 1
    return done >= 10 and done % 10 ** int(math.log10(done)) == 0


def _short(value: float) -> str:
    return f"{value:.3g}" if abs(value) < 1 else f"{value:.4g}"


def _percent(share: float) -> str:
    return f"{share:.1%}".replace("%", " %") if share > 0.99 or share < 0.02 else f"{share:.0%}".replace("%", " %")


def _power(scale: float) -> str:
    """The scale as a power of two, where it is one."""
    mantissa, exponent = math.frexp(scale)
    return f"2^{exponent - 1}" if mantissa == 0.5 else f"{scale:.4g}"
