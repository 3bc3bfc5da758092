"""Who runs a run: a lock file that a process holds for as long as it lives.

The operating system frees the lock however the process ends, ``kill -9`` included, so a free lock means a dead owner.
A process id would not do: ids are used again, and differ between containers that share a folder.
"""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Iterator
from pathlib import Path

from filelock import FileLock, Timeout


class Owner:
    """The lock of one process, held from :meth:`take` on.

    Parameters
    ----------
    folder : Path
        Where lock files lie.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock: FileLock | None = None
        self._token: str | None = None

    @property
    def token(self) -> str | None:
        """The name of the lock that is held, or None where none was needed yet."""
        return self._token

    def take(self) -> str:
        """Hold the lock from now on; its name, which the process's runs are stamped with."""
        if self._token is None:
            token = secrets.token_hex(8)
            self._lock = _lock(self._folder, token)
            self._lock.acquire(timeout=0)
            self._token = token
        return self._token

    def release(self) -> None:
        """Let go of the lock and remove its file. Names are never used twice, so nobody can be waiting for it."""
        if self._lock is not None:
            self._lock.release()
            _path(self._folder, self._token).unlink(missing_ok=True)
            self._lock = self._token = None


@contextlib.contextmanager
def if_dead(folder: Path, token: str) -> Iterator[bool]:
    """Whether the owner of that name is gone; its lock is held meanwhile, and its file removed afterwards."""
    lock = _lock(folder, token)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        yield False
        return
    try:
        yield True
    finally:
        lock.release()
        _path(folder, token).unlink(missing_ok=True)


def _path(folder: Path, token: str) -> Path:
    return folder / f"{token}.lock"


def _lock(folder: Path, token: str) -> FileLock:
    # Not thread-local: the thread that starts a session is not the one that closes it.
    return FileLock(_path(folder, token), thread_local=False)
