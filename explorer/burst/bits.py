"""The bits of one traced scalar: its stored weight, the copy that is computed with, its gradients and its update.

========================  ==========================================================================================
role                      what the code is of
========================  ==========================================================================================
``weight``                the stored weight before the update, in the format the optimizer keeps
``compute``               the cast of that weight that products take; absent where the parameter is never cast
``scaled_gradient``       the gradient times the loss scale, as the backward product gave it: in the compute format
                          under autocast, before the cast back; float32 where products add up to that (FP8, blocks)
``gradient``              the gradient after unscaling, before clipping, as the optimizer's dtype holds it
``update``                stored weight after the step minus before, exact, then rounded to float32
========================  ==========================================================================================

Where the layer rounds its operands under scales, the entry of ``compute`` holds an *element* and what it is multiplied
by: ``scale_code`` of ``scale_format``, ``tensor_scale`` (a number, in formats that have one), and ``amax``, the largest
magnitude among those that share the scale (a block, a row or the tensor, along which the forward product sums).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from explorer import formats
from explorer.burst.events import number
from explorer.burst.instrument import Instrument
from explorer.burst.layers import is_product
from explorer.errors import InputError
from explorer.recipes.linear import RoundedLinear
from explorer.recipes.precision import DTYPES
from explorer.recipes.quantize import Quantizer, Split

if TYPE_CHECKING:
    from explorer.burst.config import TraceConfig
    from explorer.burst.lane import Lane

ROLES = ("weight", "compute", "scaled_gradient", "gradient", "update")
"""In the order of a step."""

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
        precision, compute = lane.precision, lane.precision.compute
        self._parameter = lane.model.get_parameter(parameter)
        owner = parameter.rpartition(".")[0]
        self._index = index[::-1] if owner in precision.transposed else index
        stored = self._parameter.dtype
        users = [
            module for module in lane.model.modules() for own in module.parameters(False) if own is self._parameter
        ]
        cast = any(is_product(module) for module in users)
        self._quantizer = _quantizer_of(lane.model.get_submodule(owner), self._parameter)
        self._rounded = cast and compute is torch.float32 and precision.recipe.compute == "tf32"
        self._dtypes = {
            "weight": stored,
            "scaled_gradient": compute if cast and len(users) == 1 else stored,
            "gradient": stored,
            "update": torch.float32,
        }
        self._formats = {role: _FORMATS[dtype] for role, dtype in self._dtypes.items()}
        if self._quantizer is not None:
            self._formats["compute"] = self._quantizer.element.name
        elif cast:
            self._formats["compute"] = "tf32" if self._rounded else _FORMATS[compute]
        self._read: dict[str, dict[str, Any]] = {}

    def announced(self) -> dict[str, Any]:
        """The format of each role; of ``compute``, where it has scales, the element's."""
        return {"formats": {role: self._formats[role] for role in ROLES if role in self._formats}}

    def after_backward(self) -> None:
        """Read the weight, its cast and the scaled gradient."""
        weight = self._weight()
        self._before = weight.double().item()
        self._read = {"weight": {"code": code_of(weight)}}
        if "compute" in self._formats:
            self._read["compute"] = self._cast(weight)
        self._read["scaled_gradient"] = self._gradient("scaled_gradient")

    def before_update(self) -> None:
        """Read the unscaled gradient."""
        self._read["gradient"] = self._gradient("gradient")

    def after_update(self) -> None:
        """Read the update: the weight's change, which float64 holds exactly."""
        change = self._weight().double().item() - self._before
        self._read["update"] = {"code": code_of(torch.tensor(change, dtype=torch.float64).float())}

    def reading(self) -> list[dict[str, Any]]:
        """One entry a role: ``{"role", "format", "code"}``, and the scale's where there is one."""
        return [
            {"role": role, "format": self._formats[role], **self._read[role]} for role in ROLES if role in self._formats
        ]

    def _weight(self) -> Tensor:
        return self._parameter.detach()[self._index]

    def _cast(self, weight: Tensor) -> dict[str, Any]:
        format_name = self._formats["compute"]
        if self._quantizer is not None:
            return _scaled(self._quantizer.split(self._parameter.detach()), self._quantizer, self._index)
        if self._rounded:
            return {"code": formats.get(format_name).encode(weight.item())}
        return {"code": code_of(weight.to(DTYPES[format_name]))}

    def _gradient(self, role: str) -> dict[str, Any]:
        # The cast from the compute format up to the parameter's dtype is exact, so casting back gives the code that
        # backward computed.
        return {"code": code_of(self._parameter.grad[self._index].to(self._dtypes[role]))}


def _quantizer_of(layer: nn.Module, parameter: nn.Parameter) -> Quantizer | None:
    """What rounds a weight on its way into products; None where the layer does not or the parameter is its bias."""
    if isinstance(layer, RoundedLinear) and parameter is layer.weight:
        return layer.operands.forward
    return None


def _scaled(split: Split, quantizer: Quantizer, index: tuple[int, ...]) -> dict[str, Any]:
    """The code of one element, and of what scales it."""
    entry: dict[str, Any] = {"code": quantizer.element.encode(split.elements[index].item(), overflow="saturate")}
    if quantizer.scaling == "none":
        return entry
    scale = quantizer.scale_format
    entry |= {
        "scale_code": formats.get(scale).encode(split.scale[index].item()),
        "scale_format": scale,
        "amax": number(split.amax[index].item()),
    }
    return entry if split.tensor_scale is None else entry | {"tensor_scale": split.tensor_scale}
