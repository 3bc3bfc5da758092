"""The step loop: a config becomes a stream of events."""

from __future__ import annotations

import platform
from collections.abc import Iterator
from statistics import fmean
from typing import Any

import torch

import explorer
from explorer import devices, workloads
from explorer.burst.bits import locate
from explorer.burst.config import BurstConfig
from explorer.burst.diagnosis import Diagnosis
from explorer.burst.events import Event, Stamp, number
from explorer.burst.instruments import instruments_of, is_sampled
from explorer.burst.lane import Lane, Trained
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
    initial = build.build_model(config.model, config.seed, config.weight_gain)
    batches = build.build_batches(
        config.data, config.batch_size, config.sequence_length, config.seed, config.input_scale
    )
    parameter, index = locate(initial, config.trace, workloads.get_model(config.model).traced)
    lanes = [Lane(config, settings, initial, device) for settings in config.lanes]
    instruments = [instruments_of(lane, config.steps, parameter, index) for lane in lanes]
    diagnosis = Diagnosis(config)

    yield stamp(
        "run_started",
        config=config.as_json(),
        device=devices.describe(device),
        versions=versions(),
        trace={"parameter": parameter, "index": list(index), "shape": list(initial.get_parameter(parameter).shape)},
        lanes=[
            {
                "name": lane.settings.name,
                "recipe": lane.settings.recipe,
                "support": lane.precision.support,
                "parameters": sum(p.numel() for p in lane.parameters),
                "scaled": lane.scaler.is_enabled(),
                **{key: value for instrument in watching for key, value in instrument.announced().items()},
            }
            for lane, watching in zip(lanes, instruments, strict=True)
        ],
    )

    for step in range(config.steps):
        batch = batches.next(device)
        for index_of_lane, lane in enumerate(lanes):
            sampled = [each for each in instruments[index_of_lane] if is_sampled(each, step, config.steps)]
            for instrument in sampled:
                instrument.prepare(batch, step)
            trained = lane.train(batch, sampled)
            readings = {instrument.name: instrument.reading() for instrument in sampled}
            yield stamp("step", lane=index_of_lane, step=step, **_fields(trained, config.batch_size), **readings)
            for code, sentence in diagnosis.learn(index_of_lane, step, trained, readings):
                yield stamp("diagnosis", lane=index_of_lane, code=code, sentence=sentence)

    for index_of_lane in range(len(lanes)):
        for code, sentence in diagnosis.conclude(index_of_lane):
            yield stamp("diagnosis", lane=index_of_lane, code=code, sentence=sentence)
        seen = diagnosis.lanes[index_of_lane]
        yield stamp(
            "lane_finished",
            lane=index_of_lane,
            reason="done",
            steps=config.steps,
            loss=number(fmean(seen.losses[-5:])),
            skipped=len(seen.skipped),
            seconds=round(seen.seconds, 6),
        )
    yield stamp("run_finished", seconds=stamp.elapsed())


def _fields(trained: Trained, batch_size: int) -> dict[str, Any]:
    """The fields that every ``step`` event has."""
    return {
        "loss": number(trained.loss),
        "scale": number(trained.scale),
        "skipped": trained.skipped,
        "grad_norm": number(trained.grad_norm),
        "step_ms": round(trained.step_ms, 4),
        "samples_per_s": round(batch_size / trained.step_ms * 1e3, 2),
    }


def versions() -> dict[str, str]:
    """What the figures of a run were made with."""
    return {"explorer": explorer.__version__, "torch": torch.__version__, "python": platform.python_version()}


def _out_of_memory(config: BurstConfig, device: torch.device) -> str:
    return (
        f"The memory of {device} did not hold {len(config.lanes)} lanes of {config.model} with batches of "
        f"{config.batch_size}. Take a smaller batch, fewer lanes or a smaller model."
    )
