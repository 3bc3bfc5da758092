"""One lane of a burst: its own weights, optimizer, scaler and random state, and the training step.

:meth:`Lane.train` is the step as PyTorch's Automatic Mixed Precision recipe teaches it: autocast around forward,
scale, backward, unscale, clip, step, update.
"""

from __future__ import annotations

import contextlib
import copy
import time
from dataclasses import dataclass
from statistics import fmean
from typing import TYPE_CHECKING

import torch
from torch import nn

from explorer import recipes
from explorer.burst.faults import Faults
from explorer.burst.schedule import Schedule
from explorer.recipes.precision import Precision
from explorer.workloads.build import loss as loss_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from explorer.burst.config import BurstConfig, LaneConfig
    from explorer.burst.instrument import Instrument
    from explorer.workloads.build import Batch


COLLAPSED_BELOW = 2.0**-14
"""A loss scale below FP16's smallest normal number makes gradients smaller, not larger."""

COLLAPSED_AFTER = 5
"""Steps skipped in a row from which such a scale is taken to have collapsed, not to have been asked for."""


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
    learning_rate: float
    """The learning rate of this step."""
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
    seed : int, optional
        Seeds the lane's own random state; the burst's where it is left out.

    Attributes
    ----------
    initial : torch.nn.Module
        The model as it was given: float32 and not converted.
    collapsed : bool
        Whether every one of the last steps was skipped until the loss scale fell below :data:`COLLAPSED_BELOW`: what
        overflows is not the scale's doing, and no scale will cure it.
    """

    def __init__(
        self, config: BurstConfig, settings: LaneConfig, model: nn.Module, device: torch.device, seed: int | None = None
    ) -> None:
        self.settings, self.device, self.initial = settings, device, model
        self.loss_weight = config.loss_weight
        self.clip_norm = config.lane_setting(settings, "clip_norm")
        self.learning_rate = config.lane_setting(settings, "learning_rate")
        self.schedule = Schedule(config.schedule, config.warmup_steps, config.steps)
        self.faults = Faults(settings.faults)
        scaler = settings.scaler and settings.scaler.model_dump()
        seed = config.seed if seed is None else seed
        self.precision = Precision(recipes.get(settings.recipe), device, scaler, seed)
        self.model = self.precision.prepare(copy.deepcopy(model).to(device))
        self.parameters = list(self.model.parameters())
        self.scaler = self.precision.scaler
        self.optimizer = self.precision.optimizer(
            config.lane_setting(settings, "optimizer"),
            self.parameters,
            lr=self.learning_rate,
            weight_decay=config.lane_setting(settings, "weight_decay"),
            eps=config.lane_setting(settings, "eps"),
        )
        self.collapsed = False
        self._step = self._updates = self._skipped_in_a_row = 0
        self.optimizer.register_step_post_hook(self._count_update)
        self.random_state = RandomState(seed, device)

    def train(self, batch: Batch, instruments: Sequence[Instrument] = (), more: Sequence[Batch] = ()) -> Trained:
        """Take one training step, watched by the instruments.

        Parameters
        ----------
        batch : Batch
            What to learn from.
        instruments : sequence of Instrument
            What looks on.
        more : sequence of Batch
            Further micro-batches whose gradients are summed into the same update (gradient accumulation). The loss is
            the mean over all micro-batches.
        """
        optimizer, scaler, faults = self.optimizer, self.scaler, self.faults
        scale, updates = self._scale(), self._updates
        learning_rate = self._set_learning_rate()
        faults.begin(self._step)
        weight = faults.of_gradient_scale(self.loss_weight) / (1 + len(more))
        losses = []

        with self.random_state.swapped_in(), contextlib.ExitStack() as watched:
            started = time.perf_counter()
            watched.enter_context(self.precision.step())
            for instrument in instruments:
                watched.enter_context(instrument.watching())

            optimizer.zero_grad()
            for micro_batch in (batch, *more):
                with self.precision.forward(), faults.in_forward(self.model):
                    loss = faults.of_loss(loss_of(self.model, micro_batch))
                losses.append(loss.detach())
                for instrument in instruments:
                    instrument.after_forward()
                scaler.scale(loss * weight).backward()
            faults.after_backward(self.parameters)
            for instrument in instruments:
                instrument.after_backward()

            if faults.clips_before_unscaling:
                self._clip(self.clip_norm)
            scaler.unscale_(optimizer)
            for instrument in instruments:
                instrument.before_update()

            grad_norm = self._clip(None if faults.clips_before_unscaling else self.clip_norm)
            scaler.step(optimizer)
            # The scaler does not go on without an update; one that is told the scale it has keeps it.
            scaler.update(scale if faults.keeps_the_scale else None)

            if self.device.type != "cpu":
                torch.accelerator.synchronize(self.device)
            elapsed = time.perf_counter() - started

        for instrument in instruments:
            instrument.after_update()
        trained = Trained(
            loss=fmean(loss.item() for loss in losses),
            scale=scale,
            next_scale=self._scale(),
            skipped=self._updates == updates,
            grad_norm=grad_norm.item(),
            learning_rate=learning_rate,
            step_ms=elapsed * 1e3,
        )
        self._step += 1
        self._note_collapse(trained)
        return trained

    def _clip(self, norm: float | None) -> torch.Tensor:
        """Clip all gradients together to that 2-norm; None leaves them. Returns the norm that they had."""
        if norm is None:
            return nn.utils.get_total_norm([p.grad for p in self.parameters if p.grad is not None])
        return nn.utils.clip_grad_norm_(self.parameters, norm)

    def _set_learning_rate(self) -> float:
        if not self.schedule.varies:
            return self.learning_rate
        learning_rate = self.learning_rate * self.schedule.share(self._step)
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate
        return learning_rate

    def _note_collapse(self, trained: Trained) -> None:
        self._skipped_in_a_row = self._skipped_in_a_row + 1 if trained.skipped else 0
        if self._skipped_in_a_row >= COLLAPSED_AFTER and trained.next_scale is not None:
            self.collapsed = trained.next_scale < COLLAPSED_BELOW

    def _scale(self) -> float | None:
        return self.scaler.get_scale() if self.scaler.is_enabled() else None

    def _count_update(self, *_: object) -> None:
        # The scaler does not call the optimizer at all in a step that it skips.
        self._updates += 1


class RandomState:
    """The random state of one lane, so that no lane disturbs another: PyTorch's on the CPU and on the lane's GPU.

    Parameters
    ----------
    seed : int
        Where it starts.
    device : torch.device
        Where the lane trains.
    """

    def __init__(self, seed: int, device: torch.device) -> None:
        module = None if device.type == "cpu" else torch.get_device_module(device)
        # One generator a device is what CUDA and XPU have.
        self._gpu = module if hasattr(module, "default_generators") else None
        self._device = device
        devices = ["cpu"] if self._gpu is None else ["cpu", device]
        self._states = [torch.Generator(each).manual_seed(seed).get_state() for each in devices]

    @contextlib.contextmanager
    def swapped_in(self, advance: bool = True) -> Iterator[None]:
        """Have PyTorch draw from this state, and go on from there the next time, or from here again."""
        outside = self._read()
        self._write(self._states)
        try:
            yield
        finally:
            if advance:
                self._states = self._read()
            self._write(outside)

    def _read(self) -> list[torch.Tensor]:
        gpu = [] if self._gpu is None else [self._gpu.get_rng_state(self._device)]
        return [torch.get_rng_state(), *gpu]

    def _write(self, states: list[torch.Tensor]) -> None:
        torch.set_rng_state(states[0])
        if self._gpu is not None:
            self._gpu.set_rng_state(states[1], self._device)
