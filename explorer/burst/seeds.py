"""The same burst with several seeds: what their figures have in common, and which differences they do not settle.

Each seed has its own initial weights and its own batches, the same in every lane. The band is the mean plus and minus
one standard deviation over the seeds (n - 1 in the denominator). Two lanes are told apart only where their bands do
not overlap: with at most five seeds that is a modest claim, and less is none at all (Bouthillier et al. 2021, arXiv
2103.03098, on how large the variance from seeds is).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean, stdev


@dataclass(frozen=True, slots=True)
class Spread:
    """One figure over several seeds.

    Attributes
    ----------
    mean : float
        Mean over the seeds; not finite where one of them is not.
    deviation : float
        Sample standard deviation; 0 for a single seed, NaN where a seed's figure is not finite.
    count : int
        How many seeds there are.
    """

    mean: float
    deviation: float
    count: int

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        """The spread of one value a seed."""
        if not all(math.isfinite(value) for value in values):
            return cls(sum(values) / len(values), math.nan, len(values))
        return cls(fmean(values), stdev(values) if len(values) > 1 else 0.0, len(values))

    @property
    def is_finite(self) -> bool:
        """Whether every seed's figure is finite."""
        return math.isfinite(self.mean) and math.isfinite(self.deviation)

    def overlaps(self, other: Spread) -> bool:
        """Whether the two bands have a value in common, so that the seeds do not tell the figures apart."""
        return abs(self.mean - other.mean) <= self.deviation + other.deviation
