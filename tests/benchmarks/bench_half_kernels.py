"""A training step of gpt2-tiny in half precision, as a ratio to the float32 step interleaved with it.

Run as ``python -m tests.benchmarks.bench_half_kernels [--seconds N]`` from the repository's root. Prints a table for
this CPU as it is, and one for a CPU without half-precision instructions (a subprocess whose kernels are held to AVX2
by environment variables, x86 only). Ratios are of minima and of medians over the same rounds; only they compare
between machines.
"""

import argparse
import contextlib
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from explorer.devices import describe, kernels  # noqa: E402

WITHOUT_HALF = {"ONEDNN_MAX_CPU_ISA": "AVX2", "ATEN_CPU_CAPABILITY": "avx2"}
LANES = {
    "fp32": (None, None),
    "bf16-amp native": (torch.bfloat16, "native"),
    "bf16-amp emulated": (torch.bfloat16, "emulated"),
    "fp16-amp native": (torch.float16, "native"),
    "fp16-amp emulated": (torch.float16, "emulated"),
    "fp32 inside the context": (None, "emulated"),
}


def lane(dtype: torch.dtype | None, force: str | None) -> Callable[[], float]:
    """A function that takes one training step and returns its seconds."""
    from transformers import GPT2Config, GPT2LMHeadModel
    from transformers.utils import logging

    logging.set_verbosity_error()
    torch.manual_seed(0)
    config = GPT2Config(
        vocab_size=256,
        n_positions=128,
        n_embd=128,
        n_layer=4,
        n_head=4,
        resid_pdrop=0,
        embd_pdrop=0,
        attn_pdrop=0,
        bos_token_id=0,
        eos_token_id=0,
        use_cache=False,
    )
    model = GPT2LMHeadModel(config)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    tokens = torch.randint(256, (8, 128))
    context = contextlib.nullcontext() if force is None else kernels("cpu", force=force)

    def step() -> float:
        start = time.perf_counter()
        with context:
            with torch.autocast("cpu", dtype) if dtype else contextlib.nullcontext():
                loss = model(input_ids=tokens, labels=tokens).loss
            loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        return time.perf_counter() - start

    return step


def table(seconds: float) -> str:
    """Run all lanes in turn for about so many seconds and lay the times out."""
    found = describe("cpu")
    lines = [
        f"{found['name']}, {found['threads']} threads, {found['instructions']} kernels of PyTorch {found['torch']}"
    ]
    for name, entry in found["half"].items():
        lines.append(
            f"{name}: {entry['how']} is chosen; native {entry['native_gflops']:.1f}, "
            f"emulated {entry['emulated_gflops']:.1f} GFLOP/s"
        )
    steps = {name: lane(*what) for name, what in LANES.items()}
    for step in steps.values():
        step()
    times: dict[str, list[float]] = {name: [] for name in steps}
    start = time.perf_counter()
    while time.perf_counter() - start < seconds or len(times["fp32"]) < 3:
        for name, step in steps.items():
            # A step of a second is not made more exact by repetition, but would leave no time for the others.
            if len(times[name]) < 4 or min(times[name]) < 6 * min(times["fp32"]):
                times[name].append(step())
    lines.append(f"{'lane':26}{'rounds':>8}{'min ms':>10}{'median ms':>11}{'min ratio':>11}{'median ratio':>14}")
    least, middle = min(times["fp32"]), statistics.median(times["fp32"])
    for name, taken in times.items():
        low, median = min(taken), statistics.median(taken)
        lines.append(
            f"{name:26}{len(taken):8}{1e3 * low:10.1f}{1e3 * median:11.1f}{low / least:11.2f}{median / middle:14.2f}"
        )
    return "\n".join(lines)


def main() -> None:
    """Print the table of this CPU and of one without half-precision instructions."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=25.0, help="about how long each table's steps are timed")
    parser.add_argument("--only-here", action="store_true", help="leave out the CPU without half instructions")
    options = parser.parse_args()
    print(table(options.seconds), flush=True)
    if options.only_here or platform.machine() not in ("x86_64", "AMD64"):
        return
    print("\nWithout half-precision instructions:", " ".join(f"{k}={v}" for k, v in WITHOUT_HALF.items()), flush=True)
    again = [sys.executable, str(Path(__file__).resolve()), "--only-here", "--seconds", str(options.seconds)]
    subprocess.run(again, env=os.environ | WITHOUT_HALF, cwd=ROOT, check=True)


if __name__ == "__main__":
    main()
