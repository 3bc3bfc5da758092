"""The server's handle on a worker process: started, spoken to, listened to, and killed."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import subprocess
import sys
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import explorer

BLOCK = 65_536
"""Bytes that are read from the pipe at a time: as many as it holds."""

UNREAD_BLOCKS = 32
"""Blocks that may wait for the session. Beyond, the pipe fills and the worker waits: memory stays bounded."""

DRAIN_SECONDS = 0.5
"""How long the pipe of an ended worker is read on: a process that it started may hold it open for ever."""


@dataclass(frozen=True, slots=True)
class Lines:
    """Whole lines that a worker has written."""

    worker: Worker
    lines: list[bytes]


@dataclass(frozen=True, slots=True)
class Ended:
    """A worker's process is over; ``status`` is the exit status, or minus the signal. Follows its last lines."""

    worker: Worker
    status: int


@dataclass(frozen=True, slots=True)
class WorkerCommand:
    """How the worker is started; the defaults are what everyone but the tests wants."""

    device: str = "auto"
    burst: str = "explorer.burst:run_burst"
    check: str = "explorer.hardware:run_check"
    warm: str = "explorer.sessions.worker:warm_up"

    def argv(self) -> list[str]:
        """The command line. ``-P`` keeps files in the current folder from being imported by their names."""
        options = {
            "parent": os.getpid(),
            "device": self.device,
            "burst": self.burst,
            "check": self.check,
            "warm": self.warm,
        }
        return [sys.executable, "-P", "-m", "explorer.sessions.worker", *(f"--{k}={v}" for k, v in options.items())]


class Worker:
    """A started worker process. What it says arrives in ``inbox`` as :class:`Lines` and at last :class:`Ended`.

    Must be made by a thread that lives as long as the worker should: the kernel takes "the parent" to be the thread.
    """

    def __init__(self, command: WorkerCommand, inbox: queue.Queue[Any]) -> None:
        root = str(Path(explorer.__file__).parents[1])
        path = os.pathsep.join(filter(None, (root, os.environ.get("PYTHONPATH"))))
        self._process = subprocess.Popen(
            command.argv(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": path},
            # Ctrl-C in a terminal goes to the whole group, and it is the server that says how a run ends.
            start_new_session=True,
        )
        self.pid = self._process.pid
        self._inbox = inbox
        self._room = threading.Semaphore(UNREAD_BLOCKS)
        self._reader = threading.Thread(target=self._read, name=f"worker-{self.pid}-reader", daemon=True)
        self._reader.start()
        self._waiter = threading.Thread(target=self._wait, name=f"worker-{self.pid}-waiter", daemon=True)
        self._waiter.start()

    def tell(self, **command: Any) -> None:
        """Send a command; one that a dead worker cannot take is nobody's loss."""
        with contextlib.suppress(OSError, ValueError):
            self._process.stdin.write(json.dumps(command).encode() + b"\n")
            self._process.stdin.flush()

    def kill(self) -> None:
        """End the process at once, whatever it is doing."""
        self._process.kill()

    def close(self) -> None:
        """Kill the process and wait until it is gone, which one stuck in a driver may never be."""
        self.kill()
        self._waiter.join(2 * DRAIN_SECONDS)

    def read(self, lines: Lines) -> None:
        """Say that these lines have been dealt with."""
        self._room.release()

    def _read(self) -> None:
        rest = b""
        # What follows the last line break when the pipe ends is a torn line, and is dropped.
        while block := self._process.stdout.read1(BLOCK):
            *lines, rest = (rest + block).split(b"\n")
            self._room.acquire()
            self._inbox.put(Lines(self, lines))

    def _wait(self) -> None:
        status = self._process.wait()
        self._reader.join(DRAIN_SECONDS)
        with contextlib.suppress(OSError):
            self._process.stdin.close()
        if not self._reader.is_alive():
            self._process.stdout.close()
        self._inbox.put(Ended(self, status))
