"""TF32 where there are no TF32 kernels: the operands of every product rounded to 10 mantissa bits.

A ``TorchDispatchMode`` sees each product, forward and backward, however a model came to it. Attention is computed from
its matrix products (PyTorch's ``math`` backend), so that they are seen too.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils._python_dispatch import TorchDispatchMode

from explorer import formats
from explorer.recipes.rounding import round_mantissa

aten = torch.ops.aten

MANTISSA_BITS = formats.get("tf32").mantissa_bits

OPERANDS: dict[Any, tuple[int, ...]] = {
    aten.mm.default: (0, 1),
    aten.bmm.default: (0, 1),
    aten.addmm.default: (1, 2),
    aten.baddbmm.default: (1, 2),
    aten.convolution.default: (0, 1),
    aten.convolution_backward.default: (0, 1, 2),
}
"""Which arguments of a product are its operands: not what is added to it (a bias)."""


class TF32Products(TorchDispatchMode):
    """Context in which float32 products take operands of TF32 and add up in float32.

    Enter it around the whole step, forward and backward.
    """

    def __init__(self) -> None:
        super().__init__()
        self._attention: list[Any] = []

    def __enter__(self) -> TF32Products:
        context = sdpa_kernel(SDPBackend.MATH)
        context.__enter__()
        self._attention.append(context)
        return super().__enter__()

    def __exit__(self, *exception: Any) -> None:
        super().__exit__(*exception)
        self._attention.pop().__exit__(*exception)

    def __torch_dispatch__(
        self, func: Callable, types: Sequence[type], args: tuple = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Round the operands of a product; all else passes through."""
        at = OPERANDS.get(func)
        if at is None or args[at[0]].dtype is not torch.float32:
            return func(*args, **(kwargs or {}))
        rounded = [_rounded(arg) if place in at else arg for place, arg in enumerate(args)]
        if func is not aten.convolution_backward.default:
            return func(*rounded, **(kwargs or {}))
        return _convolution_backward(args[0], rounded)


def _convolution_backward(gradient: Tensor, rounded: list[Any]) -> tuple[Tensor | None, ...]:
    """The gradients of input, weight and bias; the bias's is a sum, no product, so nothing of it is rounded."""
    *others, wanted = rounded
    grad_input, grad_weight, _ = aten.convolution_backward(*others, [wanted[0], wanted[1], False])
    grad_bias = gradient.sum((0, *range(2, gradient.dim()))) if wanted[2] else None
    return grad_input, grad_weight, grad_bias


def _rounded(operand: Tensor) -> Tensor:
    return round_mantissa(operand, MANTISSA_BITS)
