"""The session: one warm worker process, the queue before it, and the fate of every run that is given to it.

One thread, :class:`Supervisor`'s, owns the worker and all that happens to runs; other threads leave messages in its
inbox. So an event, a cancel, a time limit and a dying worker are dealt with one after the other, and each run gets
exactly one ending.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, replace
from typing import Any

import explorer
from explorer.burst.config import BurstConfig, parse_config
from explorer.errors import InputError
from explorer.hardware.options import CheckOptions, parse_options
from explorer.planner.desk import Desk
from explorer.sessions.checks import Checks
from explorer.sessions.deaths import memory_now
from explorer.sessions.process import WorkerCommand
from explorer.sessions.store import Store
from explorer.sessions.stream import Hub
from explorer.sessions.supervisor import Supervisor


@dataclass(frozen=True, slots=True)
class Limits:
    """What one run may take, and how many may wait: the operator's to choose."""

    max_steps: int = 10_000
    max_seconds: float = 600.0
    max_waiting: int = 20


@dataclass(frozen=True, slots=True)
class Submitted:
    """A run that was taken on: its id, whether it is one that was going already, and how many runs are before it."""

    run: str
    joined: bool = False
    position: int = 0


class Session:
    """Runs bursts one after the other in a worker process. :meth:`close` it before its store.

    Parameters
    ----------
    store : Store
        Where runs are recorded. Runs that a dead process has left there are marked as interrupted.
    device : str
        What ``"auto"`` in a config stands for: ``"auto"`` (the accelerator, if there is one) or a device's name.
    limits : Limits
        What a run may take.
    autostart : bool
        Whether the worker is started now, in the background; else :meth:`restart` starts it.
    command : WorkerCommand, optional
        How the worker is started.
    """

    def __init__(
        self,
        store: Store,
        device: str = "auto",
        limits: Limits = Limits(),
        autostart: bool = True,
        command: WorkerCommand | None = None,
    ) -> None:
        self.store, self.device, self.limits = store, device, limits
        self.hub = Hub(store)
        self.checks = Checks(store.folder)
        self.planner = Desk()
        self._started = time.time()
        self._submitting = threading.Lock()
        store.mark_interrupted()
        self._supervisor = Supervisor(store, self.hub, command or WorkerCommand(device), limits.max_seconds)
        if autostart:
            self._supervisor.start()

    def submit(self, config: BurstConfig | dict[str, Any] | str) -> Submitted:
        """Take on a run.

        Raises
        ------
        InputError
            The config is not accepted, asks for more than this server allows or has, or the queue is full.
        """
        config = parse_config(config)
        self._check(config)
        with self._submitting:
            self._check_queue()
            run = self.store.create(config)
            position = self._supervisor.enqueue(self.hub.open(run), self._settings(config))
        return Submitted(run, position=position)

    def check(self, options: CheckOptions | dict[str, Any] | None = None) -> Submitted:
        """Take on a hardware check, which waits for the device like a run; one like it that is going is joined.

        Raises
        ------
        InputError
            The options are not accepted, the device is not here, or the queue is full.
        """
        options = parse_options(options)
        self._check_device(options.device)
        if options.device == "auto":
            options = replace(options, device=self.device)
        with self._submitting:
            if (going := self.checks.going(options)) is not None:
                return Submitted(going.run, joined=True)
            self._check_queue()
            live = self.checks.create(options)
            position = self._supervisor.enqueue(live, options.as_json())
        return Submitted(live.run, position=position)

    def stop_check(self, check: str) -> bool:
        """Stop a check, or take it out of the queue; False where it is over. What it has measured is kept."""
        return self._supervisor.stop_run(check, "cancelled", "Stopped.")

    def _settings(self, config: BurstConfig) -> dict[str, Any]:
        """The config as the worker gets it: the operator's device stands for auto."""
        settings = config.as_json()
        if config.device == "auto":
            settings["device"] = self.device
        return settings

    def _check(self, config: BurstConfig) -> None:
        passes = config.steps * config.seeds * config.accumulation_steps
        if passes > self.limits.max_steps:
            several = " (times seeds and accumulation_steps)" if passes > config.steps else ""
            raise InputError("steps", passes, f"at most {self.limits.max_steps:,} on this server{several}")
        self._check_device(config.device)

    def _check_device(self, device: str) -> None:
        """Refuse a device that is not here, and anything while there is no worker."""
        facts = self._supervisor.facts
        if facts is not None and device != "auto":
            there = ["auto", *facts["devices"]]
            if device not in there and f"{device}:0" not in there:
                raise InputError("device", device, f"{', '.join(there[:-1])} or {there[-1]} (what there is here)")
        if self._supervisor.state == "down":
            raise InputError("worker", "down", "a worker", sentence=self._supervisor.down_sentence())

    def _check_queue(self) -> None:
        waiting = self._supervisor.lineup.waiting()
        if len(waiting) >= self.limits.max_waiting:
            raise InputError(
                "queue", len(waiting), f"at most {self.limits.max_waiting}",
                sentence=f"The queue is full: {len(waiting)} runs are waiting. Try again when some have ended.",
            )  # fmt: skip

    def cancel(self, run: str) -> bool:
        """Stop a run, or take it out of the queue; False where it has ended already or runs in another process.

        Takes effect between two steps, or within a second by replacing the worker.
        """
        self._record(run)
        return self._supervisor.stop_run(run, "cancelled", "Cancelled.")

    def status(self, run: str) -> dict[str, Any]:
        """``state step steps position message`` of any recorded run; ``position`` counts the runs before it."""
        record = self._record(run)
        waiting = self._supervisor.lineup.waiting()
        position, state, message = 0, record.state, record.message
        if run in waiting:
            position = waiting.index(run) + self._supervisor.lineup.is_running()
            message = _waiting_sentence(position, self._supervisor.state)
        elif (unrecorded := self._supervisor.lineup.unrecorded.get(run)) and not record.over:
            state, message = "failed", unrecorded
        return {"state": state, "step": record.steps_done, "steps": record.steps, "position": position,
                "message": message}  # fmt: skip

    def _record(self, run: str) -> Any:
        record = self.store.get(run)
        if record is None:
            raise InputError("run", run, "the id of a recorded run")
        return record

    def health(self) -> dict[str, Any]:
        """What ``/healthz`` says: ``status worker version queued``."""
        supervisor = self._supervisor
        return {"status": "ok", "worker": supervisor.state, "version": explorer.__version__,
                "queued": len(supervisor.lineup.waiting())}  # fmt: skip

    def details(self) -> dict[str, Any]:
        """What the header shows.

        ``worker`` (as in :meth:`health`), ``reason`` (why it is down, else empty), ``device`` (as
        :func:`explorer.devices.describe` gives it; None until the worker is ready), ``devices`` (names, likewise),
        ``recipes`` (for each ``how`` and ``reason``, likewise),
        ``torch`` (its version with the build), ``native`` (which of ``fp16 bf16`` the device multiplies natively),
        ``memory_total`` and ``memory_free`` (bytes of main memory, now), ``pid``, ``uptime`` (seconds of the
        session), ``restarts`` (of the worker) and ``queued``.
        """
        supervisor, memory = self._supervisor, memory_now()
        facts = supervisor.facts or {}
        halves = (facts.get("device") or {}).get("half", {})
        return {
            "worker": supervisor.state,
            "reason": supervisor.reason,
            "device": facts.get("device"),
            "devices": facts.get("devices"),
            "recipes": facts.get("recipes"),
            "torch": facts.get("torch"),
            "native": [name for name, support in halves.items() if support["how"] == "native"],
            "memory_total": memory.total,
            "memory_free": memory.free,
            "pid": supervisor.pid,
            "uptime": round(time.time() - self._started, 1),
            "restarts": supervisor.restarts,
            "queued": len(supervisor.lineup.waiting()),
        }

    def restart(self) -> None:
        """Replace the worker by a new one; a run in it ends as cancelled, and those in the queue go on."""
        self._supervisor.restart()

    def close(self) -> None:
        """End the worker, all streams, and what has not run to its end: that is recorded as interrupted."""
        self._supervisor.close()
        self.planner.close()
        self.hub.close()


def _waiting_sentence(position: int, worker: str) -> str:
    if position:
        return f"Waiting: {position} {'run is' if position == 1 else 'runs are'} before it."
    return "Waiting for the worker to start." if worker == "starting" else "About to start."
