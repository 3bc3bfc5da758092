"""The bits of one traced scalar: its stored weight, the copy that is computed with, its gradients and its update.

========================  ==========================================================================================
role                      what the code is of
========================  ==========================================================================================
``weight``                the stored weight before the update, in the format the optimizer keeps
``compute``               the cast of that weight that products take; absent where the parameter is never cast
``scaled_gradient``       the gradient times the loss scale, in the compute format, before the cast back to float32
``gradient``              the gradient after unscaling, before clipping, as the optimizer's dtype holds it
``update``                stored weight after the step minus before, exact, then rounded to float32
========================  ==========================================================================================
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from explorer.burst.instrument import Instrument
from explorer.burst.layers import is_product
from explorer.errors import InputError
from explorer.recipes.precision import DTYPES

if TYPE_CHECKING:
    from explorer.burst.config import TraceConfig
    from explorer.burst.lane import Lane

_FORMATS = {dtype: name for name, dtype in DTYPES.items()}
_BITS_AS = {torch.float32: torch.int32, torch.float16: torch.int16, torch.bfloat16: torch.int16}


def code_of(scalar: Tensor) -> int:
    """The bit pattern of a one-element tensor as an unsigned number."""
    bits = scalar.reshape(()).view(_BITS_AS[scalar.dtype]).item()
    return bits & (2 ** (8 * scalar.element_size()) - 1)


def locate(model: nn.Module, trace: TraceConfig, default: str) -> tuple[str, tuple[int, ...]]:
    """Find the traced scalar: the parameter's name and the position in it.

    Raises
    ------
    InputError
        There is no parameter of that name, or the position does not lie in it.
    """
    name = default if trace.parameter == "auto" else trace.parameter
    parameters = dict(model.named_parameters())
    if name not in parameters:
        raise InputError("trace.parameter", name, "a parameter of the model: " + ", ".join(parameters))
    shape = tuple(parameters[name].shape)
    if trace.index is None:
        return name, tuple(size // 2 for size in shape)
    if len(trace.index) != len(shape) or any(at >= size for at, size in zip(trace.index, shape, strict=True)):
        raise InputError("trace.index", trace.index, f"a position in {name}, whose shape is {list(shape)}")
    return name, tuple(trace.index)


class Bits(Instrument):
    """Reads the codes of the traced scalar."""

    name = "bits"

    def __init__(self, lane: Lane, every: int, parameter: str, index: tuple[int, ...]) -> None:
        super().__init__(lane, every)
        self._parameter = lane.model.get_parameter(parameter)
        self._index = index
        users = [
            module for module in lane.model.modules() for own in module.parameters(False) if own is self._parameter
        ]
        cast = any(is_product(module) for module in users)
        only_cast = cast and len(users) == 1
        compute = lane.precision.compute
        stored = self._parameter.dtype
        self._dtypes = {
            "weight": stored,
            **({"compute": compute} if cast else {}),
            "scaled_gradient": compute if only_cast else stored,
            "gradient": stored,
            "update": torch.float32,
        }
        self._codes: dict[str, int] = {}

    def announced(self) -> dict[str, Any]:
        """The format of each role."""
        return {"formats": {role: _FORMATS[dtype] for role, dtype in self._dtypes.items()}}

    def after_backward(self) -> None:
        """Read the weight, its cast and the scaled gradient."""
        weight = self._weight()
        self._before = weight.double().item()
        self._codes = {"weight": code_of(weight)}
        if "compute" in self._dtypes:
            self._codes["compute"] = code_of(weight.to(self._dtypes["compute"]))
        self._codes["scaled_gradient"] = self._gradient_code("scaled_gradient")

    def before_update(self) -> None:
        """Read the unscaled gradient."""
        self._codes["gradient"] = self._gradient_code("gradient")

    def after_update(self) -> None:
        """Read the update: the weight's change, which float64 holds exactly."""
        change = self._weight().double().item() - self._before
        self._codes["update"] = code_of(torch.tensor(change, dtype=torch.float64).float())

    def reading(self) -> list[dict[str, Any]]:
        """One entry a role: ``{"role", "format", "code"}``."""
        return [
            {"role": role, "format": _FORMATS[dtype], "code": self._codes[role]} for role, dtype in self._dtypes.items()
        ]

    def _weight(self) -> Tensor:
        return self._parameter.detach()[self._index]

    def _gradient_code(self, role: str) -> int:
        # The cast from the compute format up to the parameter's dtype is exact, so casting back gives the code that
        # backward computed.
        return code_of(self._parameter.grad[self._index].to(self._dtypes[role]))
