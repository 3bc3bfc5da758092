"""One seed's world, and one lane at work in it: what the step loop goes round.

A :class:`World` is what all lanes of one seed see: the same initial weights, the same batches in the same order, the
same held-out data. A :class:`Runner` is a lane in that world with its instruments; its steps become events.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from explorer.burst.evaluation import Evaluation
from explorer.burst.events import Event, Stamp, number
from explorer.burst.instruments import instruments_of, is_sampled
from explorer.burst.lane import Lane, Trained
from explorer.workloads import build

if TYPE_CHECKING:
    import torch

    from explorer.burst.config import BurstConfig
    from explorer.burst.diagnosis import Diagnosis
    from explorer.burst.instrument import Instrument


class World:
    """What every lane of one seed sees.

    Parameters
    ----------
    config : BurstConfig
        The burst.
    index : int
        Which of the burst's seeds it is, from 0.
    device : torch.device
        Where the lanes train.
    """

    def __init__(self, config: BurstConfig, index: int, device: torch.device) -> None:
        self.index, self.seed, self.device = index, config.seed + index, device
        self.model = build.build_model(config.model, self.seed, config.weight_gain)
        self.evaluation = Evaluation(config, self.model, device)
        self._batches = build.build_batches(
            config.data,
            config.batch_size,
            config.sequence_length,
            self.seed,
            config.input_scale,
            text=config.text,
            model=config.model,
        )
        self._accumulated = config.accumulation_steps

    def draw(self) -> None:
        """Draw the micro-batches of the next step."""
        self.batch, *self.more = [self._batches.next(self.device) for _ in range(self._accumulated)]


class Runner:
    """One lane in one world.

    Parameters
    ----------
    config : BurstConfig
        The burst.
    index : int
        The lane's index in it.
    world : World
        Where the lane trains.
    """

    def __init__(self, config: BurstConfig, index: int, world: World) -> None:
        self.config, self.index, self.world = config, index, world
        self.lane = Lane(config, config.lanes[index], world.model, world.device, world.seed)
        self.instruments: tuple[Instrument, ...] = ()

    def watch(self, parameter: str, index: tuple[int, ...]) -> None:
        """Have the lane watched by the instruments; the scalar is the one whose bits are traced."""
        self.instruments = instruments_of(self.lane, self.config.steps, parameter, index)

    def announced(self) -> dict[str, Any]:
        """The lane's entry in the run's first event."""
        lane = self.lane
        entry = {
            "name": lane.settings.name,
            "recipe": lane.settings.recipe,
            **lane.precision.describe(),
            "parameters": sum(p.numel() for p in lane.parameters),
            "scaled": lane.scaler.is_enabled(),
        }
        for instrument in self.instruments:
            entry.update(instrument.announced())
        return entry

    def step(self, step: int, stamp: Stamp, diagnosis: Diagnosis) -> Iterator[Event]:
        """Take one step: its ``step`` event, and the events of instruments that have one of their own."""
        sampled = [each for each in self.instruments if is_sampled(each, step, self.config.steps)]
        for instrument in sampled:
            instrument.prepare(self.world.batch, step)
        trained = self.lane.train(self.world.batch, sampled, self.world.more)
        readings = {each.name: each.reading() for each in sampled if each.event is None}
        if self.world.evaluation.is_due(step):
            readings["eval"] = self.world.evaluation.of(self.lane)
        yield stamp("step", lane=self.index, step=step, **self._fields(trained), **readings)
        for instrument in sampled:
            if instrument.event is not None:
                yield stamp(instrument.event, lane=self.index, **instrument.reading())
        diagnosis.learn(self.index, step, trained, readings, self.world.index)

    def _fields(self, trained: Trained) -> dict[str, Any]:
        """The fields that every ``step`` event has, and those that only some bursts need."""
        samples = self.config.batch_size * self.config.accumulation_steps
        return {
            **({"seed": self.world.index} if self.config.seeds > 1 else {}),
            "loss": number(trained.loss),
            "scale": number(trained.scale),
            "skipped": trained.skipped,
            "grad_norm": number(trained.grad_norm),
            **({"learning_rate": trained.learning_rate} if self.lane.schedule.varies else {}),
            "step_ms": round(trained.step_ms, 4),
            "samples_per_s": round(samples / trained.step_ms * 1e3, 2),
        }
