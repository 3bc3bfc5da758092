"""The step loop: a config becomes a stream of events."""

from __future__ import annotations

import platform
from collections.abc import Iterator

import torch

import explorer
from explorer import devices
from explorer.burst.bits import locate
from explorer.burst.config import BurstConfig
from explorer.burst.diagnosis import Diagnosis, is_due
from explorer.burst.events import Event, Stamp, number
from explorer.burst.runner import Runner, World
from explorer.burst.seeds import Spread
from explorer.workloads import build


def run_burst(config: BurstConfig, run: str = "burst") -> Iterator[Event]:
    """Train every lane of the config, in turn and step by step, and yield what happens.

    A pure generator: it keeps nothing and writes nothing; to stop between steps, stop asking for events.

    Parameters
    ----------
    config : BurstConfig
        What to do.
    run : str
        The run's id, repeated in every event.

    Yields
    ------
    Event
        See :mod:`explorer.burst.events`. The last one is ``run_finished``, or ``run_failed`` of the kind
        ``out-of-memory``.

    Raises
    ------
    InputError
        Before the first event: the device is not there, or the traced scalar is not in the model.
    """
    stamp = Stamp(run)
    device = devices.resolve(config.device)
    try:
        yield from _train(config, device, stamp)
    except torch.OutOfMemoryError:
        yield stamp("run_failed", kind="out-of-memory", message=_out_of_memory(config, device))
    except RuntimeError as error:
        # The CPU allocator has no exception type of its own.
        if "DefaultCPUAllocator" not in str(error):
            raise
        yield stamp("run_failed", kind="out-of-memory", message=_out_of_memory(config, device))


def _train(config: BurstConfig, device: torch.device, stamp: Stamp) -> Iterator[Event]:
    worlds = [World(config, index, device) for index in range(config.seeds)]
    lanes = [[Runner(config, index, world) for world in worlds] for index in range(len(config.lanes))]
    model = worlds[0].model
    parameter, index = locate(model, config.trace, build.traced_parameter(config.model, model))
    for first, *_ in lanes:
        first.watch(parameter, index)
    diagnosis = Diagnosis(config)
    finished: set[int] = set()

    yield stamp(
        "run_started",
        config=config.as_json(),
        device=devices.describe(device),
        versions=versions(),
        trace={"parameter": parameter, "index": list(index), "shape": list(model.get_parameter(parameter).shape)},
        lanes=[first.announced() for first, *_ in lanes],
    )

    for step in range(config.steps):
        for world in worlds:
            world.draw()
        for index_of_lane, runners in enumerate(lanes):
            for runner in runners:
                if not runner.lane.collapsed:
                    yield from runner.step(step, stamp, diagnosis)
            if index_of_lane in finished:
                continue
            if all(runner.lane.collapsed for runner in runners):
                finished.add(index_of_lane)
                yield from _finish(index_of_lane, runners, diagnosis, stamp)
            elif is_due(step) and step < config.steps - 1:
                yield from _say(index_of_lane, diagnosis.speak(index_of_lane), stamp)
        if len(finished) == len(lanes):
            break

    for index_of_lane, runners in enumerate(lanes):
        if index_of_lane not in finished:
            yield from _finish(index_of_lane, runners, diagnosis, stamp)
    yield stamp("run_finished", seconds=stamp.elapsed())


def _say(lane: int, said: Iterator[tuple[str, str]], stamp: Stamp) -> Iterator[Event]:
    for code, sentence in said:
        yield stamp("diagnosis", lane=lane, code=code, sentence=sentence)


def _finish(lane: int, runners: list[Runner], diagnosis: Diagnosis, stamp: Stamp) -> Iterator[Event]:
    """What is to be said at the end of a lane, and the event that ends it. Counts and seconds are sums over seeds."""
    yield from _say(lane, diagnosis.conclude(lane), stamp)
    seen = diagnosis.lanes[lane]
    loss = Spread.of([each.recent_loss for each in seen])
    over_seeds = {"loss_deviation": number(loss.deviation), "seeds": loss.count} if loss.count > 1 else {}
    yield stamp(
        "lane_finished",
        lane=lane,
        **_reason(runners),
        steps=sum(len(each.losses) for each in seen),
        loss=number(loss.mean),
        **over_seeds,
        skipped=sum(len(each.skipped) for each in seen),
        seconds=round(sum(each.seconds for each in seen), 6),
    )


def _reason(runners: list[Runner]) -> dict[str, str]:
    collapsed = sum(runner.lane.collapsed for runner in runners)
    if not collapsed:
        return {"reason": "done"}
    why = "every step was skipped until the loss scale fell below 2^-14: what overflows is not the scale's doing"
    if collapsed == len(runners):
        return {"reason": "scale-collapsed", "message": f"Ended early: {why}."}
    return {"reason": "done", "message": f"{collapsed} of {len(runners)} seeds ended early: {why}."}


def versions() -> dict[str, str]:
    """What the figures of a run were made with."""
    return {"explorer": explorer.__version__, "torch": torch.__version__, "python": platform.python_version()}


def _out_of_memory(config: BurstConfig, device: torch.device) -> str:
    return (
        f"The memory of {device} did not hold {len(config.lanes)} lanes of {config.model} with batches of "
        f"{config.batch_size}. Take a smaller batch, fewer lanes or a smaller model."
    )
