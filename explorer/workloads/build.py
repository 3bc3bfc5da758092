"""From a config to what a burst trains: the model with its initial weights, the batches, and the loss.

Equal seeds give equal weights and equal batches on every device: both are drawn on the CPU.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from explorer.workloads.catalogue import DATASETS, get_model

Batch = tuple[Tensor, Tensor]
"""Inputs and targets."""


def build_model(name: str, seed: int, weight_gain: float = 1.0) -> nn.Module:
    """Make a model with the initial weights of that seed, in float32 on the CPU, in training mode.

    Parameters
    ----------
    name : str
        A name of :data:`explorer.workloads.MODELS`.
    seed : int
        Seeds the initial weights.
    weight_gain : float
        Multiplies every parameter of two or more dimensions: matrices and kernels, not biases or norms.

    Raises
    ------
    InputError
        There is no such model.
    """
    module, _, function = get_model(name).builder.partition(":")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = getattr(importlib.import_module(module), function)()
    if weight_gain != 1:
        with torch.no_grad():
            for parameter in model.parameters():
                if parameter.dim() >= 2:
                    parameter.mul_(weight_gain)
    return model.train()


@dataclass
class Batches:
    """An endless supply of batches, the same for equal seeds."""

    draw: Callable[[int, int, torch.Generator], Batch]
    batch_size: int
    sequence_length: int
    input_scale: float
    generator: torch.Generator

    def next(self, device: torch.device) -> Batch:
        """The next batch, on the device."""
        inputs, targets = self.draw(self.batch_size, self.sequence_length, self.generator)
        if self.input_scale != 1:
            inputs = inputs * self.input_scale
        return inputs.to(device, non_blocking=True), targets.to(device, non_blocking=True)


def build_batches(data: str, batch_size: int, sequence_length: int, seed: int, input_scale: float = 1.0) -> Batches:
    """Open the data set of that name (:data:`explorer.workloads.DATASETS`) for drawing batches.

    ``input_scale`` multiplies inputs that are real numbers; tokens take 1 only.
    """
    module = importlib.import_module(DATASETS[data].module)
    generator = torch.Generator().manual_seed(seed)
    return Batches(module.batches, batch_size, sequence_length, input_scale, generator)


def loss(model: nn.Module, batch: Batch) -> Tensor:
    """Mean cross-entropy of the model's predictions in nats, a scalar.

    Works for models that return logits (batch, classes) or Transformers' outputs with ``logits`` (batch, …, classes).
    """
    inputs, targets = batch
    output = model(inputs)
    logits = getattr(output, "logits", output)
    return functional.cross_entropy(logits.flatten(0, -2), targets.flatten())
