"""Which modules multiply: the layers whose operands a recipe casts and whose output gradients are counted."""

from __future__ import annotations

from torch import nn


def is_product(module: nn.Module) -> bool:
    """Whether the module is a linear layer or a convolution. Transformers' ``Conv1D`` is a linear layer."""
    linear_or_convolution = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d)
    return isinstance(module, linear_or_convolution) or type(module).__name__ == "Conv1D"


def products(model: nn.Module) -> list[tuple[str, nn.Module]]:
    """Names and modules of all layers that multiply, in the order in which the model lists them."""
    return [(name, module) for name, module in model.named_modules() if is_product(module)]
