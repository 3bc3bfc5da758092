"""The SQLite file under the run store: connections for any thread, transactions, and errors in words.

Write-ahead logging lets viewers read while a run is written, and ``synchronous=NORMAL`` keeps every committed batch
through a killed process (https://www.sqlite.org/wal.html, sections 2 and 3).
"""

from __future__ import annotations

import contextlib
import queue
import sqlite3
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from explorer.errors import InputError

BUSY_SECONDS = 20.0
"""How long one process waits for another's transaction. A batch takes about a millisecond."""


def bad_folder(folder: Path, accepted: str) -> InputError:
    """The error of a data folder that cannot be used, with its whole path however long that is."""
    sentence = f"--data-dir: got '{folder}', but takes {accepted}."
    return InputError("--data-dir", str(folder), accepted, sentence=sentence)


class Database:
    """A SQLite file that several threads and several processes read and write.

    Parameters
    ----------
    path : Path
        The file; made where it is missing.
    schema : str
        Statements that make the tables, repeatable.
    version : int
        Version of the schema. A file of a newer one is refused.

    Raises
    ------
    InputError
        For ``--data-dir``: here, and from every later use, where the file cannot be read or written.
    """

    def __init__(self, path: Path, schema: str, version: int) -> None:
        self.path = path
        self._idle: queue.LifoQueue[sqlite3.Connection] = queue.LifoQueue()
        # Writers of one process take turns here rather than in SQLite, whose waiting is by polling.
        self._writing = threading.Lock()
        self._closed = False
        with self.connection() as connection:
            _use_write_ahead_log(connection)
        with self.transaction() as connection:
            (found,) = connection.execute("PRAGMA user_version").fetchone()
            if found > version:
                raise self._unusable("was not written by a newer version of this program")
            for statement in schema.split(";"):
                connection.execute(statement)
            connection.execute(f"PRAGMA user_version = {version}")

    def _unusable(self, demand: str) -> InputError:
        return bad_folder(self.path.parent, f"a folder whose {self.path.name} {demand}")

    @contextlib.contextmanager
    def connection(self) -> Iterator[sqlite3.Connection]:
        """A connection that no other thread uses meanwhile."""
        try:
            try:
                connection = self._idle.get_nowait()
            except queue.Empty:
                connection = sqlite3.connect(
                    self.path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False
                )
                connection.execute("PRAGMA synchronous = NORMAL")
            try:
                yield connection
            finally:
                if self._closed:
                    connection.close()
                else:
                    self._idle.put(connection)
        except sqlite3.Error as error:
            raise self._unusable(f"can be read and written ({error})") from error

    @contextlib.contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """A connection inside a transaction, which is undone where the block raises."""
        with self._writing, self.connection() as connection:
            # IMMEDIATE takes the write lock at once: a lock taken half-way through could not be waited for.
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
                connection.execute("COMMIT")
            except BaseException:
                # A full disk may have rolled back already; then there is nothing to undo.
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                raise

    def close(self) -> None:
        """Let go of the file."""
        self._closed = True
        with contextlib.suppress(queue.Empty):
            while True:
                self._idle.get_nowait().close()


def _use_write_ahead_log(connection: sqlite3.Connection) -> None:
    """Switch the file over. Two processes that make it at the same moment are not made to wait by SQLite, so retry."""
    give_up = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > give_up:
                raise
            time.sleep(0.01)
