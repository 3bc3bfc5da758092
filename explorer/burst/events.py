"""The events of a burst: plain JSON-able dicts, the same in store, stream, command line and notebook.

Every event has ``type``, ``run`` (id), ``seq`` (0, 1, 2 … without a gap) and ``time`` (seconds since the start).
Numbers that are not finite are the strings ``"nan"``, ``"inf"`` and ``"-inf"``, so that a line is always valid JSON
(RFC 8259, section 6, has no such numbers).

=================  ================================================================================================
type               fields beside the common four
=================  ================================================================================================
``run_started``    ``config`` (everything filled in), ``device`` (as :func:`explorer.devices.describe` gives it),
                   ``versions``, ``trace`` (``parameter``, ``index``, ``shape``), ``lanes``: a list of ``name``,
                   ``recipe``, ``support`` (``native`` or ``emulated``), ``reason`` (why), ``converted`` (names of the
                   layers that the recipe replaced), ``parameters`` (count), ``scaled`` (whether a loss scale is in
                   use) and ``formats`` (role in ``bits`` to format name)
``step``           ``lane step loss scale skipped grad_norm step_ms samples_per_s`` and, when sampled, ``memory``,
                   ``gradients``, ``updates``, ``speed``, ``bits``, ``eval``. ``step`` counts from 0; ``scale`` is null
                   in a lane without scaler. ``seed`` where the burst has several; ``learning_rate`` where it varies
``operations``     ``lane``, ``rows``: once a lane, what ran in which dtype in its second step
``timeline``       ``lane``, ``columns``, ``marks``: once a lane, what held memory through its second step
``diagnosis``      ``lane code sentence``: what happened, in words; a later one with the same lane and code replaces it
``lane_finished``  ``lane reason`` (one of :data:`REASONS`), ``steps``, ``loss`` (mean of the last five), ``skipped``,
                   ``seconds``; ``message`` where it ended early: why; ``loss_deviation``, ``seeds`` with several seeds
``run_finished``   ``seconds``
``run_failed``     ``kind`` (one of :data:`FAILURES`), ``message``: a sentence that a person can act on
=================  ================================================================================================

``memory`` holds bytes: ``weights master_weights gradients optimizer activations cast_cache total``, ``total`` the live
peak of the step (:mod:`explorer.burst.memory`); on CUDA also ``allocator_peak`` and ``allocator_reserved``.
``gradients`` holds shares of the activation gradients, as the compute format holds them: ``zero_fraction
subnormal_fraction nonfinite_fraction lost_fraction``, ``histogram`` and ``weights_histogram`` (of the parameters'
gradients), ``format`` (whose window applies), ``layers`` (name to the first three shares) and ``first_nonfinite`` (the
first layer, as backward comes by, with a number that is not finite) (:mod:`explorer.burst.gradients`).
``bits`` is a list of ``{role, format, code}`` (:mod:`explorer.burst.bits`). ``updates`` and ``speed`` are those of
:mod:`explorer.burst.updates` and :mod:`explorer.burst.speed`. ``eval`` holds the mean loss on held-out data, in nats:
``loss`` in float32 and ``autocast_loss`` as the lane is trained (:mod:`explorer.burst.evaluation`).

With several seeds every lane has that many ``step`` events a step, one after another, told apart by ``seed``: the index
from 0. The instruments watch the first seed. ``lane_finished`` comes once a lane: ``loss`` is the mean over the seeds
and ``loss_deviation`` their sample standard deviation, ``steps``, ``skipped`` and ``seconds`` are sums over them.
"""

from __future__ import annotations

import json
import math
import time
from typing import Any

Event = dict[str, Any]

FAILURES = ("out-of-memory", "crashed", "timed-out", "cancelled", "invalid", "interrupted")
"""What ``kind`` of a ``run_failed`` event can be."""

REASONS = ("done", "scale-collapsed")
"""What ``reason`` of a ``lane_finished`` event can be: all steps were taken, or every step was skipped until the loss
scale fell below 2^-14, in every seed."""

ENDINGS = ("run_finished", "run_failed")
"""Types of the event that ends a run: exactly one of them, the last."""


def number(value: float | None) -> float | str | None:
    """The value as an event holds it: itself where it is finite or None, else ``"nan"``, ``"inf"`` or ``"-inf"``."""
    if value is None or math.isfinite(value):
        return value
    return str(float(value))


def encode(event: Event) -> str:
    """The event as one line of JSON, in ASCII and without a line break.

    Raises
    ------
    ValueError
        A number in it is not finite; :func:`number` should have been applied.
    """
    return json.dumps(event, allow_nan=False, separators=(",", ":"))


class Stamp:
    """Gives each event of one run its common fields: run, number and time.

    Parameters
    ----------
    run : str
        The run's id.
    seq : int
        Number of the next event.
    started : float, optional
        Reading of ``time.perf_counter`` at which the run began; now where it is left out.
    """

    def __init__(self, run: str, seq: int = 0, started: float | None = None) -> None:
        self.run, self.seq = run, seq
        self._started = time.perf_counter() if started is None else started

    def __call__(self, type: str, **fields: Any) -> Event:
        """The next event of that type."""
        event = {"type": type, "run": self.run, "seq": self.seq, "time": self.elapsed(), **fields}
        self.seq += 1
        return event

    def elapsed(self) -> float:
        """Seconds since the run began, to the microsecond."""
        return round(time.perf_counter() - self._started, 6)
