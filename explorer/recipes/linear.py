"""A linear layer whose three products round their operands, and add up in float32.

For an input x (t, k), a weight W (n, k) and an output gradient g (t, n), with r(·) for rounding along what a product
sums over::

    y  = r(x) r(W)ᵀ + b        sums over k
    gₓ = r(g) r(W)             sums over n
    g_W = r(g)ᵀ r(x)           sums over t
    g_b = Σₜ g                 not rounded

Gradients pass straight through the rounding (Bengio et al. 2013, arXiv 1308.3432, section 4), as in every recipe of
FP8 and MX training. Products of rounded operands are float32 products: a tensor core sums in float32 as well.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.autograd.function import FunctionCtx, once_differentiable

from explorer.recipes.catalogue import Recipe
from explorer.recipes.quantize import Quantizer


@dataclass(frozen=True)
class Operands:
    """How the operands of a layer's products are rounded: inputs and weights ``forward``, gradients ``backward``.

    Inputs and weights are rounded by ``forward`` in the backward products too.
    """

    forward: Quantizer
    backward: Quantizer

    @classmethod
    def of(cls, recipe: Recipe) -> Operands:
        """What the recipe says."""
        return cls(Quantizer(recipe.compute, recipe.scaling), Quantizer(recipe.gradient_operand, recipe.scaling))


class RoundedLinear(nn.Linear):
    """A linear layer that rounds its operands; it shares the parameters of the layer that it replaces."""

    def __init__(self, layer: nn.Linear, operands: Operands) -> None:
        nn.Module.__init__(self)
        self.in_features, self.out_features = layer.in_features, layer.out_features
        self.weight, self.bias = layer.weight, layer.bias
        self.operands = operands
        self.train(layer.training)

    def forward(self, input: Tensor) -> Tensor:
        """Inputs of shape (…, in_features) to outputs of shape (…, out_features), float32 both."""
        out = RoundedProducts.apply(input, self.weight, self.operands)
        return out if self.bias is None else out + self.bias

    def extra_repr(self) -> str:
        """Shapes and formats."""
        formats = f"forward={self.operands.forward.format}, backward={self.operands.backward.format}"
        return f"{super().extra_repr()}, {formats}"


class RoundedProducts(torch.autograd.Function):
    """``x @ weight.T`` and its gradients, operands rounded."""

    @staticmethod
    def forward(ctx: FunctionCtx, x: Tensor, weight: Tensor, operands: Operands) -> Tensor:
        """The output, shape (…, n); ``x`` is (…, k) and ``weight`` (n, k)."""
        rows = x.reshape(-1, x.shape[-1])
        rounded = operands.forward(rows)
        # Rounded along another dimension it is another matrix; rounded as a whole it need not be rounded again.
        ctx.save_for_backward(rows if operands.forward.along_rows else rounded, weight)
        ctx.operands, ctx.shape = operands, x.shape
        return (rounded @ operands.forward(weight).T).view(*x.shape[:-1], weight.shape[0])

    @staticmethod
    @once_differentiable
    def backward(ctx: FunctionCtx, gradient: Tensor) -> tuple[Tensor | None, ...]:
        """Gradients of ``x`` and ``weight``."""
        rows, weight = ctx.saved_tensors
        forward, backward = ctx.operands.forward, ctx.operands.backward
        given = gradient.reshape(-1, weight.shape[0])
        grad_x = grad_weight = rounded = None
        if ctx.needs_input_grad[0]:
            rounded = backward(given)
            grad_x = (rounded @ forward(weight, 0)).view(ctx.shape)
        if ctx.needs_input_grad[1]:
            if backward.along_rows or rounded is None:
                rounded = backward(given, 0)
            grad_weight = rounded.T @ (forward(rows, 0) if forward.along_rows else rows)
        return grad_x, grad_weight, None
