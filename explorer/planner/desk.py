"""Asks a process of its own for plans: torch stays out of this one, and no plan waits behind a burst.

The process, :mod:`explorer.planner.worker`, is started when it is first needed and kept. One question is dealt with at
a time; one that takes too long ends the process, and the next question starts a new one.
"""

from __future__ import annotations

import contextlib
import json
import os
import queue
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import explorer
from explorer.errors import InputError
from explorer.planner.request import PlanRequest, parse_request

SECONDS = 120.0
"""The longest that a question may take, the start of the process (some seconds) among it."""

MOST_KEPT = 256
"""Answers that are kept: they depend on the question alone."""


class Desk:
    """Where plans are asked for. :meth:`close` ends the process.

    Parameters
    ----------
    seconds : float
        The longest that a question may take.
    """

    def __init__(self, seconds: float = SECONDS) -> None:
        self._seconds = seconds
        self._asking = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._answers: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        self._kept: dict[str, dict[str, Any]] = {}

    @property
    def pid(self) -> int | None:
        """Process id of the planner; None where it does not run."""
        process = self._process
        return process.pid if process is not None and process.poll() is None else None

    def plan(self, given: PlanRequest | dict[str, Any]) -> dict[str, Any]:
        """What :func:`explorer.planner.plan` answers.

        Raises
        ------
        InputError
            The request is not accepted, the model cannot be built, or the plan took too long.
        """
        return self._ask("plan", parse_request(given).as_json())

    def warning(self, config: dict[str, Any], free_bytes: int) -> str | None:
        """What :func:`explorer.planner.warning` says of a burst's config, as JSON, on so much free memory."""
        return self._ask("warning", {"config": config, "free_bytes": free_bytes})

    def close(self) -> None:
        """End the process."""
        with self._asking:
            self._end()

    def _ask(self, what: str, question: dict[str, Any]) -> Any:
        line = json.dumps({"ask": what, "question": question})
        with self._asking:
            if what == "plan" and line in self._kept:
                return self._kept[line]
            answer = self._answer(line)
            if "refused" in answer:
                raise InputError(answer["field"], None, "", sentence=answer["refused"])
            if what == "plan":
                while len(self._kept) >= MOST_KEPT:
                    self._kept.pop(next(iter(self._kept)))
                self._kept[line] = answer["answer"]
        return answer["answer"]

    def _answer(self, line: str) -> dict[str, Any]:
        if self.pid is None:
            self._end()
            self._start()
        with contextlib.suppress(OSError):
            self._process.stdin.write(line.encode() + b"\n")
            self._process.stdin.flush()
        try:
            said = self._answers.get(timeout=self._seconds)
        except queue.Empty:
            self._end()
            raise _too_long(self._seconds) from None
        if not said:
            self._end()
            raise InputError(
                "model", None, "", sentence="The planner's process ended; a smaller model or batch may go."
            )
        return json.loads(said)

    def _start(self) -> None:
        root = str(Path(explorer.__file__).parents[1])
        path = os.pathsep.join(filter(None, (root, os.environ.get("PYTHONPATH"))))
        self._answers = queue.SimpleQueue()
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "explorer.planner.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": path},
            start_new_session=True,
        )
        reading = threading.Thread(target=_read, args=(self._process.stdout, self._answers), daemon=True)
        reading.start()

    def _end(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        process.kill()
        process.wait()
        with contextlib.suppress(OSError):
            process.stdin.close()


def _read(pipe: Any, answers: queue.SimpleQueue[bytes]) -> None:
    """Hand on line after line; an empty one says that the process is over."""
    with contextlib.closing(pipe):
        for line in pipe:
            answers.put(line)
    answers.put(b"")


def _too_long(seconds: float) -> InputError:
    said = f"The plan took longer than {seconds:g} s and was given up; ask for fewer recipes or a smaller model."
    return InputError("model", None, "", sentence=said)
