"""Updates computed in float32, and weights stored in BF16 by stochastic rounding.

A weight between two BF16 numbers goes to the upper one with the probability of its distance from the lower, so that
what is stored is right on average and an update smaller than half a unit is not lost (Gupta et al. 2015, arXiv
1502.02551, section 3; for BF16 weights Zamirai et al. 2021, arXiv 2010.06192, section 3).
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn

CUT = 16
"""Bits of float32 that BF16 does without."""


def round_stochastically(numbers: Tensor, generator: torch.Generator) -> Tensor:
    """Round float32 to BF16, up or down by chance.

    Parameters
    ----------
    numbers : torch.Tensor
        float32. Infinities and NaN stay; what is stored in BF16 already stays too.
    generator : torch.Generator
        On the numbers' device; one draw of 16 bits an element.

    Returns
    -------
    torch.Tensor
        bfloat16. The expected value is the number, but for carries over the largest BF16 number, which are infinite.
    """
    draws = torch.randint(1 << CUT, numbers.shape, generator=generator, device=numbers.device, dtype=torch.int32)
    # Below the cut, the bits carry with a probability of their share of a unit; floats are sign and magnitude.
    bits = draws.add_(numbers.view(torch.int32)).bitwise_and_(-1 << CUT)
    return torch.where(numbers.isnan(), numbers, bits.view(torch.float32)).bfloat16()


@functools.cache
def stochastic(kind: type[torch.optim.Optimizer]) -> type[torch.optim.Optimizer]:
    """An optimizer of PyTorch's whose BF16 weights are rounded stochastically.

    In each step and for one parameter at a time, weight and gradient are taken to float32, the optimizer makes its
    step there, and the new weight is rounded and stored. What the optimizer keeps (moments) stays in float32: BF16
    could not hold a second moment that moves by a thousandth of itself a step. No float32 weight outlives the step.

    Parameters
    ----------
    kind : type of torch.optim.Optimizer
        One whose step takes no closure's help.

    Returns
    -------
    type of torch.optim.Optimizer
        A subclass, which takes a further keyword: ``generator``, on the parameters' device.
    """

    class Stochastic(kind):
        def __init__(self, parameters: Iterable[nn.Parameter], *, generator: torch.Generator, **options: Any) -> None:
            super().__init__(parameters, **options)
            self._generator = generator

        @torch.no_grad()
        def step(self, closure: Callable[[], Any] | None = None) -> Any:
            """Update every parameter that has a gradient."""
            loss = None
            if closure is not None:
                with torch.enable_grad():
                    loss = closure()
            groups = self.param_groups
            try:
                for group in groups:
                    for parameter in group["params"]:
                        if parameter.grad is not None:
                            self.param_groups = [group | {"params": [parameter]}]
                            self._update(parameter)
            finally:
                self.param_groups = groups
            return loss

        def _update(self, parameter: nn.Parameter) -> None:
            stored, gradient = parameter.data, parameter.grad
            parameter.grad = None
            try:
                parameter.data = stored.float()
                parameter.grad = gradient.float()
                # The bare step: the hooks around it are for the whole of ours.
                inspect.unwrap(kind.step)(self)
                stored.copy_(round_stochastically(parameter.data, self._generator))
            finally:
                parameter.grad = None
                parameter.data, parameter.grad = stored, gradient

    Stochastic.__name__ = f"Stochastic{kind.__name__}"
    return Stochastic
