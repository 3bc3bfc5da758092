"""One matrix product in each format, as PyTorch offers it: what is tried and what is timed."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from explorer.devices.tf32 import IEEE, TF32, float32_products

POOL = 1 << 20
"""Random numbers that operands are filled with, again and again: drawing all of them would take longer than a product.
Zeros would not do: a GPU draws less power on them and clocks higher (Horace He 2024, "Strangely, matrix
multiplications on GPUs run faster when given predictable data")."""


@dataclass(frozen=True, slots=True)
class Kernel:
    """How a format's product is made.

    Attributes
    ----------
    dtype : torch.dtype
        Of the operands.
    multiply : callable
        Takes (m, k) and (k, n) and returns (m, n); ``n`` by column for FP8, as cuBLAS wants it.
    precision : str or None
        What float32 products are on CUDA meanwhile.
    by_columns : bool
        Whether the right operand lies column by column.
    accumulate : str
        What is known of the accumulation and the output, for people.
    """

    dtype: torch.dtype
    multiply: Callable[[Tensor, Tensor], Tensor]
    precision: str | None = None
    by_columns: bool = False
    accumulate: str = ""

    def context(self, device: torch.device) -> contextlib.AbstractContextManager[None]:
        """To be held around the products."""
        if device.type != "cuda" or self.precision is None:
            return contextlib.nullcontext()
        return float32_products(self.precision)


def _scaled(a: Tensor, b: Tensor) -> Tensor:
    one = torch.ones((), device=a.device)
    # Fast accumulation is what torchao's tensorwise recipe takes in forward; gradients are accumulated in full.
    fast = a.device.type == "cuda"
    return torch._scaled_mm(a, b, scale_a=one, scale_b=one, out_dtype=torch.bfloat16, use_fast_accum=fast)


def _plain(dtype: torch.dtype, precision: str | None = None) -> Kernel:
    accumulate = "operands and output in the format, float32 accumulation in the kernel"
    return Kernel(dtype, torch.mm, precision, accumulate=accumulate)


KERNELS: dict[str, Kernel] = {
    "fp64": _plain(torch.float64),
    "fp32": _plain(torch.float32, IEEE),
    "tf32": Kernel(torch.float32, torch.mm, TF32, accumulate="float32 operands rounded to TF32, float32 output"),
    "fp16": _plain(torch.float16),
    "bf16": _plain(torch.bfloat16),
    "e4m3fn": Kernel(torch.float8_e4m3fn, _scaled, by_columns=True, accumulate="bf16 output, fast accumulation"),
    "e4m3fnuz": Kernel(torch.float8_e4m3fnuz, _scaled, by_columns=True, accumulate="bf16 output"),
    "int8": Kernel(torch.int8, torch._int_mm, by_columns=True, accumulate="int32 output"),
}
"""By format; ``int8`` is no floating-point format and stands here for comparison."""


def pool(kernel: Kernel, device: torch.device) -> Tensor:
    """Random values of a kernel's dtype, shape (:data:`POOL`,), on the device."""
    generator = torch.Generator().manual_seed(0)
    if kernel.dtype == torch.int8:
        return torch.randint(-128, 128, (POOL,), generator=generator, dtype=torch.int8).to(device)
    return torch.randn(POOL, generator=generator).to(device).to(kernel.dtype)


def operands(kernel: Kernel, values: Tensor, shape: tuple[int, int, int]) -> tuple[Tensor, Tensor]:
    """Operands of a product (m, n, k) filled from ``values``: (m, k), and (k, n)."""
    m, n, k = shape
    left = _filled(values, m * k).view(m, k)
    right = _filled(values, k * n)
    return left, (right.view(n, k).t() if kernel.by_columns else right.view(k, n))


def _filled(values: Tensor, count: int) -> Tensor:
    # As bytes where the dtype is one that not every backend can copy in pieces.
    raw = values.view(torch.uint8) if values.element_size() == 1 else values
    whole = torch.empty(count, dtype=raw.dtype, device=values.device)
    for start in range(0, count, POOL):
        piece = whole[start : start + POOL]
        piece.copy_(raw[: len(piece)])
    return whole.view(values.dtype)
