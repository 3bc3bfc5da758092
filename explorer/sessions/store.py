"""The run store: every run and every event of it, in one SQLite file that several processes share.

A run's events are rows with the primary key (run, seq), appended in batches, so that appending costs the same however
long the run already is.
"""

from __future__ import annotations

import json
import secrets
import sqlite3
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import platformdirs

from explorer.burst.config import BurstConfig, parse_config
from explorer.burst.events import ENDINGS, Event, encode
from explorer.sessions import owner
from explorer.sessions.database import Database, bad_folder

FILE = "runs.sqlite3"
VERSION = 1
CHUNK = 2_000
"""Events that are read at a time, so that a long run never lies in memory whole."""
LIVE = ("queued", "running")
"""States of a run that has not ended; the others are ``finished failed cancelled interrupted``."""

ID_LETTERS = "abcdefghijkmnpqrstuvwxyz23456789"
ID_LENGTH = 13
"""Thirteen of 32 letters are 65 bits: not to be guessed, and short enough to be read aloud."""

SCHEMA = """
CREATE TABLE IF NOT EXISTS runs (
    number INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, created REAL NOT NULL, ended REAL, state TEXT NOT NULL,
    config TEXT NOT NULL, steps INTEGER NOT NULL, last_seq INTEGER NOT NULL DEFAULT -1,
    steps_done INTEGER NOT NULL DEFAULT 0, kind TEXT, message TEXT NOT NULL DEFAULT '', owner TEXT);
CREATE INDEX IF NOT EXISTS runs_by_state ON runs (state);
CREATE TABLE IF NOT EXISTS events (
    run INTEGER NOT NULL, seq INTEGER NOT NULL, line TEXT NOT NULL, PRIMARY KEY (run, seq));
"""


@dataclass(frozen=True, slots=True)
class RunRecord:
    """What the store knows about a run without reading its events.

    ``created`` and ``ended`` are seconds since the epoch; ``last_seq`` is -1 before the first event; ``steps_done``
    counts the steps that the furthest lane has recorded, out of ``steps``; ``kind`` and ``message`` are those of the
    ``run_failed`` event, where there is one; ``owner`` names the lock of the process that runs it.
    """

    id: str
    created: float
    ended: float | None
    state: str
    config: dict[str, Any]
    steps: int
    last_seq: int
    steps_done: int
    kind: str | None
    message: str
    owner: str | None

    @property
    def over(self) -> bool:
        """Whether the run has ended, however."""
        return self.state not in LIVE


_COLUMNS = ", ".join(RunRecord.__slots__)


def default_folder() -> Path:
    """Where runs are kept when ``--data-dir`` does not say otherwise."""
    return Path(platformdirs.user_data_dir("mixed-precision-explorer", appauthor=False))


class Store:
    """The runs of one data folder. Usable from any thread, and by several processes at a time.

    Parameters
    ----------
    folder : Path, optional
        The data folder, made where it is missing; :func:`default_folder` where it is left out.

    Raises
    ------
    InputError
        For ``--data-dir``: the folder cannot be used, or what lies there is no run store.
    """

    def __init__(self, folder: Path | str | None = None) -> None:
        self.folder = Path(folder).expanduser() if folder is not None else default_folder()
        try:
            self._owners = self.folder / "owners"
            self._owners.mkdir(parents=True, exist_ok=True)
            self.owner = owner.Owner(self._owners)
            # A folder that cannot hold this process's lock is found out now, not at the first run.
            (self._owners / ".keep").touch()
        except OSError as error:
            reason = (error.strerror or str(error)).lower()
            raise bad_folder(self.folder, f"a folder that can be written to ({reason})") from None
        self._database = Database(self.folder / FILE, SCHEMA, VERSION)

    def close(self) -> None:
        """Let go of the file and of the owner's lock."""
        self._database.close()
        self.owner.release()

    # -- writing -------------------------------------------------------------------------------------------------

    def create(self, config: BurstConfig | dict[str, Any] | str) -> str:
        """Record a new run, queued and owned by this process; its id."""
        config = parse_config(config)
        run = "".join(secrets.choice(ID_LETTERS) for _ in range(ID_LENGTH))
        row = (run, time.time(), "queued", json.dumps(config.as_json()), config.steps, self.owner.take())
        with self._database.transaction() as connection:
            connection.execute(
                "INSERT INTO runs (id, created, state, config, steps, owner) VALUES (?, ?, ?, ?, ?, ?)", row
            )
        return run

    def start(self, run: str) -> None:
        """Say that a queued run is being run."""
        with self._database.transaction() as connection:
            connection.execute("UPDATE runs SET state = 'running' WHERE id = ? AND state = 'queued'", (run,))

    def append(self, run: str, lines: Sequence[str], events: Sequence[Event] | None = None) -> None:
        """Record the next events of a run, in one transaction.

        Parameters
        ----------
        run : str
            The run's id.
        lines : sequence of str
            The events as lines of JSON, numbered onwards from the last recorded one.
        events : sequence of dict, optional
            The same events, where the caller has them parsed.

        Raises
        ------
        ValueError
            The run is unknown or has ended, or the numbers leave a gap: a bug, and nothing is recorded.
        """
        if not lines:
            return
        events = [json.loads(line) for line in lines] if events is None else events
        with self._database.transaction() as connection:
            self._append(connection, run, lines, events)

    def _append(self, connection: sqlite3.Connection, run: str, lines: Sequence[str], events: Sequence[Event]) -> None:
        found = connection.execute("SELECT number, last_seq, state, steps_done FROM runs WHERE id = ?", (run,))
        number, last_seq, state, steps_done = found.fetchone() or (None, -1, "unknown", 0)
        if state not in LIVE:
            raise ValueError(f"run {run} is {state}: nothing can be appended to it")
        numbers = [event["seq"] for event in events]
        if numbers != list(range(last_seq + 1, last_seq + 1 + len(lines))):
            raise ValueError(f"run {run}: events {numbers[:3]}… do not follow event {last_seq}")
        connection.executemany(
            "INSERT INTO events VALUES (?, ?, ?)", zip([number] * len(lines), numbers, lines, strict=True)
        )
        steps_done = max([steps_done, *(event["step"] + 1 for event in events if event["type"] == "step")])
        kind, message, ended, state = None, "", None, "running"
        if (last := events[-1])["type"] in ENDINGS:
            kind, message, ended = last.get("kind"), last.get("message", ""), time.time()
            state = state_after(last)
        connection.execute(
            "UPDATE runs SET last_seq = ?, steps_done = ?, state = ?, kind = ?, message = ?, ended = ? "
            "WHERE number = ?",
            (numbers[-1], steps_done, state, kind, message, ended, number),
        )

    def end(self, run: str, kind: str, message: str) -> Event | None:
        """Append the ``run_failed`` event that follows the last recorded one; None where the run had ended already."""
        with self._database.transaction() as connection:
            return self._end(connection, run, kind, message)

    def _end(self, connection: sqlite3.Connection, run: str, kind: str, message: str) -> Event | None:
        found = connection.execute(
            "SELECT number, last_seq FROM runs WHERE id = ? AND state IN ('queued', 'running')", (run,)
        ).fetchone()
        if found is None:
            return None
        last = connection.execute("SELECT line FROM events WHERE run = ? AND seq = ?", found).fetchone()
        event = {"type": "run_failed", "run": run, "seq": found[1] + 1,
                 "time": json.loads(last[0])["time"] if last else 0.0, "kind": kind, "message": message}  # fmt: skip
        self._append(connection, run, [encode(event)], [event])
        return event

    def mark_interrupted(self) -> list[str]:
        """End the runs whose process is gone, each with a ``run_failed`` event of kind ``interrupted``; their ids.

        Runs of living processes, this one included, are left alone.
        """
        marked = []
        with self._database.connection() as connection:
            rows = connection.execute(
                "SELECT DISTINCT owner FROM runs WHERE state IN ('queued', 'running') AND owner IS NOT ?",
                (self.owner.token,),
            ).fetchall()
        for (token,) in rows:
            with owner.if_dead(self._owners, token) as dead:
                if dead:
                    marked += self._interrupt(token)
        return marked

    def _interrupt(self, token: str) -> list[str]:
        marked = []
        with self._database.transaction() as connection:
            runs = connection.execute(
                "SELECT id, steps_done, steps FROM runs WHERE owner = ? AND state IN ('queued', 'running')", (token,)
            ).fetchall()
            for run, steps_done, steps in runs:
                self._end(connection, run, "interrupted", interrupted_sentence(steps_done, steps))
                marked.append(run)
        return marked

    # -- reading -------------------------------------------------------------------------------------------------

    def get(self, run: str) -> RunRecord | None:
        """What is known about a run; None where there is no such run."""
        with self._database.connection() as connection:
            row = connection.execute(f"SELECT {_COLUMNS} FROM runs WHERE id = ?", (run,)).fetchone()
        return None if row is None else _record(row)

    def list(self, limit: int = 100, before: float | None = None) -> list[RunRecord]:
        """The latest runs, newest first; ``before`` (a ``created``) turns the page."""
        where, values = ("", ()) if before is None else ("WHERE created < ?", (before,))
        with self._database.connection() as connection:
            rows = connection.execute(
                f"SELECT {_COLUMNS} FROM runs {where} ORDER BY created DESC, number DESC LIMIT ?", (*values, limit)
            ).fetchall()
        return [_record(row) for row in rows]

    def events(self, run: str, after: int = -1, limit: int | None = None) -> list[str]:
        """A run's events after a number, as lines of JSON; at most ``limit`` of them."""
        with self._database.connection() as connection:
            rows = connection.execute(
                "SELECT line FROM events WHERE run = (SELECT number FROM runs WHERE id = ?) AND seq > ? "
                "ORDER BY seq LIMIT ?",
                (run, after, -1 if limit is None else limit),
            ).fetchall()
        return [line for (line,) in rows]

    def iterate(self, run: str, after: int = -1, chunk: int = CHUNK) -> Iterator[str]:
        """A run's events as :meth:`events` gives them, a chunk at a time: no read stays open between two of them."""
        while lines := self.events(run, after, chunk):
            yield from lines
            after += len(lines)


def _record(row: tuple[Any, ...]) -> RunRecord:
    record = dict(zip(RunRecord.__slots__, row, strict=True))
    return RunRecord(**{**record, "config": json.loads(record["config"])})


def state_after(ending: Event) -> str:
    """The state of a run whose last event that is."""
    if ending["type"] == "run_finished":
        return "finished"
    return ending["kind"] if ending["kind"] in ("cancelled", "interrupted") else "failed"


def interrupted_sentence(steps_done: int, steps: int) -> str:
    """What is said of a run whose process stopped."""
    if not steps_done:
        return "The program that was to run this stopped before the first step. Start the run again."
    return (
        f"The program that ran this stopped after step {steps_done} of {steps}. "
        "What was recorded until then is kept; start the run again for the rest."
    )
