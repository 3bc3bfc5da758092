"""One training step of a model in which no number is computed, counted by the Lab's own memory instrument.

Tensors are fake: they have shapes, types and storages of a size, and no memory behind them (PyTorch's
``FakeTensorMode``). The lane, its recipe and the instrument are those that a burst runs, so that a plan counts what the
Lab measures, temporaries included, and a model of any size can be counted anywhere.

A deep model is traced with three and with four layers that are alike. Every part of memory, and the peak within each
phase of the step, is then a straight line in the number of layers, and is read off at the model's own depth. Within a
phase the peak may not be: hence phases are bounded by where the layers begin and end, forward and backward.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensor, FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode

from explorer import devices, recipes
from explorer.burst.config import OPTIMIZERS, parse_config
from explorer.burst.lane import Lane
from explorer.burst.memory import Memory
from explorer.devices import intercept
from explorer.planner.autocast import GpuRules
from explorer.planner.subject import Subject, layers_of
from explorer.recipes.quantize import Quantizer

SHALLOW, LESS_SHALLOW = 3, 4
"""Depths from which a deeper model is read off: with three there is a first layer, a last one and one between."""

PHASES = ("forward", "layers forward", "head forward", "head backward", "last layer backward", "layers backward",
          "first layer backward", "backward", "update")  # fmt: skip
"""Of a step, in order. The layers' phases are missing in a model without a row of layers that are alike."""


@dataclass
class Peak:
    """The most that lived at one moment of a phase, beside weights and optimizer state; and the gradients in it."""

    live: int = 0
    gradients: int = 0


@dataclass
class Trace:
    """What one step came to, in bytes; the names are those of the Lab's memory readings.

    ``phases`` has the peak of each phase; ``logits`` is the part of the activations that the loss keeps, and
    ``master_weights`` counts weights in a wider format than the model's own.
    """

    weights: int
    master_weights: int
    gradients: int
    optimizer: int
    activations: int
    cast_cache: int
    logits: int
    phases: dict[str, Peak] = field(default_factory=dict)

    def at_depth(self, other: Trace, layers: int) -> Trace:
        """That of a model with so many layers, from this one of :data:`SHALLOW` layers and another of one more."""

        def line(here: int, there: int) -> int:
            return here + (there - here) * (layers - SHALLOW)

        parts = ("weights", "master_weights", "gradients", "optimizer", "activations", "cast_cache", "logits")
        return Trace(
            **{part: line(getattr(self, part), getattr(other, part)) for part in parts},
            phases={
                name: Peak(line(peak.live, other.phases[name].live), line(peak.gradients, other.phases[name].gradients))
                for name, peak in self.phases.items()
                if name in other.phases
            },
        )


def trace(subject: Subject, recipe: str, batch: int, sequence: int, *, optimizer: str, checkpointing: bool,
          attention: str, gpu: bool) -> Trace:  # fmt: skip
    """Take a fake training step of a model.

    Parameters
    ----------
    subject : Subject
        The model.
    recipe : str
        A name of :mod:`explorer.recipes`.
    batch, sequence : int
        What one GPU takes at a time.
    optimizer : str
        A name of :data:`explorer.planner.request.OPTIMIZERS`.
    checkpointing : bool
        Whether layers are computed again in backward.
    attention : str
        ``sdpa`` or ``eager``.
    gpu : bool
        Whether a GPU's rules hold (its autocast, its optimizer's default, its own half products), or this CPU's.
    """
    step = _Step(subject, recipe, batch, sequence, optimizer, checkpointing, attention, gpu)
    depth = subject.count.layers
    if depth is None or depth <= LESS_SHALLOW or not hasattr(subject, "config"):
        return step.taken(None)
    return step.taken(SHALLOW).at_depth(step.taken(LESS_SHALLOW), depth)


def alike(recipe: str) -> str:
    """The first recipe that stores the same as this one on a GPU, so that one trace does for both.

    FP16 takes the bytes of BF16, and rounded operands are as large in any format. TF32 is what a GPU's product makes of
    float32 operands by itself.
    """
    return next(each.name for each in recipes.RECIPES if _stored(each) == _stored(recipes.get(recipe)))


def _stored(recipe: recipes.Recipe) -> tuple:
    width = {"fp16": 2, "bf16": 2}
    along_rows = recipe.converts and recipe.scaling in ("row", "block")
    return (width.get(recipe.weights, 4), width.get(recipe.gradients, 4), width.get(recipe.optimizer_state, 4),
            width.get(recipe.compute, 4), recipe.autocast, recipe.converts, along_rows, recipe.stochastic)  # fmt: skip


@dataclass
class _Step:
    subject: Subject
    recipe: str
    batch: int
    sequence: int
    optimizer: str
    checkpointing: bool
    attention: str
    gpu: bool

    def taken(self, layers: int | None) -> Trace:
        # Measured with real numbers, and then known: which half products this CPU runs itself.
        devices.measured("cpu")
        shapes = self.subject.shapes(self.batch, self.sequence)
        with FakeTensorMode(), _Scalars(), _replacing_parameters(), _transformers(), _kernels(self.gpu):
            model = self.subject.build(layers, self.attention)
            if self.checkpointing:
                _checkpoint(model)
            # A lane copies its model; one without numbers is only ever this lane's.
            model.__deepcopy__ = lambda _: model
            batch = tuple(_given(*each) for each in shapes)
            lane = self._lane(model)
            phases = Phases(lane, every=1)
            phases.prepare(batch, step=0)
            with phases.bounded(lane.model):
                lane.train(batch, [phases])
            return phases.trace(self.checkpointing, self._logits_sizes(batch[1]))

    def _lane(self, model: nn.Module) -> Lane:
        recipe = recipes.get(self.recipe)
        settings: dict[str, Any] = {"recipe": self.recipe}
        if recipe.scaler:
            # The scaler holds a few bytes, and asks whether gradients are finite: there are none.
            settings["scaler"] = {"enabled": False}
        known = self.optimizer if self.optimizer in OPTIMIZERS else "sgd"
        config = parse_config({"model": "mlp", "lanes": [settings], "optimizer": known})
        lane = Lane(config, config.lanes[0], model, torch.device("cpu"))
        made = OTHER_OPTIMIZERS.get(self.optimizer)
        if made is not None:
            lane.optimizer = made(lane.parameters)
        if self.gpu and self.optimizer != "adamw-fused":
            for group in lane.optimizer.param_groups:
                if "foreach" in group:
                    group["foreach"] = True
        return lane

    def _logits_sizes(self, targets: Tensor) -> set[int]:
        vocabulary = getattr(getattr(self.subject, "config", None), "vocab_size", None)
        if vocabulary is None:
            return set()
        return {targets.numel() * vocabulary * width for width in (2, 4)}


OTHER_OPTIMIZERS: dict[str, Callable[[list[nn.Parameter]], torch.optim.Optimizer]] = {
    "adamw-fused": lambda parameters: torch.optim.AdamW(parameters, fused=True),
    "momentum": lambda parameters: torch.optim.SGD(parameters, lr=1e-3, momentum=0.9),
    "adafactor": lambda parameters: torch.optim.Adafactor(parameters),
}
"""Those that a lane does not know by themselves."""


def _given(shape: tuple[int, ...], dtype: torch.dtype, whole: bool) -> Tensor:
    """An input or a target; one that is not whole is part of longer rows, as the tokens that follow each are."""
    if whole:
        return torch.empty(shape, dtype=dtype)
    return torch.empty((*shape[:-1], shape[-1] + 1), dtype=dtype)[..., 1:]


class Phases(Memory):
    """The memory instrument, and beside its reading the peak of each phase of the step."""

    @contextlib.contextmanager
    def bounded(self, model: nn.Module) -> Iterator[None]:
        """Note the moments at which the model's layers begin and end, in the step that is taken within."""
        self._moments: dict[str, float] = {}
        row = layers_of(model)
        handles = []
        if row is not None:
            handles += [
                row[0].register_forward_pre_hook(self._layers_begin, with_kwargs=True),
                row[-1].register_forward_hook(self._layers_end),
                row[0].register_forward_hook(self._first_layer_ends),
                row[-1].register_forward_pre_hook(self._last_layer_begins, with_kwargs=True),
            ]
        yield
        for handle in handles:
            handle.remove()

    def after_forward(self) -> None:
        """The loss is known."""
        super().after_forward()
        self._note("loss")
        self._at_loss = list(self._live.alive.values())

    def after_backward(self) -> None:
        """All gradients are there."""
        super().after_backward()
        self._note("gradients")
        self._alive_gradients = {id(self._live.alive[key]) for key in self._gradients if key in self._live.alive}

    def trace(self, checkpointing: bool, logits: set[int]) -> Trace:
        """What the step came to; ``logits`` are the sizes in bytes that tell a storage of logits."""
        reading = self.reading()
        activations = reading["activations"]
        if checkpointing:
            # Inputs of layers that are computed again are held by the checkpoint, not by autograd.
            activations = sum(each.size for each in self._at_loss if not each.is_cast)
        parts = ("weights", "master_weights", "gradients", "optimizer", "cast_cache")
        kept = {each.size for each in self._at_loss} & logits
        return Trace(
            **{part: reading.get(part, 0) for part in parts},
            activations=activations,
            logits=sum(each.size for each in self._at_loss if each.size in kept and not each.is_cast),
            phases=self._steady(self._peaks()),
        )

    def _steady(self, peaks: dict[str, Peak]) -> dict[str, Peak]:
        """The peaks of a later step: the first one makes the optimizer's state in its update, which then is there."""
        peaks["update"].live -= sum(self._optimizer.values())
        return peaks

    def _peaks(self) -> dict[str, Peak]:
        changes = []
        for each in self._live.history:
            gradient = each.size if id(each) in self._alive_gradients else 0
            changes.append((each.born, each.size, gradient))
            if each.died is not None:
                changes.append((each.died, -each.size, -gradient))
        changes.sort(key=lambda change: change[0])
        bounds = self._bounds()
        peaks = {name: Peak() for name, _ in bounds}
        live = gradients = 0
        at = 0
        for moment, size, gradient in changes:
            while at < len(bounds) - 1 and moment > bounds[at][1]:
                at += 1
                peaks[bounds[at][0]] = Peak(live, gradients)
            live, gradients = live + size, gradients + gradient
            if live > peaks[bounds[at][0]].live:
                peaks[bounds[at][0]] = Peak(live, gradients)
        return peaks

    def _bounds(self) -> list[tuple[str, float]]:
        """Each phase and when it ends."""
        moments = self._moments
        inner = ("layers begin", "layers end", "last layer's gradient", "its input's gradient",
                 "first layer's gradient", "embedding's gradient")  # fmt: skip
        if not all(name in moments for name in inner):
            return [("forward", moments["loss"]), ("backward", moments["gradients"]), ("update", float("inf"))]
        ends = (moments["layers begin"], moments["layers end"], moments["loss"], moments["last layer's gradient"],
                moments["its input's gradient"], moments["first layer's gradient"], moments["embedding's gradient"],
                moments["gradients"], float("inf"))  # fmt: skip
        return list(zip(PHASES, ends, strict=True))

    def _note(self, moment: str) -> None:
        self._moments.setdefault(moment, time.perf_counter())

    def _when_gradient_comes(self, tensor: Any, moment: str) -> None:
        tensor = tensor[0] if isinstance(tensor, tuple | list) else tensor
        if isinstance(tensor, Tensor) and tensor.requires_grad:
            tensor.register_hook(lambda _: self._note(moment))

    def _layers_begin(self, _: nn.Module, args: tuple, kwargs: dict[str, Any]) -> None:
        if "layers begin" in self._moments:
            return  # Computed again in backward.
        self._note("layers begin")
        self._when_gradient_comes(args[0] if args else kwargs.get("hidden_states"), "embedding's gradient")

    def _first_layer_ends(self, _: nn.Module, args: tuple, output: Any) -> None:
        if "loss" not in self._moments:
            self._when_gradient_comes(output, "first layer's gradient")

    def _last_layer_begins(self, _: nn.Module, args: tuple, kwargs: dict[str, Any]) -> None:
        if "loss" not in self._moments:
            self._when_gradient_comes(args[0] if args else kwargs.get("hidden_states"), "its input's gradient")

    def _layers_end(self, _: nn.Module, args: tuple, output: Any) -> None:
        if "loss" not in self._moments:
            self._note("layers end")
            self._when_gradient_comes(output, "last layer's gradient")


NUMBERS = (torch.ops.aten._local_scalar_dense.default, torch.ops.aten.item.default, torch.ops.aten.is_nonzero.default)
"""Operations that look at a tensor's one number."""


class _Scalars(TorchDispatchMode):
    """Answers what a step asks of a single number: it is 1, or true. Fake tensors have none."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func in NUMBERS:
            dtype = args[0].dtype
            return 1.0 if dtype.is_floating_point else True if dtype is torch.bool else 1
        return func(*args, **(kwargs or {}))


@contextlib.contextmanager
def _replacing_parameters() -> Iterator[None]:
    """Have ``Module.to`` and its like replace parameters: swapping a fake tensor's insides is refused by PyTorch."""

    def apply(self: nn.Module, function: Callable[[Tensor], Tensor], recurse: bool = True) -> nn.Module:
        made: dict[int, nn.Parameter] = {}
        for module in self.modules() if recurse else [self]:
            for name, parameter in module._parameters.items():
                if parameter is not None:
                    if id(parameter) not in made:
                        changed = function(parameter)
                        same = changed is parameter
                        made[id(parameter)] = (
                            parameter if same else nn.Parameter(changed.detach(), parameter.requires_grad)
                        )
                    module._parameters[name] = made[id(parameter)]
            for name, buffer in module._buffers.items():
                if buffer is not None:
                    module._buffers[name] = function(buffer)
        return self

    before, nn.Module._apply = nn.Module._apply, apply
    try:
        yield
    finally:
        nn.Module._apply = before


@contextlib.contextmanager
def _transformers() -> Iterator[None]:
    """What Transformers would look at numbers for.

    It finds, as with real batches here, that no row holds several sequences; and it draws no weights, which it may do
    over until all of them lie within bounds.
    """
    from transformers import PreTrainedModel, masking_utils

    packed, drawn = masking_utils.find_packed_sequence_indices, PreTrainedModel.initialize_weights
    masking_utils.find_packed_sequence_indices = lambda _: None
    PreTrainedModel.initialize_weights = lambda _: None
    try:
        yield
    finally:
        masking_utils.find_packed_sequence_indices, PreTrainedModel.initialize_weights = packed, drawn


@contextlib.contextmanager
def _kernels(gpu: bool) -> Iterator[None]:
    """The CPU's stand-ins for half products where it needs them, or a GPU's own way."""
    if gpu:
        # Rounding emulated piece by piece would be counted piece by piece; on a GPU it is one operation.
        before, Quantizer.__call__ = Quantizer.__call__, _rounded
        try:
            with GpuRules():
                yield
        finally:
            Quantizer.__call__ = before
        return
    before, intercept.PLAIN = intercept.PLAIN, (*intercept.PLAIN, FakeTensor)
    try:
        yield
    finally:
        intercept.PLAIN = before


def _rounded(_: Quantizer, matrix: Tensor, dim: int = -1) -> Tensor:
    return torch.empty_like(matrix)


def _checkpoint(model: nn.Module) -> None:
    """Have each layer computed again in backward (Chen et al. 2016, arXiv 1604.06174)."""
    if getattr(model, "supports_gradient_checkpointing", False):
        model.activation_checkpointing_enable({"use_reentrant": False, "preserve_rng_state": False})
