"""A GPU's rules on a CPU: what its autocast computes in float32, and what its dropout and fused attention keep.

From PyTorch's ``aten/src/ATen/autocast_mode.h`` (``AT_FORALL_FP32``, ``AT_FORALL_FP32_SET_OPT_DTYPE``), of which
transformers and convolutional networks use these; the documentation of ``torch.amp`` lists them as *CUDA Ops that
autocast to float32*. XPU and MPS follow the same lists for these operations.

A GPU's dropout keeps a mask of one byte an element (``native_dropout``) where the CPU's keeps a float, and its fused
attention draws its dropout from a seed where the CPU's has none and falls back to the matrix of scores.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional
from torch.overrides import TorchFunctionMode

HALVES = (torch.float16, torch.bfloat16)

IN_FLOAT32 = frozenset({
    functional.layer_norm, torch.layer_norm, functional.group_norm, functional.softmax, torch.softmax, Tensor.softmax,
    functional.log_softmax, torch.log_softmax, Tensor.log_softmax, functional.cross_entropy, functional.nll_loss,
    functional.mse_loss, functional.l1_loss, functional.kl_div, functional.softplus,
    functional.binary_cross_entropy_with_logits, torch.rsqrt, Tensor.rsqrt, torch.pow, Tensor.pow, Tensor.__pow__,
    torch.exp, Tensor.exp, torch.log, Tensor.log, torch.sum, Tensor.sum, torch.prod, torch.cumsum, Tensor.cumsum,
    torch.norm, Tensor.norm, torch.reciprocal, Tensor.reciprocal, functional.normalize,
})  # fmt: skip


class GpuRules(TorchFunctionMode):
    """Has a model on the CPU keep for backward what it would keep on a GPU."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Take one call."""
        kwargs = kwargs or {}
        if func in IN_FLOAT32 and torch.is_autocast_enabled("cpu"):
            args = tuple(_up(each) for each in args)
            kwargs = {name: _up(each) for name, each in kwargs.items()}
        if func is functional.dropout:
            return _dropout(*args, **kwargs)
        if func is functional.scaled_dot_product_attention:
            return _attention(*args, **kwargs)
        return func(*args, **kwargs)


def _dropout(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    return torch.native_dropout(input, p, training)[0] if training and p > 0 else input


def _attention(query: Tensor, key: Tensor, value: Tensor, attn_mask: Tensor | None = None, dropout_p: float = 0.0,
               **more: Any) -> Tensor:  # fmt: skip
    return functional.scaled_dot_product_attention(query, key, value, attn_mask, 0.0, **more)


def _up(value: Any) -> Any:
    return value.float() if isinstance(value, Tensor) and value.dtype in HALVES else value
