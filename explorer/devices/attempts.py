"""Small products tried on a device: whether PyTorch's operation for a format runs there."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from explorer.devices.operands import KERNELS, operands, pool
from explorer.devices.support import Attempt

SHAPE = (128, 128, 128)
LONGEST_DETAIL = 160

TF32_PROBE = 1 + 2.0**-12
"""Rounds to 1 in TF32, which keeps ten bits behind the leading one; float32 holds it exactly."""


def attempts(device: torch.device | str) -> dict[str, Attempt]:
    """By format what became of one small product on the device; formats without an operation are left out."""
    device = torch.device(device)
    tries: dict[str, Callable[[torch.device], str]] = {
        name: (lambda where, name=name: _product(name, where)) for name in KERNELS if name not in ("tf32", "int8")
    }
    tries |= {"e5m2": _e5m2, "mxfp8-e4m3": _mxfp8, "nvfp4": _nvfp4}
    if device.type == "cuda":
        tries["tf32"] = _tf32
    return {name: _attempt(function, device) for name, function in tries.items()}


def _attempt(function: Callable[[torch.device], str], device: torch.device) -> Attempt:
    try:
        detail = function(device)
        if device.type != "cpu":
            torch.accelerator.synchronize(device)
        return Attempt(True, detail)
    # Whatever a backend raises for what it lacks: RuntimeError, TypeError, NotImplementedError, ValueError.
    except Exception as error:
        sentence = " ".join(str(error).split()).split(". ")[0].rstrip(".")
        return Attempt(False, f"{sentence[:LONGEST_DETAIL] or type(error).__name__}.")


def _product(name: str, device: torch.device) -> str:
    kernel = KERNELS[name]
    left, right = operands(kernel, pool(kernel, device), SHAPE)
    with kernel.context(device):
        kernel.multiply(left, right)
    return ""


def _tf32(device: torch.device) -> str:
    """Run a product that tells by its result whether operands were rounded to TF32."""
    left = torch.full(SHAPE[:2], TF32_PROBE, device=device)
    with KERNELS["tf32"].context(device):
        found = (left @ torch.eye(SHAPE[1], device=device))[0, 0].item()
    if found != 1:
        raise RuntimeError(f"with TF32 allowed, 1 + 2^-12 times 1 was {found!r}, so operands were not rounded to TF32")
    return "with TF32 allowed, 1 + 2^-12 times 1 is 1"


def _ones(dtype: torch.dtype, device: torch.device) -> Tensor:
    return torch.ones(SHAPE[:2], device=device).to(dtype)


def _e5m2(device: torch.device) -> str:
    one = torch.ones((), device=device)
    left, right = _ones(torch.float8_e5m2, device), _ones(torch.float8_e4m3fn, device)
    torch._scaled_mm(left, right.t(), scale_a=one, scale_b=one, out_dtype=torch.bfloat16)
    return "a small product with E4M3 ran here"


def _mxfp8(device: torch.device) -> str:
    """Blocks of 32 along k under E8M0 scales of 1; equal scales look the same in cuBLAS's swizzled order."""
    scales = torch.ones(SHAPE[0] * SHAPE[2] // 32, device=device).to(torch.float8_e8m0fnu)
    values = _ones(torch.float8_e4m3fn, device)
    torch._scaled_mm(values, values.t(), scale_a=scales, scale_b=scales, out_dtype=torch.bfloat16)
    return ""


def _nvfp4(device: torch.device) -> str:
    """Blocks of 16 along k under E4M3 scales of 1; two elements a byte."""
    scales = torch.ones(SHAPE[0] * SHAPE[2] // 16, device=device).to(torch.float8_e4m3fn)
    packed = torch.full((SHAPE[0], SHAPE[2] // 2), 0x22, dtype=torch.uint8, device=device).view(torch.float4_e2m1fn_x2)
    torch._scaled_mm(packed, packed.t(), scale_a=scales, scale_b=scales, out_dtype=torch.bfloat16)
    return ""
