"""How large updates are beside the weights they are added to, and how many of them the stored weight never notices.

A weight in a format of ``p`` significant bits moves only by multiples of its ulp; an update below half an ulp is
rounded away (Micikevicius et al. 2018, arXiv 1710.03740, section 3.1: why master weights are kept in float32).

The *exact* update is the optimizer's own step taken once more in float64, from the same weights, gradients (unscaled,
clipped) and state: what it would have added had nothing been rounded in between. It is taken of a sample of the
elements where there are more than :data:`MOST_ELEMENTS`, always the same ones.
"""

from __future__ import annotations

import contextlib
import inspect
import math
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from explorer.burst.instrument import Instrument, unseen
from explorer.burst.magnitudes import histogram

if TYPE_CHECKING:
    from explorer.burst.lane import Lane
    from explorer.workloads.build import Batch

MOST_ELEMENTS = 100_000
"""Weights whose exact update is computed, at most: of so many a share is known to 0.3 points (two standard errors)."""

ELEMENTWISE = (torch.optim.AdamW, torch.optim.SGD)
"""Optimizers whose update of one weight depends on no other, so that a sample of a tensor's elements will do."""


class Updates(Instrument):
    """Share of the updates that left no trace, and the size of all updates in ulps of the stored weight.

    ``unchanged_fraction`` is the share of weights whose stored value stayed, among those whose exact update is finite
    and not zero; null where there is no such weight, as in a skipped step. ``histogram`` is ``{"low": e, "counts":
    [...]}``: how many weights have floor(log2(|exact update| / ulp(stored weight))) equal to e, e + 1, …; below -1
    an update is less than half an ulp.
    """

    name = "updates"

    def __init__(self, lane: Lane, every: int) -> None:
        super().__init__(lane, every)
        self._samples = _samples(lane.parameters, elementwise=kind_of(lane.optimizer) in ELEMENTWISE)

    def prepare(self, batch: Batch, step: int) -> None:
        """Nothing is known of this step."""
        self._replays: list[Replay] = []

    @contextlib.contextmanager
    def watching(self) -> Iterator[None]:
        """Copy what the optimizer is given at the moment it begins; it does not begin in a skipped step."""
        copying = self.lane.optimizer.register_step_pre_hook(self._copy)
        try:
            yield
        finally:
            copying.remove()

    def reading(self) -> dict[str, Any]:
        """Share and histogram."""
        moved = unchanged = 0
        exponents: Counter[int] = Counter()
        while self._replays:
            replay = self._replays.pop()
            exact, stored, after = replay.exact_update(), replay.before.reshape(-1), replay.after()
            known = (exact != 0) & exact.isfinite() & stored.isfinite()
            moved += int(known.sum())
            unchanged += int((known & (stored == after)).sum())
            exponents += _counted(exponents_in_ulps(exact, stored)[known])
        return {"unchanged_fraction": unchanged / moved if moved else None, "histogram": histogram(exponents)}

    def _copy(self, optimizer: torch.optim.Optimizer, *_: object) -> None:
        with unseen():
            for group in optimizer.param_groups:
                self._replays += replays(optimizer, group, self._samples)


Sample = Callable[[Tensor], Tensor]
"""Takes a tensor of a parameter's shape to the elements that are looked at, flat; or leaves it whole."""


def _samples(parameters: list[nn.Parameter], elementwise: bool) -> dict[nn.Parameter, Sample]:
    """Which elements of which parameters are looked at.

    Every k-th element of each, where elements are updated one by one. Otherwise whole parameters, the smallest first,
    as many as fit.
    """
    if elementwise:
        stride = -(-sum(p.numel() for p in parameters) // MOST_ELEMENTS)
        sample = (lambda tensor: tensor.reshape(-1)) if stride == 1 else (lambda tensor: tensor.reshape(-1)[::stride])
        return dict.fromkeys(parameters, sample)
    chosen, left = {}, MOST_ELEMENTS
    for parameter in sorted(parameters, key=Tensor.numel):
        left -= parameter.numel()
        if left < 0 and chosen:
            break
        chosen[parameter] = lambda tensor: tensor
    return chosen


def kind_of(optimizer: torch.optim.Optimizer) -> type[torch.optim.Optimizer]:
    """Which of PyTorch's optimizers makes the update; a subclass of ours differs in how it stores the result only."""
    return next(each for each in type(optimizer).__mro__ if each.__module__.startswith("torch.optim"))


@dataclass
class Replay:
    """A step of an optimizer, about to be taken once more in float64.

    Attributes
    ----------
    kind : type of torch.optim.Optimizer
        Which.
    options : dict
        Its parameter group's.
    before, grad : torch.Tensor
        Sampled elements before the step, as they are stored.
    state : dict
        What the optimizer knows of them: tensors of the same elements, and what belongs to the parameter as a whole.
    sources : list of (torch.nn.Parameter, Sample)
        Where they came from.
    """

    kind: type[torch.optim.Optimizer]
    options: dict[str, Any]
    before: Tensor
    grad: Tensor
    state: dict[str, Any]
    sources: list[tuple[nn.Parameter, Sample]]

    def exact_update(self) -> Tensor:
        """What the optimizer adds in float64, flat."""
        weight = nn.Parameter(self.before.double())
        weight.grad = self.grad.double()
        options = dict(self.options)
        if self.kind is torch.optim.Adafactor and options["eps"][0] is None:
            # Left open, it would follow the dtype.
            options["eps"] = (torch.finfo(self.before.dtype).eps, options["eps"][1])
        optimizer = self.kind([weight], **options)
        if self.state:
            optimizer.state[weight] = {name: _in_double(name, value) for name, value in self.state.items()}
        optimizer.step()
        return (weight.detach() - self.before.double()).reshape(-1)

    def after(self) -> Tensor:
        """The same elements as they are stored now, flat."""
        return torch.cat([sample(p.detach()).reshape(-1) for p, sample in self.sources])


def _in_double(name: str, value: Any) -> Any:
    # Step counts are float32 scalars, which every optimizer expects as it made them.
    return value.double() if isinstance(value, Tensor) and value.is_floating_point() and name != "step" else value


def replays(
    optimizer: torch.optim.Optimizer, group: dict[str, Any], samples: dict[nn.Parameter, Sample]
) -> list[Replay]:
    """Copy what an optimizer is about to work on, the sampled elements of it.

    Parameters
    ----------
    optimizer : torch.optim.Optimizer
        The one whose step begins.
    group : dict
        One of its parameter groups.
    samples : dict
        What to look at; parameters that are not in it are left out.

    Returns
    -------
    list of Replay
        Of an elementwise optimizer one for all parameters that have been updated equally often, else one a parameter.
    """
    kind = kind_of(optimizer)
    takes = inspect.signature(kind).parameters
    options = {name: value for name, value in group.items() if name in takes and name != "params"}
    together: dict[Any, list[nn.Parameter]] = {}
    for parameter in group["params"]:
        if parameter.grad is not None and parameter in samples:
            alone = None if kind in ELEMENTWISE else parameter
            together.setdefault((alone, _age(optimizer.state.get(parameter, {}))), []).append(parameter)
    return [_replay(kind, options, optimizer, parameters, samples) for parameters in together.values()]


def _age(state: dict[str, Any]) -> tuple[Any, ...]:
    """What must be equal for two parameters to be updated as one: what is known of them, and since when."""
    step = state.get("step")
    known = tuple(sorted(name for name, value in state.items() if value is not None))
    return known, step.item() if isinstance(step, Tensor) else step


def _replay(
    kind: type[torch.optim.Optimizer],
    options: dict[str, Any],
    optimizer: torch.optim.Optimizer,
    parameters: list[nn.Parameter],
    samples: dict[nn.Parameter, Sample],
) -> Replay:
    if kind not in ELEMENTWISE:
        (parameter,) = parameters
        state = optimizer.state.get(parameter, {})
        return Replay(
            kind,
            options,
            parameter.detach().clone(),
            parameter.grad.clone(),
            {name: value.clone() if isinstance(value, Tensor) else value for name, value in state.items()},
            [(parameter, samples[parameter])],
        )

    def gathered(tensors: list[Tensor]) -> Tensor:
        return torch.cat([samples[p](tensor.detach()) for p, tensor in zip(parameters, tensors, strict=True)])

    states = [optimizer.state.get(p, {}) for p in parameters]
    state = {
        name: gathered([each[name] for each in states])
        if isinstance(value, Tensor) and value.shape == parameters[0].shape and name != "step"
        else value.clone()
        if isinstance(value, Tensor)
        else value
        for name, value in states[0].items()
    }
    weight, grad = gathered(parameters), gathered([p.grad for p in parameters])
    return Replay(kind, options, weight, grad, state, [(p, samples[p]) for p in parameters])


def exponents_in_ulps(update: Tensor, weight: Tensor) -> Tensor:
    """floor(log2(|update| / ulp(weight))), exactly.

    Parameters
    ----------
    update : torch.Tensor
        float64; where it is zero or not finite the result means nothing.
    weight : torch.Tensor
        Of the same shape, finite, in the dtype in which it is stored. The ulp of zero and of subnormal numbers is the
        smallest subnormal number's, as Python's ``math.ulp`` has it.

    Returns
    -------
    torch.Tensor
        int64, of the same shape.
    """
    limits = torch.finfo(weight.dtype)
    # math.frexp gives 0.5 <= mantissa < 1, so floor(log2) is its exponent less 1.
    smallest, eps = (math.frexp(limit)[1] - 1 for limit in (limits.smallest_normal, limits.eps))
    return _binade(update) - _binade(weight.double()).clamp_min_(smallest) - eps


def _binade(numbers: Tensor) -> Tensor:
    """floor(log2) of the magnitudes of float64 numbers, from the exponent field: -1023 for zero."""
    return numbers.view(torch.int64).bitwise_right_shift(52).bitwise_and_(0x7FF).sub_(1023)


def _counted(exponents: Tensor) -> Counter[int]:
    """How often each whole number is there."""
    if not exponents.numel():
        return Counter()
    low = int(exponents.min())
    counts = torch.bincount(exponents - low).tolist()
    return Counter({low + at: count for at, count in enumerate(counts) if count})
