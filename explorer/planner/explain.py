"""Sentences on each figure of a plan, and on where the guide's table of memory differs from it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from explorer.planner.published import CITATION
from explorer.planner.sharding import GATHERED_UNITS, gathers

if TYPE_CHECKING:
    from explorer.planner.request import PlanRequest
    from explorer.recipes import Recipe

ZERO = "Rajbhandari et al. 2020, arXiv 1910.02054"
STATE = {
    "adamw": "two moments for each parameter, and a step count for each tensor",
    "adamw-fused": "two moments for each parameter, and a step count for each tensor",
    "adamw-8bit": "two moments of one byte and a float32 scale for every 256 (Dettmers et al. 2022, arXiv 2110.02861)",
    "sgd": "nothing",
    "momentum": "one buffer for each parameter",
    "adafactor": "a row and a column of the second moment for each matrix (Shazeer and Stern 2018, arXiv 1804.04235)",
}

WHEN = {
    "forward": "on the way forward",
    "layers forward": "in a layer, on the way forward",
    "head forward": "behind the last layer, where logits and loss are made",
    "head backward": "at the start of backward, where the loss gives the gradient of the logits",
    "last layer backward": "in the last layer, the first that backward goes through",
    "layers backward": "in the layers, on the way back",
    "first layer backward": "in the first layer, the last that backward goes through",
    "backward": "on the way back",
    "update": "in the update, where the optimizer needs temporaries: on a GPU PyTorch's default (foreach) makes a "
    "list of them as large as the weights, and fused=True makes none",
}
"""In words, by the phase of the step."""

GUIDE_BYTES = 8
"""Bytes a parameter in the guide's FP32 column: 56 GB for 7 billion, 8 GB for one, 560 GB for 70."""

GUIDE_MIXED = {1: 4.5, 7: 32.0, 13: 60.0, 70: 320.0}
"""The guide's mixed-precision column: GB by billions of parameters."""

GUIDE_FULL = {1: 8.0, 7: 56.0, 13: 104.0, 70: 560.0}
"""The guide's FP32 column."""

LIKE = 0.15
"""Share by which a model may differ from a size in the guide's table to be held against it."""


def formulas(recipe: Recipe, request: PlanRequest, parameters: int, whole: dict[str, int],
             held: dict[str, int], largest_at: str) -> dict[str, str]:  # fmt: skip
    """A sentence for each part: where its bytes come from."""
    count = f"{parameters:,} parameters"

    def each(part: str) -> str:
        return f"{whole[part] / parameters:.3g} bytes" if parameters else "0 bytes"

    def divided(part: str) -> str:
        return f", divided by {request.gpus:,} GPUs ({ZERO})" if held[part] != whole[part] else ""

    said = {
        "weights": f"{count} × {each('weights')} ({recipe.weights}, buffers included){divided('weights')}.",
        "master_weights": "A copy of the weights in a wider format" + divided("master_weights") + "."
        if whole["master_weights"] else "None: the optimizer works on the weights themselves.",
        "gradients": f"{count} × {each('gradients')} ({recipe.gradients}){divided('gradients')}.",
        "optimizer": f"{request.optimizer}: {STATE[request.optimizer]}; {each('optimizer')} a parameter"
        f"{divided('optimizer')}.",
        "activations": _activations(request),
        "cast_cache": _casts(recipe, request, whole),
        "total": "The most that is alive at one moment of a step, temporaries included. The parts reach their most at "
        f"different moments, so it is not their sum. It is reached {WHEN[largest_at]}.",
    }  # fmt: skip
    return said


def _activations(request: PlanRequest) -> str:
    if request.checkpointing:
        return "The inputs of every layer, which is computed again in backward, and what lies behind the last: traced."
    scores = " with every head's matrix of scores" if request.attention == "eager" else ""
    return f"What autograd keeps for backward{scores}, traced through one step. Published formula: {CITATION}."


def _casts(recipe: Recipe, request: PlanRequest, whole: dict[str, int]) -> str:
    if gathers(request.sharding, request.gpus):
        return f"The weights of {GATHERED_UNITS} units, gathered from all GPUs: the one at work and the next."
    if whole["cast_cache"]:
        return f"Autocast's copies of the weights in {recipe.compute}, which live until backward has used them."
    return "None: no weight is copied into another format."


def guide(parameters: int) -> dict[str, Any] | None:
    """What the guide's table says of a model of about that size, in GB, and why a plan says otherwise.

    Returns None where the table has no such size.
    """
    near = [size for size in GUIDE_FULL if abs(parameters / 1e9 / size - 1) <= LIKE]
    if not near:
        return None
    size = near[0]
    state = {name: parameters * width / 1e9 for name, width in
             (("weights", 4), ("gradients", 4), ("adamw", 8), ("sum", 16))}  # fmt: skip
    return {
        "size": f"{size}B",
        "fp32_gb": GUIDE_FULL[size],
        "mixed_gb": GUIDE_MIXED[size],
        "counted_gb": state,
        "reason": (
            f"The guide gives {GUIDE_FULL[size]:g} GB in FP32 for {size} billion parameters: {GUIDE_BYTES} bytes each, "
            f"which is weights and gradients alone. AdamW's two moments add {state['adamw']:.0f} GB: "
            f"{state['sum']:.0f} GB for {parameters:,} parameters, before any activation. Its {GUIDE_MIXED[size]:g} GB "
            "for mixed precision is met by no recipe: autocast keeps weights, gradients and moments in float32, and "
            "adds copies of the weights. Only storing them in half (the pure recipes) halves them."
        ),
    }
