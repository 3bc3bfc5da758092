"""What the instruments cost: a burst with its default sampling against a bare PyTorch loop of the same recipe.

Both train the same model on the same batches, in alternating stretches of the same steps, so that a machine that
speeds up or slows down does so for both. Run it with ``python -m tests.benchmarks.bench_instruments``.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator
from typing import Any

import torch

from explorer import devices, recipes
from explorer.burst import parse_config, run_burst
from explorer.recipes.precision import DTYPES
from explorer.workloads import build

STRETCH = 40
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


def stretch(steps: Iterator[None]) -> float:
    """Milliseconds a step over one stretch."""
    started = time.perf_counter()
    for _ in range(STRETCH):
        next(steps)
    return (time.perf_counter() - started) / STRETCH * 1e3


def compare(model: str, recipe: str, batch_size: int, turns: int) -> tuple[float, float, float]:
    """Milliseconds a step of the bare loop, of the burst, and the median of their ratios, turn by turn."""
    steps = STRETCH * (turns + 1)
    lanes = [{"recipe": recipe}]
    config = parse_config({"model": model, "batch_size": batch_size, "steps": steps, "device": "cpu", "lanes": lanes})
    sides: list[Callable[[Any], Iterator[None]]] = [bare, burst]
    running = [side(config) for side in sides]
    for side in running:
        stretch(side)
    times = [[stretch(side) for side in running] for _ in range(turns)]
    bare_ms, burst_ms = (statistics.median(side) for side in zip(*times, strict=True))
    return bare_ms, burst_ms, statistics.median(ours / theirs for theirs, ours in times)


def main() -> None:
    """Print the table."""
    print(f"{'model':<10} {'recipe':<9} {'bare ms':>8} {'burst ms':>9} {'ratio':>6} {'added ms':>9}")
    for model, batch_size, turns in (("gpt2-tiny", 8, 3), ("mlp", 64, 20)):
        for recipe in ("fp32", "bf16-amp", "fp16-amp"):
            bare_ms, burst_ms, ratio = compare(model, recipe, batch_size, turns)
            added = burst_ms - bare_ms
            print(f"{model:<10} {recipe:<9} {bare_ms:8.2f} {burst_ms:9.2f} {ratio:6.3f} {added:9.3f}", flush=True)


if __name__ == "__main__":
    main()
