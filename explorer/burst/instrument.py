"""What every instrument is: something that looks at one training step of one lane without changing it.

The lane calls it at five places of a step, in the order of the methods below, and the loop asks for its reading when
the step is over. Steps that an instrument does not sample know nothing of it.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, ClassVar

import torch
from torch.utils._python_dispatch import _disable_current_modes

if TYPE_CHECKING:
    from explorer.burst.lane import Lane
    from explorer.workloads.build import Batch

TYPICAL_STEP = 1
"""The second step is sampled by all: the first is not typical, as it makes the optimizer's state."""


@contextlib.contextmanager
def unseen() -> Iterator[None]:
    """Context in which operations are seen by no instrument, and by none of the recipe's kernels."""
    with _disable_current_modes(), torch._C.DisableTorchFunction():
        yield


class Instrument:
    """Base of the instruments; each overrides what it needs.

    One instance serves one lane. ``name`` is the field of the ``step`` event that holds its reading, and ``every`` is
    the number of steps from one sample to the next. An instrument with an ``event`` samples one step of the run only,
    and its reading holds the fields of an event of that type, which follows the step's.
    """

    name: ClassVar[str]
    event: ClassVar[str | None] = None

    def __init__(self, lane: Lane, every: int = 1) -> None:
        self.lane, self.every = lane, every

    def samples(self, step: int, steps: int) -> bool:
        """Whether it looks at this step of so many: every so often, at :data:`TYPICAL_STEP` and at the last."""
        typical = step == min(TYPICAL_STEP, steps - 1)
        return typical or (self.event is None and (step % self.every == 0 or step == steps - 1))

    def announced(self) -> dict[str, Any]:
        """What the lane's entry in the run's first event holds because of this instrument."""
        return {}

    def prepare(self, batch: Batch, step: int) -> None:
        """Do what has to be done before the step, outside of what is timed."""

    def watching(self) -> contextlib.AbstractContextManager[Any]:
        """Surround the step."""
        return contextlib.nullcontext()

    def after_forward(self) -> None:
        """Look at the lane when the loss is known and backward has not begun."""

    def after_backward(self) -> None:
        """Look at the scaled gradients."""

    def before_update(self) -> None:
        """Look at the unscaled gradients, not yet clipped, and at the weights before the update."""

    def after_update(self) -> None:
        """Look at the weights after the update."""

    def reading(self) -> dict[str, Any] | list[dict[str, Any]]:
        """What the step's event holds under :attr:`name`."""
        raise NotImplementedError
