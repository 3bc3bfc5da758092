"""The learning rate over a burst: a warm-up, then constant, linear or cosine decay.

The rate rises over ``warmup_steps`` as gradual warm-up does (Goyal et al. 2017, arXiv 1706.02677, section 2.2): step s
has (s + 1) / (warmup_steps + 1) of it, so that no step is wasted on a rate of 0. Then it stays, or falls to 0 at the
end: in a straight line, or along half a cosine (Loshchilov and Hutter 2017, arXiv 1608.03983, equation 5, without
restarts). A step that the scaler skips counts, as it does where ``scheduler.step()`` follows ``scaler.step()``.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

SCHEDULES = ("constant", "linear", "cosine")


@dataclass(frozen=True)
class Schedule:
    """The share of the learning rate that each step of a burst has.

    Parameters
    ----------
    kind : str
        One of :data:`SCHEDULES`.
    warmup_steps : int
        Steps over which the rate rises.
    steps : int
        Steps of the whole burst.
    """

    kind: str
    warmup_steps: int
    steps: int

    @property
    def varies(self) -> bool:
        """Whether the rate is not the same throughout."""
        return self.kind != "constant" or self.warmup_steps > 0

    def share(self, step: int) -> float:
        """What the learning rate is multiplied by in this step, counted from 0: above 0, up to 1."""
        if step < self.warmup_steps:
            return (step + 1) / (self.warmup_steps + 1)
        done = (step - self.warmup_steps) / (self.steps - self.warmup_steps)
        if self.kind == "linear":
            return 1 - done
        if self.kind == "cosine":
            return (1 + math.cos(math.pi * done)) / 2
        return 1.0
