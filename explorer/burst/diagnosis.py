"""What happened, in words: one to three plain sentences a lane, from nothing but the run's own numbers.

The findings (:mod:`explorer.burst.findings`) are asked anew as the run goes, and a sentence that has changed replaces
the one before it. With several seeds, the outcome speaks of their mean and spread, and a finding that does not concern
the first seed says which one it does.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from explorer import recipes
from explorer.burst.findings import FINDINGS, Finding, percent, short
from explorer.burst.seeds import Spread
from explorer.burst.seen import Seen

if TYPE_CHECKING:
    from explorer.burst.config import BurstConfig
    from explorer.burst.lane import Trained

SENTENCES = 3
"""The most that is said of one lane."""


class Diagnosis:
    """Follows a burst and says what happened in each lane.

    Attributes
    ----------
    lanes : list of list of Seen
        What was seen, by lane and seed.
    """

    def __init__(self, config: BurstConfig) -> None:
        seeds = range(config.seed, config.seed + config.seeds)
        self.lanes = [[Seen.of(config, lane, seed) for seed in seeds] for lane in config.lanes]
        in_float32 = (index for index, lane in enumerate(config.lanes) if recipes.get(lane.recipe).compute == "fp32")
        self._reference = next(in_float32, None)
        self._said: list[dict[str, str]] = [{} for _ in config.lanes]

    def learn(self, lane: int, step: int, trained: Trained, readings: dict[str, Any], seed: int = 0) -> None:
        """Take in one step of a lane; ``seed`` is the seed's index, from 0."""
        self.lanes[lane][seed].learn(step, trained, readings)

    def speak(self, lane: int) -> Iterator[tuple[str, str]]:
        """Yield code and sentence of everything that has changed since it was last said."""
        said = self._said[lane]
        for code, sentence in self._sentences(lane)[:SENTENCES]:
            if said.get(code) != sentence:
                said[code] = sentence
                yield code, sentence

    def conclude(self, lane: int) -> Iterator[tuple[str, str]]:
        """The same of a lane that is over, of which more can be said."""
        for seen in self.lanes[lane]:
            seen.over = True
        yield from self.speak(lane)

    def _sentences(self, lane: int) -> list[tuple[str, str]]:
        found: list[tuple[str, str]] = []
        explained: set[str] = set()
        for code, finding in FINDINGS.items():
            if code in explained:
                continue
            if sentence := self._sentence(lane, code, finding):
                found.append((code, sentence))
                explained |= finding.explains
        return found

    def _sentence(self, lane: int, code: str, finding: Finding) -> str | None:
        seeds = self.lanes[lane]
        references = [None] * len(seeds) if self._reference is None else self.lanes[self._reference]
        if len(seeds) == 1:
            return finding.write(seeds[0], references[0])
        if code == "outcome":
            return outcome_of_seeds(seeds, None if self._reference in (None, lane) else self.lanes[self._reference])
        for index, (seen, reference) in enumerate(zip(seeds, references, strict=True)):
            if seen.losses and (sentence := finding.write(seen, reference)):
                return sentence if index == 0 else f"With seed {seen.seed}: {sentence}"
        return None


def outcome_of_seeds(lane: list[Seen], reference: list[Seen] | None) -> str | None:
    """Mean and standard deviation of the last losses; a difference from float32 only where the bands are apart."""
    loss = Spread.of([seen.recent_loss for seen in lane])
    if not loss.is_finite:
        return None
    first, steps = Spread.of([seen.losses[0] for seen in lane]), max(len(seen.losses) for seen in lane)
    sentence = (
        f"Loss {short(first.mean)} → {short(loss.mean)} ± {short(loss.deviation)} in {steps} steps, {len(lane)} seeds"
    )
    if reference is None or not all(seen.losses for seen in reference):
        return sentence + "."
    other, name = Spread.of([seen.recent_loss for seen in reference]), reference[0].name
    if not other.is_finite:
        return sentence + "."
    if loss.overlaps(other):
        return f"{sentence}: not told apart from {name} ({short(other.mean)} ± {short(other.deviation)})."
    apart = loss.mean / other.mean - 1 if other.mean else math.inf
    return f"{sentence}: {percent(abs(apart))} {'above' if apart > 0 else 'below'} {name}, more than the seeds differ."


def is_due(step: int) -> bool:
    """Whether to speak after this step: every tenth of the first hundred, every hundredth of the first thousand."""
    done = step + 1
    return done >= 10 and done % 10 ** int(math.log10(done)) == 0
