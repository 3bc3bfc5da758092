"""What vendors print about their GPUs, beside what was measured here. Needs no torch.

The table is ``data/datasheet.json``: dense figures with float32 accumulation, each with its source. Vendors like to
print twice as much: the rate with 2:4 structured sparsity, in which two of every four weights must be zero (NVIDIA
Ampere architecture whitepaper, 2020). Dense training never reaches it.
"""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

TABLE = Path(__file__).parent / "data/datasheet.json"

SPARSE_FACTOR = 2
"""What 2:4 sparsity multiplies the printed rate by."""

SPARSE_FORMATS = ("tf32", "fp16", "bf16", "fp8", "int8", "fp4", "fp6")
SPARSE_SINCE = (8, 0)
SPARSE_AMD = ("gfx942", "gfx950")

PRINTED_AS = {
    "e4m3fn": "fp8", "e5m2": "fp8", "e4m3fnuz": "fp8", "e5m2fnuz": "fp8", "mxfp8-e4m3": "fp8", "mxfp8-e5m2": "fp8",
    "nvfp4": "fp4", "mxfp4": "fp4", "mxfp6-e3m2": "fp6", "mxfp6-e2m3": "fp6",
}  # fmt: skip
"""Formats of this project by the name that a datasheet gives their rate."""


@dataclass(frozen=True, slots=True)
class Sheet:
    """One GPU as its vendor describes it.

    Attributes
    ----------
    name, vendor, compute_capability : str
        The latter is ``9.0`` or ``gfx942``.
    memory_gb, bandwidth_gb_s : float
        10⁹ bytes, and 10⁹ bytes a second.
    dense_tflops : mapping
        10¹² operations a second by format, dense, with float32 accumulation.
    source : str
        Where the figures are from.
    dies : int
        How many devices PyTorch sees of one card; the figures above are the card's.
    """

    name: str
    vendor: str
    compute_capability: str
    memory_gb: float
    bandwidth_gb_s: float
    dense_tflops: Mapping[str, float]
    source: str
    dies: int = 1

    def peak(self, name: str) -> float | None:
        """One device's dense rate in a format of this project, 10¹² operations a second; None where it is not known."""
        dense = self.dense_tflops.get(PRINTED_AS.get(name, name))
        return None if dense is None else dense / self.dies

    def sparse(self, name: str) -> float | None:
        """What the vendor prints with 2:4 sparsity; None where the GPU or the format has none."""
        printed, dense = PRINTED_AS.get(name, name), self.peak(name)
        capable = self.compute_capability in SPARSE_AMD or (
            self.vendor == "nvidia" and _numbers(self.compute_capability) >= SPARSE_SINCE
        )
        return None if dense is None or not capable or printed not in SPARSE_FORMATS else SPARSE_FACTOR * dense


def _numbers(capability: str) -> tuple[int, ...]:
    return tuple(int(part) for part in capability.split(".") if part.isdigit())


@functools.cache
def sheets() -> tuple[Sheet, ...]:
    """All GPUs of the table."""
    return tuple(Sheet(**entry) for entry in _table()["gpus"])


@functools.cache
def achieved() -> tuple[Mapping[str, Any], ...]:
    """What others reached: ``name format achieved_tflops share shape`` and ``source``."""
    found = _table()["achieved"]
    return tuple(row | {"source": found["source"]} for row in found["rows"])


def _table() -> dict[str, Any]:
    return json.loads(TABLE.read_text(encoding="utf-8"))


def find(name: str) -> Sheet | None:
    """The sheet of a device by the name that its driver gives it; None where it is not in the table.

    Every word of a sheet's name must be in the device's (``NVIDIA A100-SXM4-80GB`` is an ``A100 SXM 80GB``), and no
    word that makes it another card (``Ti``, ``SUPER``, ``Laptop``, ``D``, a slice of a GPU).

    Examples
    --------
    >>> find("NVIDIA H100 80GB HBM3").name
    'H100 SXM'
    >>> find("NVIDIA GeForce RTX 3090 Ti") is None
    True
    """
    words = _words(name)
    if words & {"mig", "laptop", "mobile", "max-q", "nvl", "super"}:
        return None
    fitting = [sheet for sheet in sheets() if _fits(_words(sheet.name), words)]
    return max(fitting, key=lambda sheet: len(_words(sheet.name)), default=None)


def _words(name: str) -> set[str]:
    words = re.split(r"[\s\-_/]+", name.lower())
    # "SXM4" is a SXM; a H100, H200, B200 that says nothing of its board and has HBM is the SXM one.
    found = {re.sub(r"^(sxm)\d$", r"\1", word) for word in words if word}
    if {"h100", "h200", "b200", "b300"} & found and "pcie" not in found:
        found.add("sxm")
    return found


def _fits(sheet: set[str], device: set[str]) -> bool:
    optional = {"80gb", "sxm2"} if "v100" in device else set()
    return sheet - optional <= device and ("ti" in sheet) == ("ti" in device)


def against(
    matmul: Sequence[Mapping[str, Any]], name: str, bandwidth_gb_s: float | None = None
) -> dict[str, Any] | None:
    """What was measured on a device beside its datasheet.

    Parameters
    ----------
    matmul : sequence of mapping
        With ``format`` and ``gflops``, of one device.
    name : str
        The device's name.
    bandwidth_gb_s : float, optional
        Measured bandwidth in 10⁹ bytes a second.

    Returns
    -------
    dict or None
        ``name source memory_gb bandwidth_gb_s bandwidth_share`` and ``formats``: a list of ``format measured_tflops
        peak_tflops share sparse_tflops sentence``; None where the device is not in the table.
    """
    sheet = find(name)
    if sheet is None:
        return None
    rows = []
    for entry in matmul:
        peak = sheet.peak(entry["format"])
        if peak is None:
            continue
        measured = entry["gflops"] / 1e3
        sparse = sheet.sparse(entry["format"])
        rows.append({
            "format": entry["format"],
            "measured_tflops": round(measured, 3),
            "peak_tflops": peak,
            "share": round(measured / peak, 4),
            "sparse_tflops": sparse,
            "sentence": _sentence(measured, peak, sparse),
        })  # fmt: skip
    share = None if bandwidth_gb_s is None else round(bandwidth_gb_s * sheet.dies / sheet.bandwidth_gb_s, 4)
    return {"name": sheet.name, "source": sheet.source, "memory_gb": sheet.memory_gb,
            "bandwidth_gb_s": sheet.bandwidth_gb_s, "bandwidth_share": share, "formats": rows}  # fmt: skip


def _sentence(measured: float, peak: float, sparse: float | None) -> str:
    said = f"{measured:.4g} of {peak:g} TFLOP/s, {measured / peak:.0%} of the dense peak."
    if sparse is None:
        return said
    return (
        f"{said} The {sparse:.4g} that is often printed counts zeros: it needs two of every four weights to be zero "
        f"(2:4 sparsity), and would make this {measured / sparse:.0%}."
    )
