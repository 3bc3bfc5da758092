"""A burst in this very process, recorded as it runs: what the command line does."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

from explorer.burst import run_burst
from explorer.burst.config import BurstConfig, parse_config
from explorer.burst.events import ENDINGS, Event, Stamp, encode
from explorer.errors import InputError
from explorer.sessions.deaths import crash_sentence
from explorer.sessions.store import Store
from explorer.sessions.stream import LiveRun


def record(
    store: Store,
    config: BurstConfig | dict[str, Any] | str,
    burst: Callable[[BurstConfig, str], Iterator[Event]] = run_burst,
) -> Iterator[Event]:
    """Run a burst here and yield its events, each of which is in the store within a tenth of a second.

    The run is owned by this process: a server that starts meanwhile leaves it alone, and one that starts after this
    process was killed marks it as interrupted. The run's id is that of any event.

    Parameters
    ----------
    store : Store
        Where to record.
    config : BurstConfig, dict or str
        What to run; checked before anything is recorded.
    burst : callable
        What runs it.

    Raises
    ------
    InputError
        The config is not accepted; or it asks for what is not here, after a ``run_failed`` event of kind ``invalid``.
    KeyboardInterrupt
        After a ``run_failed`` event of kind ``cancelled``; closing the iterator records the same.
    Exception
        Whatever the burst raised, after one of kind ``crashed``.
    """
    config = parse_config(config)
    run = store.create(config)
    stamp = Stamp(run)
    with _Recorder(store, run) as recorder:

        def ended(kind: str, message: str) -> Event:
            stamp.seq = recorder.next_seq
            return recorder.add(stamp("run_failed", kind=kind, message=message))

        try:
            for event in burst(config, run):
                yield recorder.add(event)
        except GeneratorExit:
            if not recorder.over:
                ended("cancelled", "Cancelled.")
            raise
        except KeyboardInterrupt:
            if not recorder.over:
                yield ended("cancelled", "Cancelled.")
            raise
        except InputError as error:
            yield ended("invalid", str(error))
            raise
        except Exception as error:
            yield ended("crashed", crash_sentence(error))
            raise


class _Recorder:
    """Records a run's events in a thread: in time while the next step takes long, and out of reach of Ctrl-C."""

    def __init__(self, store: Store, run: str) -> None:
        self._live = LiveRun(store, run, wake=lambda: None)
        self._added: queue.SimpleQueue[tuple[str, Event] | None] = queue.SimpleQueue()
        self._error: Exception | None = None
        self._thread = threading.Thread(target=self._record, name="recorder", daemon=True)
        self.next_seq = 0
        self.over = False

    def add(self, event: Event) -> Event:
        if self._error is not None:
            raise self._error
        self._added.put((encode(event), event))
        self.next_seq += 1
        self.over = event["type"] in ENDINGS
        return event

    def _record(self) -> None:
        try:
            while True:
                due = self._live.flush_due
                try:
                    added = self._added.get(timeout=None if due is None else max(0.0, due - time.monotonic()))
                except queue.Empty:
                    self._live.flush()
                    continue
                if added is None:
                    self._live.flush()
                    return
                self._live.add([added[0]], [added[1]])
        except Exception as error:  # A full disk, say; told to the thread that can stop the burst.
            self._error = error

    def __enter__(self) -> _Recorder:
        self._thread.start()
        return self

    def __exit__(self, *raised: object) -> None:
        self._added.put(None)
        self._thread.join()
        if self._error is not None and raised[1] is None:
            raise self._error
