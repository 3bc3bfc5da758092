"""The experiment: a config goes in, events come out.

:mod:`~explorer.burst.config` says what may be asked, :mod:`~explorer.burst.events` what is told, and
:mod:`~explorer.burst.presets` holds configurations worth a click; all three are torch-free, and so is
:mod:`~explorer.burst.faults`, what can go wrong on purpose. :mod:`~explorer.burst.lane` is the training step, and
:func:`run_burst` (:mod:`~explorer.burst.loop`) goes round it, a pure generator; the instruments stand beside it, one
file each. :mod:`~explorer.burst.findings` says in words what the numbers show.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from explorer.burst.config import BurstConfig, LaneConfig, ScalerConfig, parse_config
from explorer.burst.events import Event
from explorer.burst.presets import PRESETS, Preset, get_preset

__all__ = [
    "PRESETS",
    "BurstConfig",
    "Event",
    "LaneConfig",
    "Preset",
    "ScalerConfig",
    "get_preset",
    "parse_config",
    "run_burst",
]


def run_burst(config: BurstConfig | dict[str, Any], run: str = "burst") -> Iterator[Event]:
    """Train as the config says and yield the events as they happen; see :func:`explorer.burst.loop.run_burst`.

    Imports torch when it is called.
    """
    from explorer.burst import loop

    return loop.run_burst(parse_config(config), run)
