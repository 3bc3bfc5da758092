"""How fast arrays are rounded, as ratios to ml_dtypes' casts and to gfloat's array rounding, interleaved in one run.

Run it with ``python -m tests.benchmarks.bench_formats [--quick]``. Each figure is the median over rounds of the ratio
within a round, so that a machine that speeds up or slows down does so for both sides. Nearest-even is held against a
cast to the format and back; everything against gfloat's ``round_ndarray``. The block formats are held against gfloat's
``quantize_block`` on fewer numbers, which takes one block at a time, and against ``round_ndarray`` of the elements,
which is less than the job: it finds and applies no scale. Stochastic rounding includes drawing the random bits.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable

import ml_dtypes
import numpy as np
from gfloat import FormatInfo, RoundMode, round_ndarray
from gfloat.block import compute_scale_amax, quantize_block
from gfloat.formats import (
    format_info_bfloat16,
    format_info_binary16,
    format_info_mxfp4_e2m1,
    format_info_mxfp6_e2m3,
    format_info_mxfp6_e3m2,
    format_info_mxfp8_e4m3,
    format_info_mxfp8_e5m2,
    format_info_ocp_e2m1,
    format_info_ocp_e2m3,
    format_info_ocp_e3m2,
    format_info_ocp_e4m3,
    format_info_ocp_e5m2,
    format_info_ocp_e8m0,
)

from explorer import formats
from explorer.formats import BlockFormatSpec, FormatSpec

Quantizer = FormatSpec | BlockFormatSpec
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
GFLOAT_BLOCKS = {
    "mxfp8-e4m3": format_info_mxfp8_e4m3,
    "mxfp8-e5m2": format_info_mxfp8_e5m2,
    "mxfp6-e3m2": format_info_mxfp6_e3m2,
    "mxfp6-e2m3": format_info_mxfp6_e2m3,
    "mxfp4": format_info_mxfp4_e2m1,
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


def rounded_by_gfloat(info: FormatInfo, x: np.ndarray, mode: str, saturate: bool) -> np.ndarray:
    """gfloat's rounding of an array, its random bits drawn on the way."""
    if mode != "stochastic":
        return round_ndarray(info, x, MODES[mode], saturate)
    bits = np.random.default_rng(0).integers(0, 2**16, x.size)
    return round_ndarray(info, x, MODES[mode], saturate, srbits=bits, srnumbits=16)


def times_faster(spec: Quantizer, info: FormatInfo, x: np.ndarray, mode: str, saturate: bool, rounds: int) -> float:
    """How many times faster than gfloat's array rounding an array is quantized."""
    ratio = compare(lambda: spec.quantize(x, mode, rng=0), lambda: rounded_by_gfloat(info, x, mode, saturate), rounds)[
        2
    ]
    return 1 / ratio


def modes(x: np.ndarray, rounds: int) -> None:
    """Every rounding against gfloat."""
    print(f"\ntimes faster than gfloat's round_ndarray, {x.size:,} float32 numbers")
    print(f"{'format':<10}" + "".join(f"{mode:>17}" for mode in MODES))
    for name, info in GFLOAT.items():
        spec = formats.get(name)
        values = np.abs(x) if name == "e8m0" else x
        saturate = not (spec.has_inf or spec.has_nan)
        row = [times_faster(spec, info, values, mode, saturate, rounds) for mode in MODES]
        print(f"{name:<10}" + "".join(f"{factor:17.1f}" for factor in row), flush=True)


def blocks(x: np.ndarray, rounds: int) -> None:
    """The block formats against gfloat's block by block, and against its rounding of their elements alone."""
    few = x[: 32 * 20].reshape(-1, 32).astype(np.float64)
    print(f"\nblock formats, {x.size:,} float32 numbers: times faster than gfloat's quantize_block (per number), and")
    print("times faster than its round_ndarray of the elements alone, by rounding")
    print(f"{'format':<12}{'ns a number':>12}{'quantize_block':>16}" + "".join(f"{mode:>17}" for mode in MODES))
    for name in formats.block_names():
        spec, whole = formats.get(name), ""
        mine = statistics.median(elapsed(lambda spec=spec: spec.quantize(x)) for _ in range(rounds))
        if name in GFLOAT_BLOCKS:
            info = GFLOAT_BLOCKS[name]
            ratio = compare(
                lambda spec=spec: spec.quantize(x),
                lambda info=info: [quantize_block(info, block, compute_scale_amax) for block in few],
                rounds,
            )[2]
            whole = f"{x.size / few.size / ratio:.0f}"
        row = [times_faster(spec, GFLOAT[spec.element.name], x, mode, True, rounds) for mode in MODES]
        factors = "".join(f"{each:17.1f}" for each in row)
        print(f"{name:<12}{mine * 1e6 / x.size:12.1f}{whole:>16}{factors}", flush=True)


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a tenth of the numbers and fewer rounds")
    quick = parser.parse_args().quick
    with np.errstate(all="ignore"):
        casts(numbers(1_000_000 if quick else 10_000_000), 3 if quick else 7)
        modes(numbers(1_000_000 if quick else 4_000_000), 2 if quick else 5)
        blocks(numbers(32 * (30_000 if quick else 120_000)), 2 if quick else 5)


if __name__ == "__main__":
    main()
