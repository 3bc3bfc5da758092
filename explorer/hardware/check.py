"""The hardware check: probe every device, measure one of them within a given time, and tell as it goes.

Events have the common fields of :mod:`explorer.burst.events`, and end as a burst's do:

=================  =================================================================================================
``check_started``  ``options``, ``device`` (the one that is measured), ``versions``
``devices``        ``devices``: facts of each (:mod:`explorer.devices.facts`); ``formats``: ``device format support
                   how evidence source`` of each format on each
``progress``       ``part`` (one of :data:`explorer.hardware.options.PARTS`, or ``probe``), ``words``, ``fraction`` of
                   the measuring time, ``elapsed`` and ``remaining`` seconds of it
``matmul``         the best product of a format so far (:meth:`explorer.devices.rates.Rate.found`)
``bandwidth``      the best copy so far; ``cast``: the best cast of a pair of formats so far
``training``       the best step of a recipe so far (:func:`explorer.hardware.steps.steps`)
``unavailable``    ``part what message``: what could not be measured
``run_finished``   ``seconds``
=================  =================================================================================================

A later event about the same thing replaces the earlier one, so what was told by the time a check is stopped is its
result so far (:mod:`explorer.hardware.result`).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import torch

from explorer import devices
from explorer.burst.events import Event, Stamp
from explorer.burst.loop import versions
from explorer.devices import bandwidth
from explorer.devices.attempts import attempts
from explorer.devices.facts import DeviceFacts
from explorer.devices.operands import KERNELS
from explorer.devices.probe import probe
from explorer.devices.rates import Rate
from explorer.devices.support import FormatVerdict, support
from explorer.devices.timing import Timer
from explorer.hardware.options import CheckOptions
from explorer.hardware.steps import steps

TOLD_EVERY = 0.15
"""Seconds between two events about the same thing while it goes on."""

REFUSALS = (RuntimeError, TypeError, NotImplementedError, ValueError)
"""What backends raise for operations that they lack; out of memory is a RuntimeError too."""


def run_check(options: CheckOptions, run: str = "check") -> Iterator[Event]:
    """Probe and measure. A pure generator: to stop, stop asking for events.

    Parameters
    ----------
    options : CheckOptions
        What to measure, and for how long.
    run : str
        The check's id, repeated in every event.

    Yields
    ------
    Event
        See the module.

    Raises
    ------
    InputError
        Before the first event: the device is not there.
    """
    device = devices.resolve(options.device)
    stamp = Stamp(run)
    yield stamp("check_started", options=options.as_json(), device=str(device), versions=versions())
    yield stamp("progress", part="probe", words="looking at the devices", fraction=0.0, elapsed=0.0,
                remaining=options.seconds)  # fmt: skip
    facts = probe()
    verdicts = [verdict for each in facts for verdict in support(each, attempts(each.device))]
    yield stamp("devices", devices=[each.as_dict() for each in facts], formats=[each.as_dict() for each in verdicts])
    measured = next(each for each in facts if each.device == str(device))
    yield from _Measurement(options, device, measured, verdicts, stamp).events()
    yield stamp("run_finished", seconds=stamp.elapsed())


class _Measurement:
    """The measuring part: the parts in turn, each within its share of the time."""

    def __init__(
        self,
        options: CheckOptions,
        device: torch.device,
        facts: DeviceFacts,
        verdicts: list[FormatVerdict],
        stamp: Stamp,
    ) -> None:
        self.options, self.device, self.stamp = options, device, stamp
        self.memory_free = facts.more.get("memory_free")
        self.support = {each.format: each.support for each in verdicts if each.device == str(device)}
        self._began = time.perf_counter()
        self._told: dict[Any, float] = {}

    def events(self) -> Iterator[Event]:
        parts: dict[str, Callable[[float], Iterator[Event]]] = {
            "matmul": self._matmul, "bandwidth": self._bandwidth, "casts": self._casts, "training": self._training,
        }  # fmt: skip
        due = 0.0
        for part in self.options.parts:
            # What one part took too much, or left over, is the next one's loss or gain.
            due += self.options.share(part)
            yield from parts[part](max(due - self._elapsed(), 0.1))

    def _elapsed(self) -> float:
        return time.perf_counter() - self._began

    def _progress(self, part: str, words: str) -> Event:
        elapsed = self._elapsed()
        fraction = min(elapsed / self.options.seconds, 1.0)
        return self.stamp("progress", part=part, words=words, fraction=round(fraction, 4), elapsed=round(elapsed, 3),
                          remaining=round(max(self.options.seconds - elapsed, 0.0), 3))  # fmt: skip

    def _latest(self, type: str, key: str, words: str, readings: Iterator[dict[str, Any]]) -> Iterator[Event]:
        """Tell readings as they improve, not more often than is of use, and the last one of each thing for sure."""
        part = {"cast": "casts"}.get(type, type)
        held: dict[str, Any] | None = None
        for reading in readings:
            if held is not None and held.get(key) != reading.get(key):
                yield self.stamp(type, **held)
            held = reading
            now = time.perf_counter()
            if now - self._told.get(part, 0.0) >= TOLD_EVERY:
                self._told[part] = now
                yield self.stamp(type, **held)
                yield self._progress(part, words.format(**reading))
        if held is not None:
            yield self.stamp(type, **held)

    # -- the parts -----------------------------------------------------------------------------------------------

    def _formats(self) -> list[str]:
        """Formats whose products are timed: those that PyTorch multiplies here by itself, at whatever rate."""
        wanted = [name for name in self.options.formats if name in KERNELS]
        native_only = ("tf32", "e4m3fn", "e4m3fnuz")
        return [
            name
            for name in wanted
            if self.support.get(name, "native") == "native"
            or (name not in native_only and self.support[name] != "missing")
        ]

    def _matmul(self, seconds: float) -> Iterator[Event]:
        names = self._formats()
        ends = self._elapsed() + seconds
        timer = Timer(self.device)
        for index, name in enumerate(names):
            share = (ends - self._elapsed()) / (len(names) - index)
            try:
                rate = Rate(name, self.device, max(share, 0.1), self.memory_free, timer)
                readings = (rate.found() for _ in rate.search.run())
                yield from self._latest("matmul", "format", "multiplying matrices in {format}", readings)
            except REFUSALS as error:
                yield self._unavailable("matmul", name, error)

    def _bandwidth(self, seconds: float) -> Iterator[Event]:
        readings = bandwidth.bandwidth(self.device, seconds, self.memory_free)
        yield from self._guarded("bandwidth", "device", "copying memory", readings)

    def _casts(self, seconds: float) -> Iterator[Event]:
        readings = ({**each, "pair": f"{each['from']}-{each['to']}"}
                    for each in bandwidth.casts(self.device, seconds, self.memory_free))  # fmt: skip
        yield from self._guarded("cast", "pair", "casting {from} to {to}", readings)

    def _training(self, seconds: float) -> Iterator[Event]:
        timed: dict[str, dict[str, Any]] = {}
        told = 0.0
        for reading in steps(self.device, seconds):
            if "unavailable" in reading:
                yield self.stamp("unavailable", part="training", what=reading["recipe"], message=reading["unavailable"])
                continue
            new = reading["recipe"] not in timed
            timed[reading["recipe"]] = reading
            if new or time.perf_counter() - told >= TOLD_EVERY:
                told = time.perf_counter()
                yield self.stamp("training", **reading)
                yield self._progress("training", f"training {reading['model']} in {reading['recipe']}")
        for reading in timed.values():
            yield self.stamp("training", **reading)

    def _guarded(self, type: str, key: str, words: str, readings: Iterator[dict[str, Any]]) -> Iterator[Event]:
        try:
            yield from self._latest(type, key, words, readings)
        except REFUSALS as error:
            yield self._unavailable({"cast": "casts"}.get(type, type), type, error)

    def _unavailable(self, part: str, what: str, error: Exception) -> Event:
        detail = " ".join(str(error).split())[:200] or type(error).__name__
        return self.stamp("unavailable", part=part, what=what, message=f"{what} could not be measured here: {detail}")
