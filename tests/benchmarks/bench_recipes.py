"""A training step of gpt2-tiny under every recipe, as a ratio to the float32 step interleaved with it.

Run as ``python -m tests.benchmarks.bench_recipes [--seconds N] [--threads N]`` from the repository's root. The step is
a lane's: forward, backward, clipping and AdamW, without instruments. Ratios are of minima and of medians over the same
rounds; only they compare between machines.
"""

import argparse
import os
import statistics
import sys
import time
from pathlib import Path

import torch

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from explorer import recipes  # noqa: E402
from explorer.burst import parse_config  # noqa: E402
from explorer.burst.lane import Lane  # noqa: E402
from explorer.workloads import build  # noqa: E402

MOST = 2.5
"""Times the float32 step that any recipe's may take on a CPU."""


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=60.0, help="about how long steps are timed")
    parser.add_argument("--threads", type=int, default=None, help="threads of PyTorch; as many as it takes by default")
    parser.add_argument("--device", default="cpu")
    options = parser.parse_args()
    if options.threads:
        torch.set_num_threads(options.threads)
    device = torch.device(options.device)
    model = build.build_model("gpt2-tiny", 0)
    lanes = {}
    for name in recipes.names():
        config = parse_config({"model": "gpt2-tiny", "eps": 1e-4, "lanes": [{"recipe": name}]})
        lanes[name] = Lane(config, config.lanes[0], model, device)
    batches = build.build_batches(config.data, config.batch_size, config.sequence_length, 0)
    for lane in lanes.values():
        for _ in range(2):
            lane.train(batches.next(device))
    times: dict[str, list[float]] = {name: [] for name in lanes}
    start = time.perf_counter()
    while time.perf_counter() - start < options.seconds or len(times["fp32"]) < 3:
        batch = batches.next(device)
        for name, lane in lanes.items():
            times[name].append(lane.train(batch).step_ms)
    load = f", load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores" if hasattr(os, "getloadavg") else ""
    print(
        f"PyTorch {torch.__version__}, {device}, {torch.get_num_threads()} threads, {len(times['fp32'])} rounds{load}"
    )
    print(f"{'recipe':24}{'products':>10}{'min ms':>10}{'median ms':>11}{'min ratio':>11}{'median ratio':>14}")
    least, middle = min(times["fp32"]), statistics.median(times["fp32"])
    for name, taken in times.items():
        low, median = min(taken), statistics.median(taken)
        print(
            f"{name:24}{lanes[name].precision.support:>10}{low:10.1f}{median:11.1f}{low / least:11.2f}"
            f"{median / middle:14.2f}"
        )
    worst = max(times, key=lambda name: min(times[name]))
    print(f"Worst: {worst}, {min(times[worst]) / least:.2f} times float32 by minima (at most {MOST}).")


if __name__ == "__main__":
    main()
