"""The loss on held-out data, as the lane was trained and in plain float32.

A network trained under autocast is often served without it, or the other way round. Both losses are taken of the same
weights on the same batches, which no lane trains on: one in the recipe's own forward pass, one with the weights as
float32 numbers in a model without autocast, casts or converted layers.
"""

from __future__ import annotations

import copy
from collections.abc import Collection, Iterator
from statistics import fmean
from typing import TYPE_CHECKING

import torch
from torch import nn

from explorer.burst.events import number
from explorer.workloads.build import build_batches
from explorer.workloads.build import loss as loss_of

if TYPE_CHECKING:
    from explorer.burst.config import BurstConfig
    from explorer.burst.lane import Lane

BATCHES = 4
"""Held-out batches that a loss is the mean of; the same ones every time, for every lane and seed."""


class Evaluation:
    """The held-out losses of one seed's lanes.

    Parameters
    ----------
    config : BurstConfig
        The burst.
    model : torch.nn.Module
        The model as it was built, float32 and not converted; copied.
    device : torch.device
        Where the lanes train.
    """

    def __init__(self, config: BurstConfig, model: nn.Module, device: torch.device) -> None:
        self._every, self._last = config.eval_every, config.steps - 1
        if self._every is None:
            return
        self._plain = copy.deepcopy(model).to(device).eval()
        batches = build_batches(
            config.data,
            config.batch_size,
            config.sequence_length,
            config.seed,
            config.input_scale,
            text=config.text,
            split="eval",
            model=config.model,
        )
        self._batches = [batches.next(device) for _ in range(BATCHES)]

    def is_due(self, step: int) -> bool:
        """Whether the losses are taken after this step: after the first, every so often, and after the last."""
        return self._every is not None and (step % self._every == 0 or step == self._last)

    def of(self, lane: Lane) -> dict[str, float | str]:
        """``loss`` in float32 and ``autocast_loss`` as the lane trains, both mean cross-entropy in nats."""
        copy_weights(lane.model, self._plain, lane.precision.transposed)
        lane.model.eval()
        with torch.no_grad(), lane.precision.step(), lane.random_state.swapped_in(advance=False):
            plain = self._mean_loss(self._plain)
            with lane.precision.forward():
                as_trained = self._mean_loss(lane.model)
        lane.model.train()
        return {"loss": number(plain), "autocast_loss": number(as_trained)}

    def _mean_loss(self, model: nn.Module) -> float:
        return fmean(loss_of(model, batch).item() for batch in self._batches)


@torch.no_grad()
def copy_weights(trained: nn.Module, plain: nn.Module, transposed: Collection[str] = ()) -> None:
    """Give a model the weights and buffers of one that was converted from its like, rounded to its own dtypes.

    ``transposed`` names the layers whose weight was transposed on the way.
    """
    for name, module in plain.named_modules():
        source = trained.get_submodule(name)
        for own, target in _own_tensors(module):
            value = getattr(source, own)
            target.copy_(value.t() if name in transposed and own == "weight" else value)


def _own_tensors(module: nn.Module) -> Iterator[tuple[str, torch.Tensor]]:
    yield from module.named_parameters(recurse=False)
    yield from module.named_buffers(recurse=False)
