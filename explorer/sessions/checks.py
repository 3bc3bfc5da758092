"""Hardware checks: each is a file of events below the data folder, and its result is what they come to.

Checks are few, short and read whole, so a file each is enough; runs, which are many and long, have a database. A check
goes through the same queue as runs, because it needs the device for itself.
"""

from __future__ import annotations

import json
import re
import secrets
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from explorer.burst.events import ENDINGS, Event, Stamp, encode
from explorer.hardware.options import CheckOptions
from explorer.hardware.result import Result
from explorer.sessions.store import ID_LENGTH, ID_LETTERS, state_after

ID = re.compile(f"[{ID_LETTERS}]{{{ID_LENGTH}}}")

ALIVE_SECONDS = 15.0
"""A check of another process whose file has not grown for so long is taken to have been interrupted."""

MOST_LISTED = 20
MOST_KEPT = 2 * MOST_LISTED
"""Finished checks that are kept in memory as they were read."""

INTERRUPTED = "The program that ran this stopped. What it had measured is kept; run the check again for the rest."


class LiveCheck:
    """A check of this process, to the session what :class:`explorer.sessions.stream.LiveRun` is for a run."""

    job = "check"
    flush_due = None
    """Events are written as they come: there are a few a second."""

    def __init__(self, path: Path, check: str, options: CheckOptions) -> None:
        self.run = check
        self.next_seq = 0
        self.state: str | None = None
        self.started = False
        self.created = time.time()
        self.options = options.as_json()
        self._path = path
        self._result = Result()
        self._lock = threading.Lock()
        header = {"type": "check_created", "run": check, "created": self.created, "options": self.options}
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(encode(header) + "\n", encoding="utf-8")

    def start(self) -> None:
        """Say that it is no longer waiting."""
        self.started = True

    def add(self, lines: Sequence[str], events: Sequence[Event]) -> None:
        """Record the next events."""
        with self._path.open("a", encoding="utf-8") as file:
            file.write("".join(line + "\n" for line in lines))
        with self._lock:
            for event in events:
                self._result.add(event)
        self.next_seq += len(lines)
        if events[-1]["type"] in ENDINGS:
            self.state = state_after(events[-1])

    def flush(self) -> None:
        """Nothing waits to be written."""

    def drop(self) -> None:
        """Nothing waits to be written."""

    def abandon(self) -> None:
        """End it although its end cannot be recorded."""
        self.state = "failed"

    def interruption(self) -> str:
        """What is said where the server ends before the check."""
        return INTERRUPTED

    def described(self) -> dict[str, Any]:
        """As :meth:`Checks.get` has it."""
        with self._lock:
            state = self.state or ("running" if self.started else "queued")
            return _described(self.run, self.created, state, self._result)


class Checks:
    """All checks in a data folder.

    Parameters
    ----------
    folder : Path
        The data folder; made when the first check is.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = Path(folder) / "checks"
        self._live: dict[str, LiveCheck] = {}
        self._over: dict[str, dict[str, Any]] = {}

    def create(self, options: CheckOptions) -> LiveCheck:
        """Begin to record a check."""
        check = "".join(secrets.choice(ID_LETTERS) for _ in range(ID_LENGTH))
        live = LiveCheck(self._path(check), check, options)
        self._live = {name: each for name, each in self._live.items() if each.state is None} | {check: live}
        return live

    def going(self, options: CheckOptions) -> LiveCheck | None:
        """A check of this process with the same options that waits or runs, if there is one."""
        return next((each for each in self._live.values() if each.state is None and each.options == options.as_json()),
                    None)  # fmt: skip

    def get(self, check: str) -> dict[str, Any] | None:
        """What is known of a check: ``check created state message progress result``; None where there is none.

        ``state`` is one of ``queued running finished failed cancelled interrupted``, ``created`` in seconds since the
        epoch, ``progress`` the latest ``progress`` event's fields, ``result`` as ``explorer/hardware/schema.json`` has
        it, with what there is so far.
        """
        if not ID.fullmatch(check):
            return None
        if (live := self._live.get(check)) is not None:
            return live.described()
        if check in self._over:
            return self._over[check]
        try:
            with self._path(check).open(encoding="utf-8") as file:
                return self._read(check, file)
        except FileNotFoundError:
            return None

    def _read(self, check: str, lines: Iterable[str]) -> dict[str, Any]:
        created, result, started = 0.0, Result(), False
        for line in lines:
            try:
                event = json.loads(line)
            except ValueError:  # Torn: its writer was killed.
                break
            created = event.get("created", created)
            started = started or event["type"] != "check_created"
            result.add(event)
        if result.ending is not None:
            # It will not change any more, and a page asks for the list of them all.
            found = _described(check, created, state_after(result.ending), result)
            self._over = dict([*self._over.items(), (check, found)][-MOST_KEPT:])
            return found
        alive = time.time() - self._path(check).stat().st_mtime < ALIVE_SECONDS
        state = ("running" if started else "queued") if alive else "interrupted"
        return _described(check, created, state, result)

    def list(self) -> list[dict[str, Any]]:
        """The latest checks that measured something, newest first: ``check created state device name recipe``."""
        paths = sorted(self._folder.glob("*.jsonl"), key=lambda path: -path.stat().st_mtime)
        found = (self.get(path.stem) for path in paths[:MOST_LISTED])
        return [_summary(entry) for entry in found if entry and entry["result"]["matmul"]]

    def record(self, options: CheckOptions, check: Callable[[CheckOptions, str], Iterator[Event]]) -> Iterator[Event]:
        """Run a check in this process and yield its events, recorded; where it is left early, its end too.

        Raises
        ------
        InputError
            The device is not there. Nothing is recorded.
        """
        live, events = None, iter(())
        try:
            events = check(options, "check")
            for event in events:
                live = live or self.create(options)
                event = event | {"run": live.run}
                live.add([encode(event)], [event])
                yield event
        finally:
            getattr(events, "close", lambda: None)()
            if live is not None and live.state is None:
                stamp = Stamp(live.run, live.next_seq)
                event = stamp("run_failed", kind="cancelled", message="Stopped.")
                live.add([encode(event)], [event])

    def _path(self, check: str) -> Path:
        return self._folder / f"{check}.jsonl"


def _described(check: str, created: float, state: str, result: Result) -> dict[str, Any]:
    found = result.as_dict()
    message = found["message"] or (INTERRUPTED if state == "interrupted" else "")
    return {"check": check, "created": created, "state": state, "message": message, "progress": result.progress,
            "result": found}  # fmt: skip


def _summary(entry: dict[str, Any]) -> dict[str, Any]:
    result = entry["result"]
    device = next(each for each in result["devices"] if each["device"] == result["device"])
    return {"check": entry["check"], "created": entry["created"], "state": entry["state"], "device": result["device"],
            "name": device["name"], "recipe": result["advice"]["recipe"]}  # fmt: skip
