"""What the instruments cost: a burst with its default sampling against a bare PyTorch loop of the same recipe.

Both train the same model on the same batches, in alternating stretches of the same steps, so that a machine that
speeds up or slows down does so for both; the lane without instruments is a third side, which tells what they add from
what the rest of a burst adds. Times are the process's CPU time on one thread, in which other processes' work does not
show but as lost cache. What is done once a run, at the second step, is listed apart. Run it with
``OMP_NUM_THREADS=1 python -m tests.benchmarks.bench_instruments [model]``.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import torch

from explorer import devices, recipes
from explorer.burst import parse_config, run_burst
from explorer.burst.lane import Lane
from explorer.recipes.precision import DTYPES
from explorer.workloads import build

STRETCH = 50
"""Steps of one side before the other's turn: each instrument samples at least once in them."""


def bare(config: Any) -> Iterator[None]:
    """PyTorch's AMP loop, a step at a time, with the half kernels that the burst uses on this machine."""
    (lane,) = config.lanes
    dtype = DTYPES[recipes.get(lane.recipe).compute]
    half = dtype is not torch.float32
    model = build.build_model(config.model, config.seed)
    batches = build.build_batches(config.data, config.batch_size, config.sequence_length, config.seed)
    optimizer = torch.optim.AdamW(model.parameters(), lr=config.learning_rate, weight_decay=0.0)
    scaler = torch.amp.GradScaler("cpu", enabled=lane.recipe == "fp16-amp")
    kernels = devices.kernels("cpu", dtype)
    while True:
        batch = batches.next(torch.device("cpu"))
        with kernels:
            optimizer.zero_grad()
            with torch.autocast("cpu", dtype=dtype if half else torch.bfloat16, enabled=half):
                loss = build.loss(model, batch)
            scaler.scale(loss).backward()
            scaler.unscale_(optimizer)
            torch.nn.utils.clip_grad_norm_(model.parameters(), config.clip_norm)
            scaler.step(optimizer)
            scaler.update()
        loss.item()
        yield


def burst(config: Any) -> Iterator[None]:
    """The same step out of :func:`explorer.burst.run_burst`, its events thrown away."""
    for event in run_burst(config):
        if event["type"] == "step":
            yield


def unwatched(config: Any) -> Iterator[None]:
    """The lane's own step, with no instrument looking on and no event made."""
    (settings,) = config.lanes
    device = torch.device("cpu")
    lane = Lane(config, settings, build.build_model(config.model, config.seed), device)
    batches = build.build_batches(config.data, config.batch_size, config.sequence_length, config.seed)
    while True:
        lane.train(batches.next(device))
        yield


def stretch(steps: Iterator[None], length: int = STRETCH) -> float:
    """Milliseconds of CPU time a step over one stretch."""
    started = time.process_time()
    for _ in range(length):
        next(steps)
    return (time.process_time() - started) / length * 1e3


SIDES: tuple[Callable[[Any], Iterator[None]], ...] = (bare, unwatched, burst)


def compare(model: str, recipe: str, batch_size: int, turns: int) -> tuple[list[float], float, float, float]:
    """Milliseconds a step of each side, the ratio of burst to bare loop, what instruments add a step, and once.

    Ratio and what is added are medians over the turns.
    """
    config = parse_config(
        {
            "model": model,
            "batch_size": batch_size,
            "steps": STRETCH * (turns + 1) + 2,
            "device": "cpu",
            "lanes": [{"recipe": recipe}],
        }
    )
    running = [side(config) for side in SIDES]
    # The first step makes the optimizer's state, the second is the one that is looked at once.
    first = [[stretch(side, 1), stretch(side, 1)] for side in running]
    for side in running:
        stretch(side)
    times = [[stretch(side) for side in running] for _ in range(turns)]
    ratio = statistics.median(ours / theirs for theirs, _, ours in times)
    added = statistics.median(ours - lane for _, lane, ours in times)
    once = first[2][1] - first[1][1]
    return [statistics.median(side) for side in zip(*times, strict=True)], ratio, added, once


def main() -> None:
    """Print the table."""
    torch.set_num_threads(1)
    print(
        f"{'model':<10} {'recipe':<9} {'bare ms':>8} {'lane ms':>8} {'burst ms':>9} {'ratio':>6} "
        f"{'instruments ms':>15} {'share':>6} {'once ms':>8}"
    )
    for model, batch_size, turns in (("mlp", 64, 12), ("gpt2-tiny", 8, 2)):
        if sys.argv[1:] and model not in sys.argv[1:]:
            continue
        for recipe in ("fp32", "bf16-amp", "fp16-amp"):
            (bare_ms, lane_ms, burst_ms), ratio, added, once = compare(model, recipe, batch_size, turns)
            print(
                f"{model:<10} {recipe:<9} {bare_ms:8.2f} {lane_ms:8.2f} {burst_ms:9.2f} {ratio:6.3f} "
                f"{added:15.3f} {added / bare_ms:6.1%} {once:8.1f}",
                flush=True,
            )


if __name__ == "__main__":
    main()
