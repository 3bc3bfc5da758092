"""Whether a device multiplies in a recipe's format itself, and one sentence that says why or why not."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch

from explorer import devices, formats
from explorer.recipes import native
from explorer.recipes.catalogue import Recipe

HALVES: dict[str, torch.dtype] = {"fp16": torch.float16, "bf16": torch.bfloat16}


@dataclass(frozen=True)
class Support:
    """How a device computes a recipe's products.

    Attributes
    ----------
    how : {"native", "emulated", "missing"}
        Whether the device's own kernels multiply in the compute format. Emulated: the same numbers by another way.
    reason : str
        One sentence.
    """

    how: Literal["native", "emulated", "missing"]
    reason: str


def support_of(recipe: Recipe, device: torch.device) -> Support:
    """How the device computes the recipe's products; measures half products when this process first asks."""
    if recipe.compute == "fp32":
        return Support("native", "Every device multiplies in float32.")
    if recipe.compute in HALVES:
        return _half(recipe, device)
    if recipe.compute == "tf32":
        if native.capability(device) >= native.TF32_FROM:
            return Support("native", "This GPU's matrix units take TF32 operands.")
        return Support(
            "emulated",
            "Only NVIDIA GPUs from compute capability 8.0 on take TF32 operands; here they are rounded to 10 mantissa "
            "bits and multiplied in float32.",
        )
    label = formats.get(recipe.compute).label
    obstacle = native.obstacle(recipe, device)
    if obstacle is None:
        return Support("native", f"torchao's kernels multiply in {label} on this GPU.")
    return Support("emulated", f"{obstacle}; operands are rounded to {label} exactly and multiplied in float32.")


def _half(recipe: Recipe, device: torch.device) -> Support:
    found = devices.measured(device).of(HALVES[recipe.compute])
    label = formats.get(recipe.compute).label
    place = "CPU" if device.type == "cpu" else "device"
    if found.how == "missing":
        return Support("missing", f"This {place} does not multiply in {label} at all.")
    measured = ""
    if found.native_gflops and found.emulated_gflops:
        measured = (
            f" (measured: {found.native_gflops:.3g} GFLOP/s on its own kernels, {found.emulated_gflops:.3g} by way of "
            f"float32)"
        )
    if found.how == "native":
        return Support("native", f"This {place}'s own kernels multiply in {label}{measured}.")
    return Support(
        "emulated",
        f"This {place}'s own {label} kernels are slower{measured}, so {label} operands are multiplied in float32 and "
        "the result is rounded once.",
    )
