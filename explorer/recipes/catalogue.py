"""The recipes as data.

Sources: Micikevicius et al. 2018, "Mixed Precision Training" (arXiv 1710.03740), section 3, for FP16 with float32
master weights and loss scaling; Kalamkar et al. 2019 (arXiv 1905.12322) for BF16 without scaling; Micikevicius et al.
2022, "FP8 Formats for Deep Learning" (arXiv 2209.05433), section 3, for E4M3 forward and E5M2 backward; Rouhani et al.
2023, "Microscaling Data Formats for Deep Learning" (arXiv 2310.10537), section 5, for MX blocks on the operands of
every product; NVIDIA 2025 (arXiv 2509.25149) for NVFP4; Gupta et al. 2015 (arXiv 1502.02551), section 3, for stochastic
rounding of stored weights; PyTorch's Automatic Mixed Precision package for which operations autocast runs in the
compute format, and torchao.float8 for the two scaled FP8 recipes.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

from explorer.errors import look_up

Scaling = Literal["none", "tensor", "row", "block"]
Layers = Literal["products", "linear"]


@dataclass(frozen=True, slots=True)
class Recipe:
    """One way to use number formats in a training step. Formats are names of :mod:`explorer.formats`.

    Attributes
    ----------
    name : str
        The name in configs, commands and files.
    label : str
        The name for people.
    summary : str
        One sentence: what it does, for a person who chooses.
    weights : str
        Format in which the optimizer keeps the weights. Under autocast these are the master weights.
    compute : str
        Format of the operands of products in the forward pass: activations and weights.
    needs : str
        One sentence: which hardware or library makes it native, and what else it asks for.
    backward : str or None
        Format of the output gradients as the two products of a backward pass take them; None: the compute format.
    accumulate : str
        Format in which products are summed.
    gradients : str
        Format of the parameters' gradients as the optimizer gets them.
    optimizer_state : str
        Format of what the optimizer keeps beside the weights (moments).
    layers : {"products", "linear"}
        Which layers multiply in the compute format: all matrix products and convolutions, or all linear layers but the
        head (the layer that gives the logits), each of which is converted.
    scaling : {"none", "tensor", "row", "block"}
        What shares one scale when an operand is rounded: nothing is scaled; the whole operand; each row along which
        the product sums; each block of it, by the block format's own rule.
    autocast : bool
        Whether forward runs under ``torch.autocast`` with the compute format.
    scaler : bool
        Whether the loss may be scaled (``torch.amp.GradScaler``).
    stochastic : bool
        Whether the stored weights are rounded stochastically after an update computed in float32.
    """

    name: str
    label: str
    summary: str
    weights: str
    compute: str
    needs: str
    backward: str | None = None
    accumulate: str = "fp32"
    gradients: str = "fp32"
    optimizer_state: str = "fp32"
    layers: Layers = "products"
    scaling: Scaling = "none"
    autocast: bool = False
    scaler: bool = False
    stochastic: bool = False

    @property
    def gradient_operand(self) -> str:
        """Format of output gradients as operands of the backward products."""
        return self.backward or self.compute

    @property
    def converts(self) -> bool:
        """Whether linear layers are replaced by ones that round their operands."""
        return self.layers == "linear"

    def as_data(self) -> dict[str, Any]:
        """All of it as plain data for JSON."""
        return asdict(self) | {"backward": self.gradient_operand}


_EVERYWHERE = "Nothing: every device multiplies in float32."
_HALVES = "A CPU with AVX512-{0} or AMX, or any recent GPU, to be faster; elsewhere products run in float32 instead."
_FP8 = "An NVIDIA GPU of compute capability 8.9 or later and torchao; linear layers of 16 n inputs and outputs."

RECIPES: tuple[Recipe, ...] = (
    Recipe(
        name="fp32",
        label="FP32",
        summary="Everything in float32: the reference the other lanes are held against.",
        weights="fp32",
        compute="fp32",
        needs=_EVERYWHERE,
    ),
    Recipe(
        name="tf32",
        label="TF32",
        summary="Float32 everywhere, but products take 11 significant bits of each operand and all of its range.",
        weights="fp32",
        compute="tf32",
        needs="An NVIDIA GPU of compute capability 8.0 or later.",
    ),
    Recipe(
        name="bf16-amp",
        label="BF16 autocast",
        summary="Float32 master weights, products in BF16: float32's range with 8 significant bits, no loss scaling.",
        weights="fp32",
        compute="bf16",
        needs=_HALVES.format("BF16"),
        autocast=True,
    ),
    Recipe(
        name="fp16-amp",
        label="FP16 autocast",
        summary="Float32 master weights, products in FP16: 11 significant bits, a narrow range, so the loss is scaled.",
        weights="fp32",
        compute="fp16",
        needs=_HALVES.format("FP16"),
        autocast=True,
        scaler=True,
    ),
    Recipe(
        name="bf16-pure",
        label="BF16 pure",
        summary="Weights, gradients and optimizer state in BF16: half the memory, and small updates are rounded away.",
        weights="bf16",
        compute="bf16",
        needs=_HALVES.format("BF16"),
        gradients="bf16",
        optimizer_state="bf16",
    ),
    Recipe(
        name="fp16-pure",
        label="FP16 pure",
        summary="Weights, gradients and optimizer state in FP16: AdamW's default eps is 0 there, so it divides 0 by 0.",
        weights="fp16",
        compute="fp16",
        needs=_HALVES.format("FP16") + " AdamW needs an eps of about 1e-4.",
        gradients="fp16",
        optimizer_state="fp16",
    ),
    Recipe(
        name="bf16-pure-stochastic",
        label="BF16 pure, stochastic",
        summary="BF16 weights, updated in float32 and rounded up or down by chance: small updates survive on average.",
        weights="bf16",
        compute="bf16",
        needs=_HALVES.format("BF16"),
        gradients="bf16",
        stochastic=True,
    ),
    Recipe(
        name="fp8-tensorwise",
        label="FP8 tensorwise",
        summary="Linear layers multiply in E4M3 forward and E5M2 backward; each tensor has one scale, a power of two.",
        weights="fp32",
        compute="e4m3fn",
        backward="e5m2",
        needs=_FP8,
        layers="linear",
        scaling="tensor",
    ),
    Recipe(
        name="fp8-rowwise",
        label="FP8 rowwise",
        summary="Linear layers multiply in E4M3, gradients too; each row of an operand has its own scale.",
        weights="fp32",
        compute="e4m3fn",
        needs=_FP8,
        layers="linear",
        scaling="row",
    ),
    Recipe(
        name="fp8-unscaled",
        label="FP8 unscaled",
        summary="Plain casts to E4M3 and E5M2 without scales: what is too small becomes 0; why FP8 needs scales.",
        weights="fp32",
        compute="e4m3fn",
        backward="e5m2",
        needs="Nothing: it is a demonstration, emulated everywhere.",
        layers="linear",
    ),
    Recipe(
        name="mxfp8",
        label="MXFP8",
        summary="Linear layers multiply in E4M3; every 32 elements share a power of two as their scale.",
        weights="fp32",
        compute="mxfp8-e4m3",
        needs="An NVIDIA GPU of compute capability 10.0 or later and torchao's prototype layer.",
        layers="linear",
        scaling="block",
    ),
    Recipe(
        name="nvfp4",
        label="NVFP4",
        summary="Linear layers multiply in 4 bits; 16 elements share an E4M3 scale, and a tensor a float32 one.",
        weights="fp32",
        compute="nvfp4",
        needs="Nothing: emulated everywhere, for the kernels there are also transform and round stochastically.",
        layers="linear",
        scaling="block",
    ),
)

_BY_NAME = {recipe.name: recipe for recipe in RECIPES}


def names() -> tuple[str, ...]:
    """The names of all recipes, in the order in which they are offered."""
    return tuple(_BY_NAME)


def get(name: str) -> Recipe:
    """The recipe of that name.

    Raises
    ------
    InputError
        There is no such recipe; the sentence lists those there are.
    """
    return look_up("recipe", name, _BY_NAME)
