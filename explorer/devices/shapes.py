"""Finding the shape at which a matrix product runs fastest, in a given time. Needs no torch.

The rate over m, n and k has a broad plateau and a few steps (tiles, waves, caches), so a coarse grid finds the plateau
and its neighbours the top of it; what is left of the time goes to timing the best ones again, as a single round may
be held up by another process. An exhaustive search takes hours for what this finds in seconds (ml-engineering,
"MAMF finder").
"""

from __future__ import annotations

import itertools
import random
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from statistics import median

Shape = tuple[int, int, int]
"""m, n and k of a product of (m, k) and (k, n)."""

SMALL_SIZES = (128, 192, 256, 384, 512, 768, 1024, 1536, 2048)
"""Sides that a CPU of a few cores is searched over: its plateau begins at a few hundred."""
LARGE_SIZES = (1024, 1536, 2048, 3072, 4096, 6144, 8192, 12288, 16384)
"""Sides that an accelerator is searched over."""
MANY_THREADS = 8
LARGER_SIZES = (*SMALL_SIZES, 3072, 4096)
"""Sides for a CPU of more than :data:`MANY_THREADS` threads."""

CALLS = 2
"""Calls a visit: the first may pay for choosing a kernel."""

LONGEST_VISIT = 1 / 20
"""Share of the time that one visit may take; larger shapes are left out."""
LONGEST_VISIT_SECONDS = 1.0
"""And the most in seconds: whoever waits for the search to stop waits for a visit."""
COARSE_SHARE, CLIMB_SHARE = 0.35, 0.65
"""Shares of the time at which the coarse grid, and the climb from its best, are over at the latest."""
SUMMITS = 4
"""How many of the best shapes have their neighbours tried first; then of twice as many, while there is time."""
FINALISTS = ((0.78, 24), (0.88, 12), (0.95, 6), (1.0, 3))
"""Up to which share of the time how many of the best shapes are timed again and again: all that one lucky call could
have put before the true best, and then fewer."""
LEAST_FINALISTS = 3
ROUNDS_EACH = 4
"""Rounds that each of them should get in what is left of the time; where that is too little, fewer shapes take part."""
ENOUGH_CALLS = 60
STEADY = 0.98
"""A best shape that was called so often, with a median so close to its fastest call, is not timed any further. Where
other processes hold calls up, the median stays behind, and what is left of the time may bring a call that is not."""


def flop(shape: Shape) -> float:
    """Floating-point operations of a product: a multiplication and an addition for each m, n and k."""
    m, n, k = shape
    return 2.0 * m * n * k


@dataclass(slots=True)
class Timed:
    """The seconds that a shape took, call by call."""

    shape: Shape
    seconds: list[float] = field(default_factory=list)

    @property
    def best(self) -> float:
        """10⁹ operations a second in the fastest call."""
        return flop(self.shape) / min(self.seconds) / 1e9

    @property
    def median(self) -> float:
        """10⁹ operations a second in the median call, the very first left out where there are others."""
        return flop(self.shape) / median(self.seconds[1:] or self.seconds) / 1e9


class Search:
    """A search that goes on for a given time and can be looked at, or left, after every visit.

    Parameters
    ----------
    time_call : callable
        Seconds of one product of a shape.
    sizes : sequence of int
        Sides that m, n and k are taken from, in rising order.
    seconds : float
        How long to search. Only time spent inside counts.
    fits : callable, optional
        Whether a shape's operands fit into memory.

    Attributes
    ----------
    timed : dict
        What was found, by shape.
    spent : float
        Seconds so far.
    """

    def __init__(
        self,
        time_call: Callable[[Shape], float],
        sizes: Sequence[int],
        seconds: float,
        fits: Callable[[Shape], bool] = lambda shape: True,
    ) -> None:
        self.timed: dict[Shape, Timed] = {}
        self.spent = 0.0
        self.sizes = tuple(sizes)
        self.seconds = seconds
        self._time_call, self._fits = time_call, fits

    def best(self) -> Timed:
        """The shape with the fastest call so far."""
        return max(self.timed.values(), key=lambda each: each.best)

    def ranked(self, count: int) -> list[Timed]:
        """The fastest shapes so far, the fastest first."""
        return sorted(self.timed.values(), key=lambda each: -each.best)[:count]

    def run(self) -> Iterator[Timed]:
        """Search, and yield each shape that was visited, until the time is over or nothing new can be learnt."""
        steps = self._steps()
        while True:
            started = time.perf_counter()
            visited = next(steps, None)
            self.spent += time.perf_counter() - started
            if visited is None:
                return
            yield visited

    def _steps(self) -> Iterator[Timed]:
        yield from self._first()
        yield from self._coarse()
        yield from self._climb()
        yield from self._repeat()

    def _over(self, share: float = 1.0) -> bool:
        return self.spent >= share * self.seconds

    def _visit(self, shape: Shape) -> Timed:
        timed = self.timed.setdefault(shape, Timed(shape))
        for _ in range(CALLS):
            timed.seconds.append(self._time_call(shape))
        return timed

    def _affordable(self, shape: Shape) -> bool:
        """Whether a visit takes a small part of the time, by the best rate so far."""
        expected = CALLS * flop(shape) / 1e9 / self.best().best
        return expected <= min(LONGEST_VISIT * self.seconds, LONGEST_VISIT_SECONDS) and self._fits(shape)

    def _first(self) -> Iterator[Timed]:
        """Cubes from the smallest up, to learn what the device can afford."""
        for size in self.sizes:
            shape = (size, size, size)
            if self.timed and (not self._affordable(shape) or self._over(COARSE_SHARE)):
                return
            yield self._visit(shape)

    def _coarse(self) -> Iterator[Timed]:
        """Every other side, the largest among them, in random order: cut short, it is still spread over the range."""
        coarse = list(itertools.product(self.sizes[::-1][::2], repeat=3))
        random.Random(0).shuffle(coarse)
        for shape in coarse:
            if self._over(COARSE_SHARE):
                return
            if shape not in self.timed and self._affordable(shape):
                yield self._visit(shape)

    def _climb(self) -> Iterator[Timed]:
        """The neighbours of the best, and of ever more of them."""
        summits = SUMMITS
        while not self._over(CLIMB_SHARE):
            fresh = next(
                (
                    shape
                    for summit in self.ranked(summits)
                    for shape in self._neighbours(summit.shape)
                    if shape not in self.timed and self._affordable(shape)
                ),
                None,
            )
            if fresh is not None:
                yield self._visit(fresh)
            elif summits >= len(self.timed):
                return
            else:
                summits *= 2

    def _neighbours(self, shape: Shape) -> Iterator[Shape]:
        for axis in range(3):
            at = self.sizes.index(shape[axis])
            for other in (at + 1, at - 1):
                if 0 <= other < len(self.sizes):
                    yield (*shape[:axis], self.sizes[other], *shape[axis + 1 :])

    def _repeat(self) -> Iterator[Timed]:
        """The best again and again, fewer of them as the time runs out."""
        while not self._over():
            for each in self.ranked(self._finalists()):
                if self._over():
                    return
                yield self._visit(each.shape)
            best = self.best()
            if len(best.seconds) >= ENOUGH_CALLS and best.median >= STEADY * best.best:
                return

    def _finalists(self) -> int:
        """How many shapes are worth timing again in what is left of the time."""
        share, best = self.spent / self.seconds, self.best()
        visit = CALLS * flop(best.shape) / 1e9 / best.best
        affordable = int((self.seconds - self.spent) / (ROUNDS_EACH * visit))
        return max(LEAST_FINALISTS, min(affordable, next((count for until, count in FINALISTS if share < until), 0)))
