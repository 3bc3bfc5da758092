"""FP8 and MX layers on a GPU's own kernels, from torchao, where they run.

torchao is imported here and nowhere else, on a GPU that has the kernels, by a lane whose recipe uses them: on a CPU
its emulation gives bit for bit what :mod:`explorer.recipes.linear` gives (a test holds the two together), costs seconds
and warnings to import, and took longer a step.

Whether the kernels really run is found by running them: one small layer, forward and backward, against the emulation.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import importlib.util
import logging
from collections.abc import Callable, Iterator

import torch
from torch import Tensor, nn

from explorer.recipes.catalogue import Recipe, get
from explorer.recipes.linear import Operands, RoundedLinear

TF32_FROM = (8, 0)
"""Compute capability from which matrix units take TF32 (NVIDIA A100 whitepaper, 2020)."""

FP8_FROM = (8, 9)
"""Compute capability from which they take FP8 (CUDA 12 PTX ISA, ``mma`` with ``.e4m3``)."""

MX_FROM = (10, 0)
"""Compute capability from which they take MX blocks (PTX ISA 8.6, ``tcgen05.mma`` with ``.block_scale``)."""

CLOSE = 0.02
"""Relative distance (2-norms) within which a kernel's result is the emulation's: rowwise products come out in BF16."""


@dataclasses.dataclass(frozen=True)
class Kernels:
    """What a recipe takes from torchao."""

    capability: tuple[int, int]
    make: Callable[[nn.Linear], nn.Module]
    """A layer of torchao's with the parameters of the one given."""
    sizes: int
    """Inputs and outputs of a layer must be multiples of this."""
    rows: int
    """So must the number of rows of its input (samples, tokens)."""


def capability(device: torch.device) -> tuple[int, int]:
    """The compute capability of an NVIDIA GPU; (0, 0) for anything else."""
    if device.type != "cuda" or torch.version.hip is not None:
        return (0, 0)
    return torch.cuda.get_device_capability(device)


def obstacle(recipe: Recipe, device: torch.device) -> str | None:
    """What keeps the device from multiplying in the recipe's format, as the start of a sentence; None: nothing does."""
    if recipe.name == "fp8-unscaled":
        return "No library trains with unscaled FP8"
    if recipe.name not in KERNELS:
        return "torchao's NVFP4 layer, another recipe, also transforms its operands and rounds them stochastically"
    needed = KERNELS[recipe.name].capability
    if capability(device) < needed:
        return f"Only NVIDIA GPUs from compute capability {needed[0]}.{needed[1]} on multiply in it"
    if importlib.util.find_spec("torchao") is None:
        return "torchao, which has the kernels, is not installed"
    return _trial(recipe.name, str(device))


def layer(recipe: Recipe, linear: nn.Linear) -> RoundedLinear:
    """The linear layer on torchao's kernels, or emulated where its sizes do not fit them."""
    kernels = KERNELS[recipe.name]
    if linear.in_features % kernels.sizes or linear.out_features % kernels.sizes:
        return RoundedLinear(linear, Operands.of(recipe))
    with _quietly():
        return NativeLinear(linear, Operands.of(recipe), kernels.make(linear), kernels.rows)


class NativeLinear(RoundedLinear):
    """A linear layer that multiplies on torchao's kernels, and emulates for inputs whose number of rows they refuse."""

    def __init__(self, linear: nn.Linear, operands: Operands, kernels: nn.Module, rows: int) -> None:
        super().__init__(linear, operands)
        # In a tuple, for its parameters are this layer's own and must not be listed twice.
        self._kernels, self._rows = (kernels,), rows

    def forward(self, input: Tensor) -> Tensor:
        """Inputs of shape (…, in_features) to outputs of shape (…, out_features), float32 both."""
        if input.numel() // self.in_features % self._rows:
            return super().forward(input)
        return self._kernels[0](input)


def _float8(name: str) -> Callable[[nn.Linear], nn.Module]:
    def make(linear: nn.Linear) -> nn.Module:
        from torchao.float8 import Float8LinearConfig
        from torchao.float8.float8_linear import Float8Linear

        config = Float8LinearConfig.from_recipe_name(name)
        config = dataclasses.replace(config, pad_inner_dim=True, round_scales_to_power_of_2=True)
        return Float8Linear.from_float(linear, config)

    return make


def _mxfp8(linear: nn.Linear) -> nn.Module:
    from torchao.prototype.moe_training.mxfp8_linear import MXFP8Linear
    from torchao.prototype.mx_formats.config import ScaleCalculationMode

    # The rule of OCP MX 1.0; torchao's default rounds the scale up instead.
    mode = ScaleCalculationMode.FLOOR
    made = MXFP8Linear(linear.in_features, linear.out_features, device="meta", scale_calculation_mode=mode)
    made.weight, made.bias = linear.weight, linear.bias
    return made


KERNELS: dict[str, Kernels] = {
    "fp8-tensorwise": Kernels(FP8_FROM, _float8("tensorwise"), sizes=16, rows=1),
    "fp8-rowwise": Kernels(FP8_FROM, _float8("rowwise"), sizes=16, rows=1),
    "mxfp8": Kernels(MX_FROM, _mxfp8, sizes=128, rows=128),
}
"""By recipe. ``torch._scaled_mm`` takes sizes in multiples of 16; MX scales are laid out in tiles of 128 rows."""


@functools.cache
def _trial(name: str, device: str) -> str | None:
    """Run one layer of 128 inputs and outputs on torchao's kernels and hold it against the emulation."""
    recipe = get(name)
    # Nothing is drawn from the random state, which belongs to a lane.
    wave = torch.arange(3 * 128 * 128, dtype=torch.float32, device=device).mul_(0.7).sin_().view(3, 128, 128)
    x, weight, gradient = wave.unbind()
    with torch.enable_grad():
        results = []
        for make in (functools.partial(layer, recipe), functools.partial(RoundedLinear, operands=Operands.of(recipe))):
            linear = nn.Linear(128, 128, bias=False, device="meta")
            linear.weight = nn.Parameter(weight.clone())
            given = x.clone().requires_grad_()
            try:
                out = make(linear)(given)
                results.append((out, *torch.autograd.grad(out, (given, linear.weight), gradient)))
            except Exception as error:  # whatever a prototype's kernel raises, the emulation still runs
                return f"torchao's kernels do not run here ({type(error).__name__})"
    for ours, emulated in zip(*results, strict=True):
        if not torch.linalg.vector_norm(ours - emulated) <= CLOSE * torch.linalg.vector_norm(emulated):
            return "torchao's kernels give other results here"
    return None


@contextlib.contextmanager
def _quietly() -> Iterator[None]:
    """Keep torchao's import from reporting, on standard error, the kernels it has no use for here."""
    loggers = [logging.getLogger(name) for name in ("torchao", "torch.utils._pytree")]
    levels = [each.level for each in loggers]
    try:
        for each in loggers:
            each.setLevel(logging.ERROR)
        yield
    finally:
        for each, level in zip(loggers, levels, strict=True):
            each.setLevel(level)
