"""Which instruments watch a lane, and how often each of them looks.

The intervals keep what all of them cost together under 8 % of a bare loop over ``gpt2-tiny`` and under 0.3 ms a step
of ``mlp`` (``tests/benchmarks/bench_instruments.py``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from explorer.burst.bits import Bits
from explorer.burst.gradients import Gradients
from explorer.burst.memory import Memory
from explorer.burst.operations import Operations
from explorer.burst.speed import Speed
from explorer.burst.timeline import Timeline
from explorer.burst.updates import Updates

if TYPE_CHECKING:
    from explorer.burst.instrument import Instrument
    from explorer.burst.lane import Lane

GRADIENTS_EVERY = 10
"""Steps from one sample of the gradients to the next."""

UPDATES_EVERY = 40
"""Steps from one sample of the updates to the next: each is an optimizer's step once more, in float64."""

SPEED_EVERY = 20
"""Steps from one timing of the parts of a step to the next."""

MEMORY_EVERY = 100
"""Steps from one sample of memory to the next: it hardly changes, and is the dearest to look at in a short step."""

BITS_SAMPLES = 25
"""About how many samples of the traced scalar a run has, however long it is."""


def instruments_of(lane: Lane, steps: int, parameter: str, index: tuple[int, ...]) -> tuple[Instrument, ...]:
    """The instruments of one lane in a burst of so many steps; the scalar is the one whose bits are traced.

    Speed comes first, so that what the others do between the parts of a step is outside of what it times.
    """
    operations = Operations(lane)
    return (
        Speed(lane, SPEED_EVERY, operations.flop),
        Memory(lane, MEMORY_EVERY),
        Gradients(lane, GRADIENTS_EVERY),
        Updates(lane, UPDATES_EVERY),
        Bits(lane, max(1, steps // BITS_SAMPLES), parameter, index),
        operations,
        Timeline(lane),
    )


def is_sampled(instrument: Instrument, step: int, steps: int) -> bool:
    """Whether the instrument looks at this step of so many."""
    return instrument.samples(step, steps)
