"""The recipes as data.

Sources: Micikevicius et al. 2018, "Mixed Precision Training" (arXiv 1710.03740), section 3, for FP16 with float32
master weights and loss scaling; Kalamkar et al. 2019 (arXiv 1905.12322) for BF16 without scaling; PyTorch's Automatic
Mixed Precision package for which operations autocast runs in the compute format.
"""

from __future__ import annotations

from dataclasses import dataclass

from explorer.errors import look_up


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
        Format of the operands of matrix products and convolutions.
    accumulate : str
        Format in which products are summed.
    gradients : str
        Format of the parameters' gradients as the optimizer gets them.
    autocast : bool
        Whether forward runs under ``torch.autocast`` with the compute format.
    scaler : bool
        Whether the loss may be scaled (``torch.amp.GradScaler``).
    """

    name: str
    label: str
    summary: str
    weights: str
    compute: str
    accumulate: str
    gradients: str
    autocast: bool
    scaler: bool


RECIPES: tuple[Recipe, ...] = (
    Recipe(
        name="fp32",
        label="FP32",
        summary="Everything in float32: the reference the other lanes are held against.",
        weights="fp32",
        compute="fp32",
        accumulate="fp32",
        gradients="fp32",
        autocast=False,
        scaler=False,
    ),
    Recipe(
        name="bf16-amp",
        label="BF16 autocast",
        summary="Float32 master weights, products in BF16: float32's range with 8 significant bits, no loss scaling.",
        weights="fp32",
        compute="bf16",
        accumulate="fp32",
        gradients="fp32",
        autocast=True,
        scaler=False,
    ),
    Recipe(
        name="fp16-amp",
        label="FP16 autocast",
        summary="Float32 master weights, products in FP16: 11 significant bits, a narrow range, so the loss is scaled.",
        weights="fp32",
        compute="fp16",
        accumulate="fp32",
        gradients="fp32",
        autocast=True,
        scaler=True,
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
