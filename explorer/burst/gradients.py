"""Shares of the activation gradients that the compute format cannot hold well, layer by layer, and histograms.

Counted are the gradients of the outputs of linear layers and convolutions, as the compute format holds them: under
autocast multiplied by the loss scale, the quantity of figure 3 in Micikevicius et al. 2018 (arXiv 1710.03740); in a
layer that rounds its operands (FP8, blocks) the elements of the rounded operand. Which of the zeros are *lost* is found
by a second, float32 backward pass at the same weights and on the same batch, on every :data:`SHADOW_EVERY`-th step: a
ReLU makes zeros that no format could avoid.
"""

from __future__ import annotations

import contextlib
import copy
import functools
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from explorer import formats
from explorer.burst.evaluation import copy_weights
from explorer.burst.instrument import Instrument, unseen
from explorer.burst.layers import is_product, products
from explorer.burst.magnitudes import Magnitudes, histogram, tally
from explorer.recipes.precision import DTYPES
from explorer.workloads.build import loss as loss_of

if TYPE_CHECKING:
    from explorer.burst.lane import Lane
    from explorer.workloads.build import Batch

SHADOW_EVERY = 50
"""Steps from one float32 backward pass to the next; each costs about one float32 step."""

FORMATS = {dtype: formats.get(name) for name, dtype in DTYPES.items()}


class Gradients(Instrument):
    """Shares of activation gradients, in the format that products are computed in.

    ``zero_fraction``, ``subnormal_fraction`` and ``nonfinite_fraction`` are shares of all elements; ``lost_fraction``
    is the share that is zero here among those that are not zero in float32 (null on steps without a float32 pass, 0
    where products are computed in float32). ``histogram`` is ``{"low": e, "counts": [...]}``: how many elements have
    floor(log2|g|) equal to e, e + 1, …, and ``format`` names the format whose window they are to be held against. In a
    recipe that converts layers these tell of the converted ones.

    ``layers`` has the first three shares of each layer, in the order in which backward came by, and
    ``first_nonfinite`` names the first of them that had something not finite; null where none had.
    ``weights_histogram`` counts the gradients of those layers' own weights and biases (not of weights that are tied to
    another layer, an embedding say) before unscaling, in the dtype that products have.
    """

    name = "gradients"

    def __init__(self, lane: Lane, every: int) -> None:
        super().__init__(lane, every)
        self._exact = lane.precision.recipe.compute == "fp32"
        self._weights = weights_of_products(lane.model)

    def prepare(self, batch: Batch, step: int) -> None:
        """On some steps find out which gradients are not zero in float32."""
        self._counts: dict[tuple[str, str], Tensor] = {}
        self._weight_counts: Tensor | None = None
        self._lost = self._present = 0
        self._alive: dict[str, Tensor] = {}
        self._shadowed = not self._exact and step % SHADOW_EVERY == 0
        if self._shadowed:
            self._alive = self._nonzero_in_float32(batch)

    @contextlib.contextmanager
    def watching(self) -> Iterator[None]:
        """Count every output's gradient as backward brings it."""
        with _on_outputs(self.lane.model, self._hook):
            yield

    def after_backward(self) -> None:
        """Count the weights' gradients, still scaled."""
        dtype = self.lane.precision.compute
        with unseen():
            # The cast up from the compute dtype was exact, so the cast back gives what backward computed.
            gradients = [p.grad.reshape(-1) for p in self._weights if p.grad is not None]
            self._weight_counts = tally(torch.cat(gradients).to(dtype)) if gradients else None

    def reading(self) -> dict[str, Any]:
        """The shares and the histograms."""
        layers: dict[str, Magnitudes] = {}
        held: dict[str, str] = {}
        for (name, format_name), counts in self._counts.items():
            held[name] = format_name
            layers[name] = layers.get(name, Magnitudes()) + Magnitudes.of(counts, formats.get(format_name))
        counted = [name for name in layers if name in self.lane.precision.converted] or list(layers)
        whole = sum((layers[name] for name in counted), Magnitudes())
        zero, subnormal, nonfinite = whole.shares()
        weights = Magnitudes()
        if self._weight_counts is not None:
            weights = Magnitudes.of(self._weight_counts, FORMATS[self.lane.precision.compute])
        return {
            "format": held[counted[0]] if counted else None,
            "zero_fraction": zero,
            "subnormal_fraction": subnormal,
            "nonfinite_fraction": nonfinite,
            "lost_fraction": self._lost_fraction(),
            "histogram": histogram(whole.exponents),
            "layers": {name: each.shares() for name, each in layers.items()},
            "first_nonfinite": next((name for name, each in layers.items() if each.nonfinite), None),
            "weights_histogram": histogram(weights.exponents),
        }

    def _lost_fraction(self) -> float | None:
        if self._exact:
            return 0.0
        return self._lost / self._present if self._shadowed and self._present else None

    def _hook(self, name: str, layer: nn.Module, output: Tensor) -> None:
        output.register_hook(functools.partial(self._count, name, layer))

    def _count(self, name: str, layer: nn.Module, gradient: Tensor) -> None:
        with unseen():
            held, format_name = self.lane.precision.held(layer, gradient)
            counts = tally(held)
            key = name, format_name
            self._counts[key] = self._counts[key] + counts if key in self._counts else counts
            if name in self._alive:
                alive = self._alive.pop(name)
                self._present += int(alive.count_nonzero())
                self._lost += int((alive & (held == 0)).count_nonzero())

    def _nonzero_in_float32(self, batch: Batch) -> dict[str, Tensor]:
        outputs: dict[str, Tensor] = {}

        def keep(name: str, layer: nn.Module, output: Tensor) -> None:
            outputs[name] = output

        model = self._in_float32()
        with _on_outputs(model, keep):
            loss = loss_of(model, batch) * self.lane.loss_weight
        gradients = torch.autograd.grad(loss, list(outputs.values()))
        return {name: gradient != 0 for name, gradient in zip(outputs, gradients, strict=True)}

    def _in_float32(self) -> nn.Module:
        """The lane's model as it is where nothing but autocast makes it compute in another format, else a copy."""
        recipe = self.lane.precision.recipe
        if recipe.weights == "fp32" and not self.lane.precision.converted:
            return self.lane.model
        plain = copy.deepcopy(self.lane.initial).to(self.lane.device)
        copy_weights(self.lane.model, plain, self.lane.precision.transposed)
        return plain


def weights_of_products(model: nn.Module) -> list[nn.Parameter]:
    """Parameters of the layers that multiply, without those that another kind of module uses too."""
    users: dict[nn.Parameter, list[nn.Module]] = {}
    for module in model.modules():
        for parameter in module.parameters(recurse=False):
            users.setdefault(parameter, []).append(module)
    return [parameter for parameter, modules in users.items() if all(map(is_product, modules))]


@contextlib.contextmanager
def _on_outputs(model: nn.Module, see: Callable[[str, nn.Module, Tensor], None]) -> Iterator[None]:
    """Have ``see`` called with name, layer and output of each layer that multiplies, as forward comes by."""

    def hook(name: str, layer: nn.Module, args: Any, output: Tensor) -> None:
        if output.requires_grad:
            see(name, layer, output)

    hooks = [layer.register_forward_hook(functools.partial(hook, name)) for name, layer in products(model)]
    try:
        yield
    finally:
        for handle in hooks:
            handle.remove()
