"""The named endpoints, for ``gradio_client`` and whatever else speaks Gradio's API: what the buttons do, typed."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, TypedDict

import gradio as gr

from explorer.errors import InputError
from explorer.formats.inspection import inspect
from explorer.sessions import Session, Store

MOST_RUNS = 100

CHECK_EVERY = 0.2
"""Seconds between two looks at a check that goes on."""


class Submitted(TypedDict):
    """A run that was taken on."""

    run: str
    joined: bool
    position: int


class Status(TypedDict):
    """How a run stands; ``state`` is one of queued, running, finished, failed, cancelled, interrupted."""

    state: str
    step: int
    steps: int
    message: str


class Listed(TypedDict):
    """One recorded run; ``created`` and ``ended`` are seconds since the epoch."""

    run: str
    state: str
    step: int
    steps: int
    created: float
    ended: float | None
    config: dict[str, Any]


def build(session: Session, store: Store) -> None:
    """Add the endpoints to the Blocks that is being built."""

    def submit_burst(config: dict[str, Any]) -> Submitted:
        """Start a burst.

        Args:
            config: The burst's config, as the documentation of BurstConfig has it; only lanes must be given.

        Returns:
            The run's id, whether it is one that was going already, and how many runs come first.
        """
        taken = _told(session.submit, config)
        return {"run": taken.run, "joined": taken.joined, "position": taken.position}

    def cancel_run(run: str) -> bool:
        """Stop a burst, or take it out of the queue.

        Args:
            run: The run's id.

        Returns:
            Whether there was something to stop.
        """
        return _told(session.cancel, run)

    def run_status(run: str) -> Status:
        """How far a burst is.

        Args:
            run: The run's id.

        Returns:
            Its state, the steps done and to do, and a message where it failed or waits.
        """
        status = _told(session.status, run)
        return {field: status[field] for field in Status.__annotations__}

    def list_runs() -> list[Listed]:
        """The latest recorded bursts, newest first.

        Returns:
            At most 100 of them, each with its config.
        """
        return [
            {
                "run": record.id,
                "state": record.state,
                "step": record.steps_done,
                "steps": record.steps,
                "created": record.created,
                "ended": record.ended,
                "config": record.config,
            }
            for record in store.list(MOST_RUNS)
        ]

    def inspect_value(
        value: str, formats: list[str] | None = None, rounding: str = "nearest-even", overflow: str = "native"
    ) -> list[dict[str, Any]]:
        """Show a number in number formats, to the bit.

        Args:
            value: A decimal (0.1, 1e-5), a power (2^-14), nan, inf, -inf, or 0x… or 0b… for a code of the first format.
            formats: Names such as fp16, bf16, e4m3fn, e2m1; all formats of single numbers where none is given.
            rounding: nearest-even, nearest-away, toward-zero, toward-positive, toward-negative or stochastic.
            overflow: native (what the format's standard does) or saturate.

        Returns:
            For each format its code, hex, bits, fields, kind, value, exact decimal digits, errors, ulp and neighbours.
        """
        return _told(inspect, value, formats or (), rounding, overflow)

    def check_hardware(seconds: float = 20, device: str = "auto") -> dict[str, Any]:
        """Measure what the machine can do in each number format, and learn what to train in on it.

        Args:
            seconds: How long to measure, from 1 to 600; the answer comes when the device was free and this is over.
            device: auto, cpu, or an accelerator such as cuda or cuda:1.

        Returns:
            The result as checks/schema.json describes it: devices, formats, matmul, training, advice and more.
        """
        check = _told(session.check, {"seconds": seconds, "device": device}).run
        while (found := session.checks.get(check))["state"] in ("queued", "running"):
            time.sleep(CHECK_EVERY)
        if found["state"] == "failed":
            raise gr.Error(found["message"])
        return found["result"]

    def plan_memory(
        model: str | None = None,
        config: dict[str, Any] | None = None,
        recipes: list[str] | None = None,
        batch: int | None = None,
        sequence: int | None = None,
        optimizer: str = "adamw",
        gpus: int = 1,
        sharding: str = "none",
        checkpointing: bool = False,
        attention: str = "sdpa",
        device: str = "auto",
    ) -> dict[str, Any]:
        """Count the memory of training a model, recipe by recipe, without loading it.

        Args:
            model: A name such as llama-2-7b or gpt2-tiny, or hub:<id>; left out where a config is given.
            config: The config.json of a Transformers model.
            recipes: Names such as fp32, bf16-amp, fp8-rowwise; all recipes where none is given.
            batch: Sequences or images a GPU takes at a time.
            sequence: Tokens in each sequence.
            optimizer: adamw, adamw-fused, adamw-8bit, sgd, momentum or adafactor.
            gpus: How many GPUs share the work.
            sharding: none, zero1, zero2, zero3 or fsdp.
            checkpointing: Whether each layer is computed again in backward.
            attention: sdpa (fused) or eager.
            device: Whose rules count: auto, cpu or gpu.

        Returns:
            The exact parameter count, and for each recipe the bytes on one GPU by what holds them.
        """
        asked = {"model": model, "config": config, "recipes": recipes, "batch": batch, "sequence": sequence,
                 "optimizer": optimizer, "gpus": gpus, "sharding": sharding, "checkpointing": checkpointing,
                 "attention": attention, "device": device}  # fmt: skip
        return _told(session.planner.plan, asked)

    for function in (submit_burst, cancel_run, run_status, list_runs, inspect_value, check_hardware, plan_memory):
        gr.api(function, api_name=function.__name__)


def _told(function: Callable[..., Any], *given: Any) -> Any:
    """The answer, or the sentence about bad input as Gradio's error, which arrives whole at the client."""
    try:
        return function(*given)
    except InputError as error:
        raise gr.Error(str(error)) from None
