"""A recipe at work on a device: how the model is stored, what a step runs in, the loss scaler and the optimizer."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from typing import Any

import torch
from torch import Tensor, nn

from explorer import devices
from explorer.recipes import native, pure
from explorer.recipes.catalogue import Recipe
from explorer.recipes.convert import Converted, convert
from explorer.recipes.linear import Operands, RoundedLinear
from explorer.recipes.rounding import round_mantissa
from explorer.recipes.stochastic import stochastic
from explorer.recipes.support import HALVES, support_of
from explorer.recipes.tf32 import MANTISSA_BITS, TF32Products

DTYPES: dict[str, torch.dtype] = {"fp32": torch.float32, **HALVES}
"""Names of :mod:`explorer.formats` that torch computes with as they are."""

OPTIMIZERS: dict[str, type[torch.optim.Optimizer]] = {
    "adamw": torch.optim.AdamW,
    "sgd": torch.optim.SGD,
    "adafactor": torch.optim.Adafactor,
}
"""By the names of configs."""


class Precision:
    """What a lane needs from its recipe on its device.

    Parameters
    ----------
    recipe : Recipe
        What is computed in which format.
    device : torch.device
        Where the lane trains.
    scaler : dict or None
        Parameters of ``torch.amp.GradScaler``, ``enabled`` among them; None switches scaling off.
    seed : int
        Seeds the generator of stochastic rounding, which is the lane's own.

    Attributes
    ----------
    compute : torch.dtype
        Dtype of the tensors that products take. In a recipe whose compute format is no such dtype (TF32, FP8, blocks)
        they are float32, and operands hold numbers of that format.
    scaler : torch.amp.GradScaler
        Passes everything through unchanged where it is not enabled.
    support : str
        ``native``, ``emulated`` or ``missing``: whether this device's own kernels multiply in the compute format.
    reason : str
        One sentence that says why.
    """

    def __init__(
        self, recipe: Recipe, device: torch.device, scaler: dict[str, Any] | None = None, seed: int = 0
    ) -> None:
        self.recipe, self.device = recipe, device
        self.compute = DTYPES.get(recipe.compute, torch.float32)
        self.scaler = torch.amp.GradScaler(device.type, **(scaler or {"enabled": False}))
        found = support_of(recipe, device)
        self.support, self.reason = found.how, found.reason
        self._seed = seed
        self._converted = Converted()
        self._kernels = devices.kernels(device, self.compute)
        if recipe.compute == "tf32" and found.how == "emulated":
            self._kernels = TF32Products()
        self._float32_products = "tf32" if recipe.compute == "tf32" and found.how == "native" else "ieee"

    @property
    def converted(self) -> list[str]:
        """Names of the linear layers that round their operands, in the model's order; empty in most recipes."""
        return list(self._converted.layers)

    @property
    def transposed(self) -> frozenset[str]:
        """Which of those keep their weight transposed: Transformers' ``Conv1D`` became a linear layer."""
        return frozenset(self._converted.transposed)

    def describe(self) -> dict[str, Any]:
        """What the run's first event says of a lane: ``support``, ``reason``, ``converted``."""
        return {"support": self.support, "reason": self.reason, "converted": self.converted}

    def prepare(self, model: nn.Module) -> nn.Module:
        """The model as this recipe stores and multiplies it, changed in place.

        Parameters
        ----------
        model : torch.nn.Module
            In float32 on the device.
        """
        if self.recipe.converts:
            self._converted = convert(model, self._converted_layer)
        if self.recipe.weights != "fp32":
            return pure.store_in(model, DTYPES[self.recipe.weights])
        return model

    def optimizer(
        self, kind: str, parameters: Iterable[nn.Parameter], *, lr: float, weight_decay: float, eps: float
    ) -> torch.optim.Optimizer:
        """The optimizer of a lane.

        Parameters
        ----------
        kind : {"adamw", "sgd", "adafactor"}
            AdamW; SGD without momentum; Adafactor, which has its own epsilons and takes none of ours.
        parameters : iterable of torch.nn.Parameter
            As the prepared model has them.
        lr, weight_decay, eps : float
            As ``torch.optim`` takes them.

        Returns
        -------
        torch.optim.Optimizer
            In a stochastic recipe :func:`explorer.recipes.stochastic.stochastic` of it.
        """
        options = {"lr": lr, "weight_decay": weight_decay}
        if kind == "adamw":
            options["eps"] = eps
        chosen = OPTIMIZERS[kind]
        if not self.recipe.stochastic:
            return chosen(parameters, **options)
        generator = torch.Generator(self.device).manual_seed(self._seed)
        return stochastic(chosen)(parameters, generator=generator, **options)

    @contextlib.contextmanager
    def step(self) -> Iterator[None]:
        """Surround a whole training step: the kernels and backend flags that belong to this lane."""
        with _float32_products(self.device, self._float32_products), self._kernels:
            yield

    def forward(self) -> contextlib.AbstractContextManager[Any]:
        """Surround the forward pass: autocast where the recipe asks for it."""
        return torch.autocast(self.device.type, dtype=self.compute, enabled=self.recipe.autocast)

    def held(self, layer: nn.Module, gradient: Tensor) -> tuple[Tensor, str]:
        """The gradient of a layer's output as the operand that the backward products take, and its format.

        Parameters
        ----------
        layer : torch.nn.Module
            A module of the prepared model.
        gradient : torch.Tensor
            Of its output, (…, features).

        Returns
        -------
        tensor, str
            The tensor, of the gradient's shape, and the name of its format in :mod:`explorer.formats`. Under a recipe
            with scales these are the elements before the scale is multiplied back: what the format's window holds.
        """
        if isinstance(layer, RoundedLinear):
            quantizer = layer.operands.backward
            elements = quantizer.split(gradient.detach().reshape(-1, gradient.shape[-1])).elements
            return elements.view(gradient.shape), quantizer.element.name
        if self.recipe.compute == "tf32":
            return round_mantissa(gradient.detach().contiguous(), MANTISSA_BITS), "tf32"
        return gradient, _NAMES[gradient.dtype]

    def _converted_layer(self, linear: nn.Linear) -> nn.Module:
        if self.support == "native":
            return native.layer(self.recipe, linear)
        return RoundedLinear(linear, Operands.of(self.recipe))


_NAMES = {dtype: name for name, dtype in DTYPES.items()}


@contextlib.contextmanager
def _float32_products(device: torch.device, precision: str) -> Iterator[None]:
    """Say what CUDA's float32 products take, keep its half products' sums in float32, and put the flags back.

    By default cuDNN's convolutions may round float32 operands to TF32, and cuBLAS may sum the parts of a split half
    product in half precision (PyTorch's notes on CUDA semantics and on numerical accuracy). ``precision`` is ``ieee``
    or ``tf32``.
    """
    if device.type != "cuda":
        yield
        return
    matmul, convolution = torch.backends.cuda.matmul, torch.backends.cudnn.conv
    wanted = [
        (matmul, "fp32_precision", precision),
        (convolution, "fp32_precision", precision),
        (matmul, "allow_fp16_reduced_precision_reduction", False),
        (matmul, "allow_bf16_reduced_precision_reduction", False),
    ]
    before = [(backend, flag, getattr(backend, flag)) for backend, flag, _ in wanted]
    try:
        _set(wanted)
        yield
    finally:
        _set(before)


def _set(flags: Iterable[tuple[Any, str, Any]]) -> None:
    for backend, flag, value in flags:
        setattr(backend, flag, value)
