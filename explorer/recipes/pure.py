"""Pure half precision: weights, activations, gradients and optimizer state in one 16-bit format."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_map


def store_in(model: nn.Module, dtype: torch.dtype) -> nn.Module:
    """The model with parameters and buffers in a half format, in place.

    Inputs of real numbers are cast to it on the way in, and logits to float32 on the way out, for the loss: so do
    Transformers' losses, and a loss in BF16 would be known to three digits. Their gradient is rounded to the half
    format as it comes back.
    """
    model.to(dtype)

    def cast_inputs(_: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, Any]:
        return tree_map(lambda each: _cast(each, dtype), (args, kwargs))

    model.register_forward_pre_hook(cast_inputs, with_kwargs=True)
    model.register_forward_hook(_logits_in_float32)
    return model


def _logits_in_float32(_: nn.Module, __: Any, output: Any) -> Any:
    if isinstance(output, Tensor):
        return output.float()
    if isinstance(getattr(output, "logits", None), Tensor):
        output.logits = output.logits.float()
    return output


def _cast(each: Any, dtype: torch.dtype) -> Any:
    return each.to(dtype) if isinstance(each, Tensor) and each.is_floating_point() else each
