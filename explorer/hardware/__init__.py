"""The hardware check: what this machine can do, and what to train in on it.

:mod:`~explorer.hardware.options` says what may be asked, :mod:`~explorer.hardware.result` folds a check's events into
its result, and :mod:`~explorer.hardware.advice` and :mod:`~explorer.hardware.listings` draw from it what to do; all of
these are torch-free. :func:`run_check` is the check itself, a pure generator of events like a burst, and
``schema.json`` describes its result.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from explorer.burst.events import Event
from explorer.hardware.options import CheckOptions, parse_options
from explorer.hardware.result import Result, collect, schema

__all__ = ["CheckOptions", "Result", "collect", "parse_options", "run_check", "schema"]


def run_check(options: CheckOptions | dict[str, Any] | None = None, run: str = "check") -> Iterator[Event]:
    """Probe and measure, and yield what is found as it is found; see :func:`explorer.hardware.check.run_check`.

    Imports torch when it is called.
    """
    from explorer.hardware import check

    return check.run_check(parse_options(options), run)
