"""How fast arrays are rounded, as ratios to ml_dtypes' casts and to gfloat's array rounding, interleaved in one run.

Run it with ``python -m tests.benchmarks.bench_formats [--quick]``. Each figure is the median over rounds of the ratio
within a round, so that a machine that speeds up or slows down does so for both sides. Nearest-even is held against a
cast to the format and back; everything else against gfloat, whose ``round_ndarray`` does a block format's elements
alone, without finding or applying a scale.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable

import ml_dtypes
import numpy as np
from gfloat import FormatInfo, RoundMode, round_ndarray
from gfloat.formats import (
    format_info_bfloat16,
    format_info_binary16,
    format_info_ocp_e2m1,
    format_info_ocp_e2m3,
    format_info_ocp_e3m2,
    format_info_ocp_e4m3,
    format_info_ocp_e5m2,
    format_info_ocp_e8m0,
)

from explorer import formats

GFLOAT: dict[str, FormatInfo] = {
    "fp16": format_info_binary16,
    "bf16": format_info_bfloat16,
    "e4m3fn": format_info_ocp_e4m3,
    "e5m2": format_info_ocp_e5m2,
    "e8m0": format_info_ocp_e8m0,
    "e3m2": format_info_ocp_e3m2,
    "e2m3": format_info_ocp_e2m3,
    "e2m1": format_info_ocp_e2m1,
}
MODES = {
    "nearest-even": RoundMode.TiesToEven,
    "nearest-away": RoundMode.TiesToAway,
    "toward-zero": RoundMode.TowardZero,
    "toward-positive": RoundMode.TowardPositive,
    "toward-negative": RoundMode.TowardNegative,
    "stochastic": RoundMode.StochasticFast,
}


def elapsed(work: Callable[[], object]) -> float:
    """Milliseconds that it takes once."""
    started = time.perf_counter()
    work()
    return (time.perf_counter() - started) * 1e3


def compare(ours: Callable[[], object], theirs: Callable[[], object], rounds: int) -> tuple[float, float, float]:
    """Median milliseconds of both, and the median over rounds of ours over theirs. One round to warm up."""
    times = [(elapsed(ours), elapsed(theirs)) for _ in range(rounds + 1)][1:]
    mine, other = (statistics.median(side) for side in zip(*times, strict=True))
    return mine, other, statistics.median(first / second for first, second in times)


def numbers(size: int) -> np.ndarray:
    """Float32 numbers across the range of the small formats: most normal, some subnormal, none beyond 6."""
    rng = np.random.default_rng(0)
    return (np.clip(rng.standard_normal(size), -6, 6) * np.exp2(rng.integers(-8, 1, size))).astype(np.float32)


def casts(x: np.ndarray, rounds: int) -> None:
    """Nearest-even against a cast there and back."""
    print(f"\nnearest-even, {x.size:,} float32 numbers, against a cast to ml_dtypes' (numpy's) type and back")
    print(f"{'format':<10} {'cast ms':>8} {'quantize ms':>12} {'ratio':>6}")
    for name in [name for name in formats.names() if name not in (*formats.block_names(), "fp64", "tf32")]:
        spec = formats.get(name)
        positive = np.abs(x) if name == "e8m0" else x
        dtype = np.dtype(getattr(ml_dtypes, spec.storage, spec.storage))

        def there_and_back(values: np.ndarray = positive, dtype: np.dtype = dtype) -> np.ndarray:
            return values.astype(dtype).astype(np.float32)

        mine, other, ratio = compare(lambda spec=spec, values=positive: spec.quantize(values), there_and_back, rounds)
        print(f"{name:<10} {other:8.1f} {mine:12.1f} {ratio:6.2f}", flush=True)


def modes(x: np.ndarray, rounds: int) -> None:
    """Every rounding against gfloat."""
    print(f"\ntimes faster than gfloat's round_ndarray, {x.size:,} float32 numbers")
    print(f"{'format':<10}" + "".join(f"{mode:>17}" for mode in MODES))
    words = np.random.default_rng(0).integers(0, 2**16, x.size)
    for name, info in GFLOAT.items():
        spec, row = formats.get(name), f"{name:<10}"
        values = np.abs(x) if name == "e8m0" else x
        saturate = not (spec.has_inf or spec.has_nan)
        for mode, theirs in MODES.items():
            bits = {"srbits": words, "srnumbits": 16} if mode == "stochastic" else {}
            _, _, ratio = compare(
                lambda spec=spec, values=values, mode=mode: spec.quantize(values, mode, rng=0),
                lambda info=info, values=values, theirs=theirs, bits=bits, saturate=saturate: round_ndarray(
                    info, values, theirs, saturate, **bits
                ),
                rounds,
            )
            row += f"{1 / ratio:17.1f}"
        print(row, flush=True)


def blocks(x: np.ndarray, rounds: int) -> None:
    """The block formats against gfloat's rounding of their elements alone."""
    print(f"\ntimes faster, scales and all, than gfloat's round_ndarray of the elements alone, {x.size:,} numbers")
    print(f"{'format':<12} {'quantize ms':>12} {'ns a number':>12}" + "".join(f"{mode:>17}" for mode in MODES))
    words = np.random.default_rng(0).integers(0, 2**16, x.size)
    for name in formats.block_names():
        spec, ratios = formats.get(name), []
        info = GFLOAT[spec.element.name]
        for mode, theirs in MODES.items():
            bits = {"srbits": words, "srnumbits": 16} if mode == "stochastic" else {}
            mine, _, ratio = compare(
                lambda spec=spec, mode=mode: spec.quantize(x, mode, rng=0),
                lambda info=info, theirs=theirs, bits=bits: round_ndarray(info, x, theirs, True, **bits),
                rounds,
            )
            ratios.append((mine, ratio))
        row = "".join(f"{1 / ratio:17.1f}" for _, ratio in ratios)
        print(f"{name:<12} {ratios[0][0]:12.1f} {ratios[0][0] * 1e6 / x.size:12.1f}{row}", flush=True)


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a tenth of the numbers and fewer rounds")
    quick = parser.parse_args().quick
    with np.errstate(all="ignore"):
        casts(numbers(1_000_000 if quick else 10_000_000), 3 if quick else 7)
        modes(numbers(1_000_000), 2 if quick else 3)
        blocks(numbers(32 * 30_000), 2 if quick else 3)


if __name__ == "__main__":
    main()
