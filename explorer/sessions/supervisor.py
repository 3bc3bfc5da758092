"""The thread that owns the worker process, and decides how each run ends.

Whatever happens (an event, a cancel, a time limit, the worker's death) is a message in one inbox or a deadline on one
clock, dealt with one after the other; so nothing here needs a lock.
"""

from __future__ import annotations

import json
import logging
import queue
import threading
import time
from typing import Any

from explorer.burst.events import Event
from explorer.errors import InputError
from explorer.sessions import deaths
from explorer.sessions.lineup import NEVER, Lineup, Live
from explorer.sessions.process import Ended, Lines, Worker, WorkerCommand
from explorer.sessions.store import Store, interrupted_sentence
from explorer.sessions.stream import Hub

log = logging.getLogger("explorer.session")

GRACE_SECONDS = 0.7
"""How long a worker may take to stop between two steps before it is killed. A cancel is to take a second at most."""

TIDY_SECONDS = 20.0
"""How long a worker may take to tidy up after a run."""

START_SECONDS = 300.0
"""How long a worker may take to start: on a cold disk, importing torch has taken a minute."""

FEW_STARTS = 3
"""Failed starts in a row after which the session is down: runs in the queue are told, new ones refused."""

DOWN_SECONDS = 30.0
"""How often a new start is tried while the session is down."""

LOOK_SECONDS = 1.0
"""How often the memory is looked at while a run goes on."""

STRAY_SECONDS = 30.0
"""How often runs that other processes have left behind are looked for."""


STUMBLE_SECONDS = 0.2
"""Pause after an error that belongs to no run, lest a lasting one fill the log."""

EVENT_START = b'{"type":'
"""How an event's line begins; what a worker says of itself begins otherwise."""


class Supervisor:
    """See the module. Everything public may be called from any thread.

    Parameters
    ----------
    store, hub
        Where events go.
    command : WorkerCommand
        How a worker is started.
    max_seconds : float
        How long a run may take.
    """

    def __init__(self, store: Store, hub: Hub, command: WorkerCommand, max_seconds: float) -> None:
        self.state = "starting"
        self.reason = ""
        self.facts: dict[str, Any] | None = None
        self.restarts = 0
        self.lineup = Lineup(hub)
        self._store, self._command, self._max_seconds = store, command, max_seconds
        self._inbox: queue.Queue[Any] = queue.Queue()
        self._worker: Worker | None = None
        self._failed_starts = 0
        self._start_at = 0.0
        self._ready_by = NEVER
        self._closing = False
        self._memory = deaths.memory_now()
        self._look_at = self._stray_at = 0.0
        self._thread = threading.Thread(target=self._supervise, name="session-supervisor", daemon=True)

    # -- for other threads ---------------------------------------------------------------------------------------

    def start(self) -> None:
        """Start the thread, and with it the worker."""
        self._thread.start()

    @property
    def pid(self) -> int | None:
        """The worker's process id."""
        worker = self._worker
        return worker and worker.pid

    def enqueue(self, live: Live, settings: dict[str, Any]) -> int:
        """Put a recorded run or check at the end of the queue; how many are before it."""
        position = self.lineup.enqueue(live, settings)
        self._inbox.put(None)
        return position

    def stop_run(self, run: str, kind: str, message: str) -> bool:
        """Have a run end; False where it is neither waiting nor running here."""
        held = self.lineup.holds(run)
        if held:
            self._inbox.put(lambda: self._stop(run, kind, message))
        return held

    def restart(self) -> None:
        """Replace the worker, or start the first one."""
        if not self._thread.is_alive() and not self._closing:
            self._thread.start()
        else:
            self._inbox.put(self._restart)

    def close(self) -> None:
        """End the worker and the thread."""
        self._closing = True
        self._inbox.put(None)
        if self._thread.is_alive():
            self._thread.join(5.0)
        self._shut_down()

    def down_sentence(self) -> str:
        """What is said to who wants to run something while no worker can be started."""
        return f"No worker process is there to run this: {self.reason}"

    # -- the thread ----------------------------------------------------------------------------------------------

    def _supervise(self) -> None:
        while not self._closing:
            try:
                self._advance()
                self._handle(self._next_message())
                self._keep_time()
            except Exception as error:
                self._give_up(error)
        self._shut_down()

    def _next_message(self) -> Any:
        due = [self._stray_at]
        if self._worker is None:
            due.append(self._start_at)
        else:
            due.append(self._ready_by)
        if (current := self.lineup.current) is not None:
            due += [current.deadline, current.kill_at, self._look_at, current.live.flush_due or self._look_at]
        try:
            return self._inbox.get(timeout=max(0.0, min(due) - time.monotonic()))
        except queue.Empty:
            return None

    def _handle(self, message: Any) -> None:
        match message:
            case Lines(worker, lines):
                worker.read(message)
                if worker is self._worker:
                    self._read(lines)
            case Ended(worker, status):
                if worker is self._worker:
                    self._bury(status)
            case None:
                pass
            case action:
                action()

    def _advance(self) -> None:
        """Start a worker where there is none, and give it the next run where it has none."""
        if self._worker is None and time.monotonic() >= self._start_at:
            self._start_worker()
        if self.state == "ready" and (following := self.lineup.next(self._max_seconds)):
            live, settings = following
            self.state = "busy"
            self._look_at_memory()
            self._worker.tell(run=live.run, job=live.job, config=settings)
            live.start()

    def _keep_time(self) -> None:
        now, current = time.monotonic(), self.lineup.current
        if self._worker is not None and now >= self._ready_by:
            self.reason = f"it was not ready after {START_SECONDS:.0f} seconds."
            self._worker.kill()
            self._ready_by = NEVER
        if current is not None:
            if (due := current.live.flush_due) is not None and now >= due:
                current.live.flush()
            if now >= current.deadline:
                self._stop(current.live.run, "timed-out", self._time_limit_sentence())
            if now >= self._look_at:
                self._look_at_memory()
            if now >= current.kill_at:
                # Without a stop, the run has ended and only the worker's tidying up took too long.
                self.lineup.end_current(*(current.stop or ("crashed", "")))
                self._replace_worker()
        if now >= self._stray_at:
            self._stray_at = now + STRAY_SECONDS
            self._store.mark_interrupted()

    # -- the worker ----------------------------------------------------------------------------------------------

    def _start_worker(self) -> None:
        try:
            self._worker = Worker(self._command, self._inbox)
        except OSError as error:
            self.reason = f"{error.strerror or error}."
            self._count_failed_start()
            return
        self._ready_by = time.monotonic() + START_SECONDS

    def _read(self, lines: list[bytes]) -> None:
        """Take what the worker says: events of the run it has, and word of itself."""
        current = self.lineup.current
        live = current.live if current else None
        taken: list[str] = []
        events: list[Event] = []
        news: dict[str, Any] = {}
        for line in lines:
            if not line.startswith(EVENT_START):
                news |= json.loads(line)
            elif live is not None and live.state is None:
                taken.append(line.decode())
                events.append(json.loads(line))
        if events:
            live.add(taken, events)
            if live.state is not None:
                current.deadline, current.kill_at = NEVER, time.monotonic() + TIDY_SECONDS
        if "failed" in news:
            self.reason = f"{news['failed'].rstrip('.')}."
        if "ready" in news:
            self.facts, self.state, self.reason, self._failed_starts = news["ready"], "ready", "", 0
            self._ready_by = NEVER
        if "idle" in news and live is not None:
            self.lineup.forget_current()
            self.state = "ready"

    def _bury(self, status: int) -> None:
        """The worker is dead: end its run, and see about a new one."""
        log.warning("The worker process %s ended with status %s", self._worker.pid, status)
        self._worker = None
        kind, sentence = deaths.explain(status, self._memory, deaths.memory_now())
        if (current := self.lineup.current) is not None:
            self.lineup.end_current(*(current.stop or (kind, sentence)))
        if self.state in ("ready", "busy"):
            self._replace_worker()
        else:
            self.reason = self.reason or sentence
            self._count_failed_start()

    def _count_failed_start(self) -> None:
        self._failed_starts += 1
        if self._failed_starts < FEW_STARTS:
            self._start_at = time.monotonic() + 0.5 * self._failed_starts
            return
        self.state, self._start_at = "down", time.monotonic() + DOWN_SECONDS
        self.lineup.end_waiting("crashed", self.down_sentence())

    def _replace_worker(self) -> None:
        """Have a new worker started at once; the old one is killed, or dead."""
        if self._worker is not None:
            self._worker.kill()
        self._worker, self.state, self.reason, self._start_at = None, "starting", "", 0.0
        self.restarts += 1

    def _restart(self) -> None:
        self._failed_starts = 0
        self.lineup.end_current("cancelled", "Cancelled: the session was restarted.")
        self._replace_worker()

    def _look_at_memory(self) -> None:
        self._memory, self._look_at = deaths.memory_now(), time.monotonic() + LOOK_SECONDS

    # -- how runs end --------------------------------------------------------------------------------------------

    def _stop(self, run: str, kind: str, message: str) -> None:
        """Stop the run that the worker has, or take one out of the queue."""
        current = self.lineup.current
        if current is not None and current.live.run == run:
            if current.stop is None and current.live.state is None:
                current.stop, current.deadline = (kind, message), NEVER
                current.kill_at = time.monotonic() + GRACE_SECONDS
                self._worker.tell(cancel=run, kind=kind, message=message)
            return
        self.lineup.take_out(run, kind, message)

    def _give_up(self, error: Exception) -> None:
        """Something went wrong in this thread, such as a full disk: the run in hand ends, the session goes on."""
        log.exception("The session stumbled")
        current = self.lineup.current
        if current is None:
            time.sleep(STUMBLE_SECONDS)
            return
        current.live.drop()
        because = str(error) if isinstance(error, InputError) else "The log says why."
        self.lineup.end_current("crashed", f"The run could not be recorded any further. {because}")
        self._replace_worker()

    def _shut_down(self) -> None:
        if self._worker is not None:
            self._worker.close()
            self._worker = None
        if (current := self.lineup.current) is not None:
            self.lineup.end_current("interrupted", current.live.interruption())
        self.lineup.end_waiting("interrupted", interrupted_sentence(0, 0))
        self.state, self.reason = "down", "the session was closed."

    def _time_limit_sentence(self) -> str:
        return (
            f"Stopped after {self._max_seconds:g} seconds, the most that a run may take on this server. "
            "Take fewer steps, fewer lanes or a smaller model."
        )
