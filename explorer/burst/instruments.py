"""Which instruments watch a lane, and which steps each of them samples."""

from __future__ import annotations

from typing import TYPE_CHECKING

from explorer.burst.bits import Bits
from explorer.burst.gradients import Gradients
from explorer.burst.memory import Memory

if TYPE_CHECKING:
    from explorer.burst.instrument import Instrument
    from explorer.burst.lane import Lane

GRADIENTS_EVERY = 10
"""Steps from one sample of the activation gradients to the next."""

MEMORY_EVERY = 40
"""Steps from one sample of memory to the next: it hardly changes, and is the dearest to look at in a short step."""

BITS_SAMPLES = 50
"""About how many samples of the traced scalar a run has, however long it is."""

ALWAYS_SAMPLED = 1
"""The second step is sampled whatever the interval: the first is not typical, as it makes the optimizer's state."""


def instruments_of(lane: Lane, steps: int, parameter: str, index: tuple[int, ...]) -> tuple[Instrument, ...]:
    """The instruments of one lane in a burst of so many steps; the scalar is the one whose bits are traced."""
    return (
        Memory(lane, MEMORY_EVERY),
        Gradients(lane, GRADIENTS_EVERY),
        Bits(lane, max(1, steps // BITS_SAMPLES), parameter, index),
    )


def is_sampled(instrument: Instrument, step: int, steps: int) -> bool:
    """Whether the instrument looks at this step of so many: every so often, at the second and at the last."""
    return step % instrument.every == 0 or step in (ALWAYS_SAMPLED, steps - 1)
