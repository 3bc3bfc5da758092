"""Which linear layers a recipe replaces, and the replacing.

All linear layers but the head, the one that gives the logits: it is left in high precision by every FP8 and MX recipe
(NVIDIA 2025, arXiv 2509.25149, section 3; torchao's ``module_filter_fn`` examples).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import nn


@dataclass
class Converted:
    """What became of a model's layers."""

    layers: list[str] = field(default_factory=list)
    """Names of the linear layers that were replaced, in the model's order."""
    transposed: set[str] = field(default_factory=set)
    """Which of them were Transformers' ``Conv1D`` before: their weight is the transpose of what it was."""


def is_conv1d(module: nn.Module) -> bool:
    """Whether it is Transformers' ``Conv1D``, a linear layer that keeps its weight as (inputs, outputs)."""
    return type(module).__name__ == "Conv1D" and not isinstance(module, nn.Conv1d)


def head_of(model: nn.Module) -> nn.Module | None:
    """The layer that gives the logits: what the model itself says, or else its last linear layer."""
    outputs = getattr(model, "get_output_embeddings", lambda: None)()
    if outputs is not None:
        return outputs
    linear = [module for module in model.modules() if isinstance(module, nn.Linear) or is_conv1d(module)]
    return linear[-1] if linear else None


def as_linear(layer: nn.Module) -> nn.Linear:
    """A ``Conv1D`` as a linear layer of the same function, with the same parameters, the weight transposed.

    The weight is (outputs, inputs) and contiguous; a linear layer comes back as it is.
    """
    if isinstance(layer, nn.Linear):
        return layer
    inputs, outputs = layer.weight.shape
    # Made where nothing is drawn: a linear layer would begin with random weights.
    linear = nn.Linear(inputs, outputs, device="meta")
    linear.weight = nn.Parameter(layer.weight.detach().t().contiguous(), layer.weight.requires_grad)
    linear.bias = layer.bias
    return linear.train(layer.training)


def convert(model: nn.Module, replace: Callable[[nn.Linear], nn.Module]) -> Converted:
    """Put ``replace(layer)`` in the place of every linear layer but the head, in place.

    A layer whose weight another module uses too (tied to an embedding, say) stays: it would not stay tied.
    """
    converted = Converted()
    head = head_of(model)
    uses = _uses(model)
    done: dict[nn.Module, nn.Module] = {}
    # A module may stand in several places; each place is visited.
    for name, layer in list(model.named_modules(remove_duplicate=False)):
        if layer is head or not (isinstance(layer, nn.Linear) or is_conv1d(layer)) or uses[layer.weight] > 1:
            continue
        if layer not in done:
            done[layer] = replace(as_linear(layer))
            converted.layers.append(name)
            if is_conv1d(layer):
                converted.transposed.add(name)
        model.set_submodule(name, done[layer])
    return converted


def _uses(model: nn.Module) -> dict[torch.Tensor, int]:
    """How many modules hold each parameter as their own."""
    uses: dict[torch.Tensor, int] = {}
    for module in model.modules():
        for parameter in module.parameters(recurse=False):
            uses[parameter] = uses.get(parameter, 0) + 1
    return uses
