"""The runs of a session: those that wait, the one that runs, and the last event that each of them gets."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from dataclasses import dataclass
from typing import Any

from explorer.burst.events import encode
from explorer.sessions.checks import LiveCheck
from explorer.sessions.stream import Hub, LiveRun

log = logging.getLogger("explorer.session")

NEVER = float("inf")

Live = LiveRun | LiveCheck


@dataclass(slots=True)
class Current:
    """The run that the worker has. Times are ``time.monotonic``.

    ``stop`` is the kind and the message that it was told to end with; at ``kill_at`` the worker's patience is over.
    """

    live: Live
    started: float
    deadline: float
    stop: tuple[str, str] | None = None
    kill_at: float = NEVER


class Lineup:
    """First come, first served. Any thread may look and :meth:`enqueue`; the rest belongs to the supervisor's.

    Parameters
    ----------
    hub : Hub
        Where the runs are watched.
    """

    def __init__(self, hub: Hub) -> None:
        self.current: Current | None = None
        self.unrecorded: dict[str, str] = {}
        """Runs whose end could not be recorded, and why they ended."""
        self._hub = hub
        self._waiting: deque[tuple[Live, dict[str, Any]]] = deque()
        self._lock = threading.Lock()

    def waiting(self) -> list[str]:
        """Ids of the runs that wait, the next one first."""
        with self._lock:
            return [live.run for live, _ in self._waiting]

    def is_running(self) -> bool:
        """Whether the worker has a run that has not ended."""
        current = self.current
        return current is not None and current.live.state is None

    def holds(self, run: str) -> bool:
        """Whether a run waits or runs here."""
        with self._lock:
            held = [live for live, _ in self._waiting] + ([self.current.live] if self.current else [])
        return any(live.run == run and live.state is None for live in held)

    def enqueue(self, live: Live, settings: dict[str, Any]) -> int:
        """Put a recorded run or check at the end; how many are before it."""
        with self._lock:
            self._waiting.append((live, settings))
            return len(self._waiting) - 1 + self.is_running()

    def next(self, max_seconds: float) -> tuple[Live, dict[str, Any]] | None:
        """Make the first that waits the current one; it and its settings, or None where none waits."""
        now = time.monotonic()
        with self._lock:
            if not self._waiting:
                return None
            live, settings = self._waiting.popleft()
            self.current = Current(live, now, now + max_seconds)
        return live, settings

    def take_out(self, run: str, kind: str, message: str) -> None:
        """End a run that waits."""
        with self._lock:
            taken = [live for live, _ in self._waiting if live.run == run]
            self._waiting = deque(entry for entry in self._waiting if entry[0].run != run)
        for live in taken:
            self._conclude(live, 0.0, kind, message)

    def end_waiting(self, kind: str, message: str) -> None:
        """End all that wait."""
        with self._lock:
            waiting, self._waiting = self._waiting, deque()
        for live, _ in waiting:
            self._conclude(live, 0.0, kind, message)

    def end_current(self, kind: str, message: str) -> None:
        """Give the current run its last event, where it has none yet, and forget it."""
        if (current := self.current) is not None:
            self._conclude(current.live, time.monotonic() - current.started, kind, message)
            self.current = None

    def forget_current(self) -> None:
        """Be done with the current run, which has ended."""
        self._hub.discard(self.current.live)
        self.current = None

    def _conclude(self, live: Live, seconds: float, kind: str, message: str) -> None:
        if live.state is None:
            event = {"type": "run_failed", "run": live.run, "seq": live.next_seq, "time": round(seconds, 6),
                     "kind": kind, "message": message}  # fmt: skip
            try:
                live.add([encode(event)], [event])
            except Exception:
                log.exception("The end of run %s could not be recorded", live.run)
                self.unrecorded[live.run] = message
                # It stays in the hub: the store would say that it goes on.
                live.abandon()
                return
        self._hub.discard(live)
