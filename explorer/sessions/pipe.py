"""The worker's end of the pipe to the server: lines that leave at once when they are few, and in batches when many."""

from __future__ import annotations

import os
import threading
import time

FLUSH_SECONDS = 0.02
"""The longest that a line waits. A fast burst makes a line a millisecond, and a system call each would slow it."""


class LinePipe:
    """Writes lines to a file descriptor from any thread.

    A line goes out at once where the last one left :data:`FLUSH_SECONDS` ago or more; others are gathered, and a
    thread sends them when that time is over, whatever the caller does meanwhile.

    Parameters
    ----------
    fd : int
        Where to write.
    """

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._waiting: list[str] = []
        self._flushed = 0.0
        self._lock = threading.Lock()
        self._filled = threading.Event()
        threading.Thread(target=self._flush_in_time, name="pipe-flusher", daemon=True).start()

    def send(self, line: str, *, now: bool = False) -> None:
        """Send a line: soon, or before this returns."""
        with self._lock:
            self._waiting.append(line)
            if now or time.monotonic() - self._flushed >= FLUSH_SECONDS:
                self._flush()
            elif len(self._waiting) == 1:
                self._filled.set()

    def _flush(self) -> None:
        data = "".join(line + "\n" for line in self._waiting).encode()
        self._waiting.clear()
        while data:
            data = data[os.write(self._fd, data) :]
        self._flushed = time.monotonic()

    def _flush_in_time(self) -> None:
        while self._filled.wait():
            self._filled.clear()
            time.sleep(FLUSH_SECONDS)
            with self._lock:
                if self._waiting:
                    self._flush()
