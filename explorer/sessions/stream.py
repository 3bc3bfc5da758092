"""The live stream: one run's new events, gathered into at most ten frames a second and shared by all who watch.

Events come from the one thread that runs the session and are watched from event loops. A frame goes out only after
its events are in the store; so a viewer who starts late, or has fallen behind, reads the store until the next live
frame begins where it stands, and can neither miss an event nor get one twice.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import threading
import time
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable, Iterator, Sequence

from starlette.concurrency import run_in_threadpool

from explorer.burst.events import ENDINGS, Event
from explorer.sessions.frames import Encoder
from explorer.sessions.store import CHUNK, Store, interrupted_sentence, state_after

FRAME_SECONDS = 0.1
"""The shortest time between two live frames."""

FRAME_BYTES = 4096
"""The largest live frame, short of a single event that is longer. What a tenth of a second brings beyond it goes out
in further frames at once."""

KEPT_FRAMES = 5
"""Live frames that are kept for viewers who are a little behind. Others read the store, and get in one large frame
what they missed: a page draws that once, where fifty small ones would keep it busy."""

HEARTBEAT_SECONDS = 15.0
"""A proxy may cut a connection that is silent for long; a comment line keeps it open."""

POLL_SECONDS = 0.25
"""How often the store is asked about a run of another process, which cannot wake this one's viewers."""

RETRY = b"retry: 1000\n\n"
ENVELOPE = len("event: frame\nid: \ndata: \n\n") + 10
"""Bytes around the data of a frame whose number has up to ten digits."""

HEARTBEAT = b": still here\n\n"

Numbered = tuple[int, bytes]
"""The number of the last event in a frame, and the frame as it is sent."""


class LiveRun:
    """A run of this process, from its submission to its end.

    :meth:`add`, :meth:`flush` and :meth:`abandon` belong to the thread that runs it, the rest to anyone.

    Parameters
    ----------
    store : Store
        Where its events go before anyone sees them.
    run : str
        The run's id.
    wake : callable
        Called whenever there is something new to see.
    """

    job = "burst"
    """What the worker is told to do."""

    def __init__(self, store: Store, run: str, wake: Callable[[], None]) -> None:
        self.run = run
        self.next_seq = 0
        """Number of the next event to be added."""
        self.last_seq = -1
        """Number of the last event that is recorded and in a frame."""
        self.state: str | None = None
        """How the run ended, once its last event is in a frame."""
        self._store, self._wake = store, wake
        self._encoder = Encoder()
        self._lines: list[str] = []
        self._events: list[Event] = []
        self._flushed = float("-inf")
        self._frames: OrderedDict[int, Numbered] = OrderedDict()
        self._lock = threading.Lock()

    def start(self) -> None:
        """Record that it no longer waits."""
        self._store.start(self.run)

    def interruption(self) -> str:
        """What is said where the server ends before the run."""
        record = self._store.get(self.run)
        return interrupted_sentence(record.steps_done, record.steps)

    @property
    def flush_due(self) -> float | None:
        """When :meth:`flush` should be called, on ``time.monotonic``; None while nothing waits."""
        return self._flushed + FRAME_SECONDS if self._lines else None

    def add(self, lines: Sequence[str], events: Sequence[Event]) -> None:
        """Take the next events: recorded and shown at once, or with others at the end of a tenth of a second."""
        self._lines += lines
        self._events += events
        self.next_seq += len(lines)
        if events[-1]["type"] in ENDINGS or self.flush_due <= time.monotonic():
            self.flush()

    def flush(self) -> None:
        """Record what was added and show it, in one transaction and one frame."""
        if not self._lines:
            return
        lines, events = self._lines, self._events
        self._store.append(self.run, lines, events)
        self._lines, self._events = [], []
        self._flushed = time.monotonic()
        frames = self._encoder.frames(lines, events, FRAME_BYTES - ENVELOPE)
        encoded = {some[0]["seq"]: _frame(some, data) for some, data in frames}
        with self._lock:
            self._frames |= encoded
            while len(self._frames) > KEPT_FRAMES:
                self._frames.popitem(last=False)
            self.last_seq = events[-1]["seq"]
            if events[-1]["type"] in ENDINGS:
                self.state = state_after(events[-1])
        self._wake()

    def drop(self) -> None:
        """Forget what was added and could not be recorded."""
        self.next_seq -= len(self._lines)
        self._lines, self._events = [], []

    def abandon(self) -> None:
        """End the run for its viewers although its end cannot be recorded."""
        self.drop()
        self.state = "failed"
        self._wake()

    def frame_after(self, seq: int) -> Numbered | None:
        """The kept live frame that begins right after an event."""
        with self._lock:
            return self._frames.get(seq + 1)


class Hub:
    """The live runs of this process, and the way to watch any run.

    Parameters
    ----------
    store : Store
        Where the runs are recorded.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._live: dict[str, LiveRun] = {}
        self._watchers: dict[tuple[str, asyncio.AbstractEventLoop], set[asyncio.Event]] = {}
        self._lock = threading.Lock()
        self._closed = False

    def open(self, run: str) -> LiveRun:
        """Begin to carry a run that this process will run."""
        live = LiveRun(self._store, run, lambda: self._wake(run))
        with self._lock:
            self._live[run] = live
        return live

    def discard(self, live: LiveRun) -> None:
        """Stop carrying a run that has ended; who watches it still gets its last frames."""
        with self._lock:
            self._live.pop(live.run, None)

    def close(self) -> None:
        """End all streams, without an ``end`` event: browsers then ask again, as they should after a restart."""
        self._closed = True
        self._wake(None)

    def _wake(self, run: str | None) -> None:
        """Wake the viewers of a run, or of all, with one call into each of their loops."""
        with self._lock:
            asleep = [(loop, tuple(events)) for (name, loop), events in self._watchers.items() if run in (name, None)]
        for loop, events in asleep:
            # A loop that has been closed has no viewers left to wake.
            with contextlib.suppress(RuntimeError):
                loop.call_soon_threadsafe(_set_all, events)

    @contextlib.contextmanager
    def _changes(self, run: str) -> Iterator[asyncio.Event]:
        """An event that is set whenever there is something new to see of a run."""
        key, changed = (run, asyncio.get_running_loop()), asyncio.Event()
        with self._lock:
            self._watchers.setdefault(key, set()).add(changed)
        try:
            yield changed
        finally:
            with self._lock:
                self._watchers[key].discard(changed)
                if not self._watchers[key]:
                    del self._watchers[key]

    async def watch(self, run: str, after: int = -1) -> AsyncIterator[bytes]:
        """The server-sent events of a run, as bytes: frames, then ``end``.

        Parameters
        ----------
        run : str
            The id of a run in the store.
        after : int
            Number of the last event that the viewer has; -1 for none. One that is not recorded counts as none.
        """
        yield RETRY
        record = await run_in_threadpool(self._store.get, run)
        after = after if -1 <= after <= record.last_seq else -1
        live, catching_up, spoke = None, Encoder(), time.monotonic()
        with self._changes(run) as changed:
            while not self._closed:
                changed.clear()
                live = live or self._live.get(run)
                state, frame = (live.state, live.frame_after(after)) if live else (None, None)
                if frame:
                    catching_up = Encoder()  # The viewer's last memory is now the live frame's.
                elif live is None or live.last_seq > after:
                    if live is None:
                        # Asked before its events are read: a run that had ended by then has no further one.
                        record = await run_in_threadpool(self._store.get, run)
                        state = record.state if record.over else None
                    frame = await run_in_threadpool(self._chunk, run, after, catching_up)
                if frame:
                    after, data = frame
                    yield data
                    spoke = time.monotonic()
                elif state:
                    yield _message("end", json.dumps({"run": run, "state": state}), after)
                    return
                elif time.monotonic() - spoke >= HEARTBEAT_SECONDS:
                    yield HEARTBEAT
                    spoke = time.monotonic()
                else:
                    silence = spoke + HEARTBEAT_SECONDS - time.monotonic()
                    await _wait(changed, silence if live else min(silence, POLL_SECONDS))

    def _chunk(self, run: str, after: int, encoder: Encoder) -> Numbered | None:
        """The next recorded events in one frame, however many a live frame would hold."""
        lines = self._store.events(run, after, CHUNK)
        if not lines:
            return None
        events = [json.loads(line) for line in lines]
        return _frame(events, encoder.frame(lines, events))


def _frame(events: Sequence[Event], data: str) -> Numbered:
    """The frame of these events as it is sent."""
    last = events[-1]["seq"]
    return last, _message("frame", data, last)


def _message(event: str, data: str, number: int) -> bytes:
    return f"event: {event}\nid: {number}\ndata: {data}\n\n".encode("ascii")


def _set_all(events: Sequence[asyncio.Event]) -> None:
    for event in events:
        event.set()


async def _wait(changed: asyncio.Event, seconds: float) -> None:
    """Wait for a change, or for that long. A timer costs a tenth of ``asyncio.wait_for``, a thousand times a second."""
    timer = asyncio.get_running_loop().call_later(max(seconds, 0.0), changed.set)
    try:
        await changed.wait()
    finally:
        timer.cancel()
