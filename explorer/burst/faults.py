"""Things that go wrong, on purpose: what each fault is, and where in a training step it enters.

:data:`FAULTS` describes them for configs and pages, without torch. :class:`Faults` holds those of one lane, with one
method for each place of the step where something can go wrong; the step (:mod:`explorer.burst.lane`) calls them there.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor, nn

    from explorer.burst.config import FaultConfig


@dataclass(frozen=True, slots=True)
class Fault:
    """A kind of fault, for a person who chooses one.

    Attributes
    ----------
    kind : str
        The name in configs.
    label : str
        The name for people.
    summary : str
        One sentence: what is done to the step.
    factor : float or None
        What ``factor`` is where the config names none; None in a fault that has no factor.
    lasting : bool
        Whether it holds from its step on, where the config says nothing; otherwise at that step alone.
    always_lasting : bool
        Whether it cannot be had for one step alone.
    needs_scaler : bool
        Whether it is a mistake in the use of the loss scaler, so that a lane without one cannot make it.
    """

    kind: str
    label: str
    summary: str
    factor: float | None = None
    lasting: bool = False
    always_lasting: bool = False
    needs_scaler: bool = False


FAULTS: dict[str, Fault] = {
    fault.kind: fault
    for fault in (
        Fault(
            kind="loss-spike",
            label="Loss spike",
            summary="The loss of one step is multiplied by the factor, and so are its gradients.",
            factor=1e4,
        ),
        Fault(
            kind="infinite-gradient",
            label="One infinite gradient",
            summary="One element of the scaled gradients is infinity.",
        ),
        Fault(
            kind="activation-outlier",
            label="Activation outlier",
            summary="The largest element of the first matrix product's output is multiplied by the factor.",
            factor=1e6,
        ),
        Fault(
            kind="small-gradient-scale",
            label="Too small a gradient scale",
            summary="The loss is multiplied by the factor before backward; the recorded loss is not.",
            factor=1e-6,
            lasting=True,
            always_lasting=True,
        ),
        Fault(
            kind="clip-before-unscale",
            label="Clip before unscaling",
            summary="Gradients are clipped while they are multiplied by the loss scale, and unscaled afterwards.",
            lasting=True,
            always_lasting=True,
            needs_scaler=True,
        ),
        Fault(
            kind="no-scaler-update",
            label="Scaler not updated",
            summary="The loss scale stays what it is, whatever happens.",
            lasting=True,
            always_lasting=True,
            needs_scaler=True,
        ),
    )
}
"""The faults by kind, in the order in which they are offered."""


class Faults:
    """The faults of one lane.

    Parameters
    ----------
    settings : sequence of FaultConfig
        What goes wrong and when; most lanes have none, and every method then costs next to nothing.
    """

    def __init__(self, settings: Sequence[FaultConfig]) -> None:
        self._settings = tuple(settings)
        self._now: tuple[FaultConfig, ...] = ()

    def begin(self, step: int) -> None:
        """Find out what goes wrong in this step."""
        if self._settings:
            self._now = tuple(
                fault for fault in self._settings if (step >= fault.step if fault.lasting else step == fault.step)
            )

    @contextlib.contextmanager
    def in_forward(self, model: nn.Module) -> Iterator[None]:
        """Surround forward: an outlier in the output of the first layer that multiplies matrices."""
        factors = self._factors("activation-outlier")
        if not factors:
            yield
            return
        from explorer.burst.layers import products

        _, first = next(iter(products(model)))

        def outlier(module: nn.Module, args: Any, output: Tensor) -> Tensor:
            # The largest, as a ReLU lets it through. In float32, so that it is the output's format that overflows.
            flat = output.float().reshape(-1)
            multipliers = flat.new_ones(flat.shape)
            for factor in factors:
                multipliers.index_fill_(0, flat.argmax().reshape(1), factor)
            return (flat * multipliers).to(output.dtype).view_as(output)

        handle = first.register_forward_hook(outlier)
        try:
            yield
        finally:
            handle.remove()

    def of_loss(self, loss: Tensor) -> Tensor:
        """The loss, with a spike where there is one."""
        for factor in self._factors("loss-spike"):
            loss = loss * factor
        return loss

    def of_gradient_scale(self, weight: float) -> float:
        """What the loss is multiplied by before backward, the loss scale apart."""
        for factor in self._factors("small-gradient-scale"):
            weight *= factor
        return weight

    def after_backward(self, parameters: Sequence[nn.Parameter]) -> None:
        """Make one element of the scaled gradients infinite."""
        if self._is_on("infinite-gradient"):
            gradient = next(parameter.grad for parameter in parameters if parameter.grad is not None)
            gradient[(0,) * gradient.dim()] = float("inf")

    @property
    def clips_before_unscaling(self) -> bool:
        """Whether clipping comes at the wrong place."""
        return self._is_on("clip-before-unscale")

    @property
    def keeps_the_scale(self) -> bool:
        """Whether the scaler is kept from updating its scale."""
        return self._is_on("no-scaler-update")

    def _is_on(self, kind: str) -> bool:
        return bool(self._now) and any(fault.kind == kind for fault in self._now)

    def _factors(self, kind: str) -> list[float]:
        return [fault.factor for fault in self._now if fault.kind == kind]
