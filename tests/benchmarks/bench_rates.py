"""The rate that a search of some seconds finds, as a ratio to the best of a long exhaustive search over the same range.

Run as ``python -m tests.benchmarks.bench_rates [--seconds N] [--exhaustive N]`` from the repository's root. Both
searches are interleaved, a visit of one and then visits of the other in the same proportion as their times, so that
whatever else the machine does slows both. Each is judged by its best shape's fastest call, as the check does it; and as
a fastest call is luck as well as speed, both shapes are then timed in turn and compared by that.
"""

import argparse
import itertools
import random
import sys
import time
from pathlib import Path

import torch

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from explorer.devices.machine import describe  # noqa: E402
from explorer.devices.rates import Rate, sizes  # noqa: E402
from explorer.devices.shapes import CALLS, Timed  # noqa: E402

ROUNDS = 40


class Exhaustive:
    """Every shape of the range again and again, in an order that is drawn anew each time."""

    def __init__(self, rate: Rate) -> None:
        self.rate = rate
        self.timed: dict[tuple[int, int, int], Timed] = {}
        self.spent, self.rounds = 0.0, 0
        self._visits = self._run()

    def _run(self):
        shapes = list(itertools.product(sizes(self.rate.device), repeat=3))
        draw = random.Random(0)
        while True:
            draw.shuffle(shapes)
            for shape in shapes:
                timed = self.timed.setdefault(shape, Timed(shape))
                for _ in range(CALLS):
                    timed.seconds.append(self.rate.seconds(shape))
                yield timed
            self.rounds += 1

    def visit(self) -> None:
        """Time the next shape."""
        started = time.perf_counter()
        next(self._visits)
        self.spent += time.perf_counter() - started

    def best(self) -> Timed:
        """The shape with the fastest call."""
        return max(self.timed.values(), key=lambda each: each.best)


def compare(name: str, seconds: float, long: float) -> str:
    """Search both ways and lay out what was found."""
    device = torch.device("cpu") if not torch.accelerator.is_available() else torch.accelerator.current_accelerator()
    rate = Rate(name, device, seconds, describe(device)["memory_free"])
    exhaustive = Exhaustive(rate)
    for _ in rate.search.run():
        while exhaustive.spent < long * rate.search.spent / seconds:
            exhaustive.visit()
    while exhaustive.spent < long:
        exhaustive.visit()
    found, best = rate.search.best(), exhaustive.best()
    again = {each.shape: Timed(each.shape) for each in (found, best)}
    for _ in range(ROUNDS):
        for shape, timed in again.items():
            timed.seconds.append(rate.seconds(shape))
    ratio = again[found.shape].best / again[best.shape].best
    middle = again[found.shape].median / again[best.shape].median
    shapes = len(sizes(device)) ** 3
    return "\n".join([
        f"{name} on {device}: {describe(device)['name']}, {torch.get_num_threads()} threads",
        f"search      {rate.search.spent:7.1f} s  {len(rate.search.timed):4} of {shapes} shapes"
        f"  {found.best:9.1f} GFLOP/s at {found.shape}",
        f"exhaustive  {exhaustive.spent:7.1f} s  {len(exhaustive.timed):4} of {shapes} shapes"
        f"  {best.best:9.1f} GFLOP/s at {best.shape}, {exhaustive.rounds} times over",
        f"found over best: {found.best / best.best:.3f}; both shapes in turn: {ratio:.3f} fastest, {middle:.3f} median",
    ])  # fmt: skip


def main() -> None:
    """Print the comparison of each format."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=20.0, help="how long the search has")
    parser.add_argument("--exhaustive", type=float, default=300.0, help="how long the exhaustive search has")
    parser.add_argument("--formats", nargs="+", default=["fp32"], help="formats to search for")
    options = parser.parse_args()
    for name in options.formats:
        print(compare(name, options.seconds, options.exhaustive), flush=True)


if __name__ == "__main__":
    main()
