"""A recipe at work on a device: the contexts a training step runs in, the loss scaler, and what is emulated."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from typing import Any

import torch
from torch import nn

from explorer import devices
from explorer.recipes.catalogue import Recipe

DTYPES: dict[str, torch.dtype] = {"fp32": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16}
"""Names of :mod:`explorer.formats` that torch has a dtype for."""


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

    Attributes
    ----------
    compute : torch.dtype
        Dtype of the operands of matrix products and convolutions.
    scaler : torch.amp.GradScaler
        Passes everything through unchanged where it is not enabled.
    support : str
        ``native``, ``emulated`` or ``missing``: whether this device's own kernels multiply in the compute format.
    """

    def __init__(self, recipe: Recipe, device: torch.device, scaler: dict[str, Any] | None = None) -> None:
        self.recipe, self.device = recipe, device
        self.compute = DTYPES[recipe.compute]
        self.scaler = torch.amp.GradScaler(device.type, **(scaler or {"enabled": False}))
        self._kernels = devices.kernels(device, self.compute)
        self.support = "native" if recipe.compute == "fp32" else devices.measured(device).of(self.compute).how

    def prepare(self, model: nn.Module) -> nn.Module:
        """The model as this recipe stores and multiplies it; changed in place where that is enough."""
        return model

    @contextlib.contextmanager
    def step(self) -> Iterator[None]:
        """Surround a whole training step: the kernels and backend flags that belong to this lane."""
        with _float32_means_float32(self.device), self._kernels:
            yield

    def forward(self) -> contextlib.AbstractContextManager[Any]:
        """Surround the forward pass: autocast where the recipe asks for it."""
        return torch.autocast(self.device.type, dtype=self.compute, enabled=self.recipe.autocast)


@contextlib.contextmanager
def _float32_means_float32(device: torch.device) -> Iterator[None]:
    """Keep CUDA's float32 products in float32 and its half products' sums in float32, and put the flags back.

    By default cuDNN's convolutions may round float32 operands to TF32, and cuBLAS may sum the parts of a split half
    product in half precision (PyTorch's notes on CUDA semantics and on numerical accuracy).
    """
    if device.type != "cuda":
        yield
        return
    matmul, convolution = torch.backends.cuda.matmul, torch.backends.cudnn.conv
    wanted = [
        (matmul, "fp32_precision", "ieee"),
        (convolution, "fp32_precision", "ieee"),
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
