"""One lane of a burst: its own weights, optimizer, scaler and random state, and the training step.

:meth:`Lane.train` is the step as PyTorch's Automatic Mixed Precision recipe teaches it: autocast around forward,
scale, backward, unscale, clip, step, update.
"""

from __future__ import annotations

import contextlib
import copy
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import nn

from explorer import recipes
from explorer.recipes.precision import Precision
from explorer.workloads.build import loss as loss_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from explorer.burst.config import BurstConfig, LaneConfig
    from explorer.burst.instrument import Instrument
    from explorer.workloads.build import Batch


@dataclass(slots=True)
class Trained:
    """What one step came to."""

    loss: float
    """Mean cross-entropy of the batch, in nats, before the update; not weighted."""
    scale: float | None
    """The loss scale used in this step; None in a lane without scaler."""
    next_scale: float | None
    """The loss scale after the step."""
    skipped: bool
    """Whether the scaler found a gradient that was not finite and left the weights as they were."""
    grad_norm: float
    """2-norm of all gradients after unscaling and before clipping."""
    step_ms: float
    """Milliseconds from the start of forward to the end of the update, instruments included."""


class Lane:
    """A model in training under one recipe.

    Parameters
    ----------
    config : BurstConfig
        The burst.
    settings : LaneConfig
        What this lane does in it.
    model : torch.nn.Module
        Initial weights; copied.
    device : torch.device
        Where to train.
    """

    def __init__(self, config: BurstConfig, settings: LaneConfig, model: nn.Module, device: torch.device) -> None:
        self.settings, self.device = settings, device
        self.loss_weight = config.loss_weight
        self.clip_norm = config.lane_setting(settings, "clip_norm")
        scaler = settings.scaler and settings.scaler.model_dump()
        self.precision = Precision(recipes.get(settings.recipe), device, scaler)
        self.model = self.precision.prepare(copy.deepcopy(model).to(device))
        self.parameters = list(self.model.parameters())
        self.scaler = self.precision.scaler
        self.optimizer = _optimizer(config, settings, self.parameters)
        self._updates = 0
        self.optimizer.register_step_post_hook(self._count_update)
        self._random_state = torch.Generator().manual_seed(config.seed).get_state()

    def train(self, batch: Batch, instruments: Sequence[Instrument] = ()) -> Trained:
        """Take one training step on the batch, watched by the instruments."""
        optimizer, scaler = self.optimizer, self.scaler
        scale = self._scale()
        updates = self._updates

        with self._own_random_state(), contextlib.ExitStack() as watched:
            started = time.perf_counter()
            watched.enter_context(self.precision.step())
            for instrument in instruments:
                watched.enter_context(instrument.watching())

            optimizer.zero_grad()
            with self.precision.forward():
                loss = loss_of(self.model, batch)
            for instrument in instruments:
                instrument.after_forward()

            scaler.scale(loss * self.loss_weight).backward()
            for instrument in instruments:
                instrument.after_backward()

            scaler.unscale_(optimizer)
            for instrument in instruments:
                instrument.before_update()

            if self.clip_norm is None:
                grad_norm = nn.utils.get_total_norm([p.grad for p in self.parameters if p.grad is not None])
            else:
                grad_norm = nn.utils.clip_grad_norm_(self.parameters, self.clip_norm)
            scaler.step(optimizer)
            scaler.update()

            if self.device.type != "cpu":
                torch.accelerator.synchronize(self.device)
            elapsed = time.perf_counter() - started

        for instrument in instruments:
            instrument.after_update()
        return Trained(
            loss=loss.item(),
            scale=scale,
            next_scale=self._scale(),
            skipped=self._updates == updates,
            grad_norm=grad_norm.item(),
            step_ms=elapsed * 1e3,
        )

    def _scale(self) -> float | None:
        return self.scaler.get_scale() if self.scaler.is_enabled() else None

    def _count_update(self, *_: object) -> None:
        # The scaler does not call the optimizer at all in a step that it skips.
        self._updates += 1

    @contextlib.contextmanager
    def _own_random_state(self) -> Iterator[None]:
        outside = torch.get_rng_state()
        torch.set_rng_state(self._random_state)
        try:
            yield
        finally:
            self._random_state = torch.get_rng_state()
            torch.set_rng_state(outside)


def _optimizer(config: BurstConfig, settings: LaneConfig, parameters: list[nn.Parameter]) -> torch.optim.Optimizer:
    lr, weight_decay = (config.lane_setting(settings, field) for field in ("learning_rate", "weight_decay"))
    if config.lane_setting(settings, "optimizer") == "sgd":
        return torch.optim.SGD(parameters, lr=lr, weight_decay=weight_decay)
    eps = config.lane_setting(settings, "eps")
    return torch.optim.AdamW(parameters, lr=lr, weight_decay=weight_decay, eps=eps)
