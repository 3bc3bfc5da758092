"""What may be asked of the planner, its bounds, and the sentence for each thing that is not accepted."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any

from explorer import recipes, workloads
from explorer.errors import InputError, look_up
from explorer.planner.catalogue import NAMED
from explorer.workloads import own_models_allowed

OPTIMIZERS = {
    "adamw": "AdamW: two float32 moments; on a GPU PyTorch's default keeps a list of temporaries besides",
    "adamw-fused": "AdamW(fused=True): the same state without the temporaries",
    "adamw-8bit": "AdamW of bitsandbytes: two moments of 8 bits and a float32 scale for every 256 of them",
    "sgd": "SGD without momentum: no state",
    "momentum": "SGD with momentum: one float32 buffer",
    "adafactor": "Adafactor: the second moment as row and column sums",
}
"""Optimizers that can be planned, with a sentence on what each keeps."""

SHARDINGS = {
    "none": "every GPU holds everything (DDP)",
    "zero1": "the optimizer's state is divided",
    "zero2": "optimizer state and gradients are divided",
    "zero3": "optimizer state, gradients and weights are divided",
    "fsdp": "optimizer state, gradients and weights are divided, as in ZeRO 3",
}
"""What is divided among GPUs: Rajbhandari et al. 2020 (arXiv 1910.02054), section 5; FSDP's full shard is stage 3."""

ATTENTIONS = {
    "sdpa": "fused attention (flash), which keeps no matrix of scores",
    "eager": "plain attention, which keeps the scores of every head",
}
DEVICES = ("auto", "cpu", "gpu")

LARGEST_CONFIG_BYTES = 200_000
MOST_BATCH, MOST_SEQUENCE, MOST_GPUS = 65_536, 1_048_576, 65_536


@dataclass(frozen=True, slots=True)
class PlanRequest:
    """A question to the planner, checked.

    Attributes
    ----------
    model : str or None
        A name of :data:`explorer.planner.NAMED` or of the Lab's models, or ``hub:<id>``; None where there is a config.
    config : dict or None
        Transformers' ``config.json`` as it was read.
    recipes : tuple of str
        Recipes to count, in the order of the registry.
    batch : int or None
        Sequences (or images) a GPU takes at a time; None for the model's usual one.
    sequence : int or None
        Tokens in each; None for the model's usual length. Models of images do not read it.
    optimizer, sharding, attention, device : str
        Names out of this module's tables. ``device`` is whose rules of autocast and whose kernels count: ``cpu``,
        ``gpu``, or ``auto``.
    gpus : int
        How many GPUs share the work; ``batch`` is each one's.
    checkpointing : bool
        Whether each layer's activations are computed again in backward rather than kept.
    """

    model: str | None
    config: dict[str, Any] | None
    recipes: tuple[str, ...]
    batch: int | None = None
    sequence: int | None = None
    optimizer: str = "adamw"
    gpus: int = 1
    sharding: str = "none"
    checkpointing: bool = False
    attention: str = "sdpa"
    device: str = "auto"

    def as_json(self) -> dict[str, Any]:
        """As plain JSON that :func:`parse_request` reads back."""
        return {**asdict(self), "recipes": list(self.recipes)}


FIELDS = tuple(PlanRequest.__dataclass_fields__)


def parse_request(given: Any) -> PlanRequest:
    """Check what was asked: a dict with fields of :class:`PlanRequest`, of which ``model`` or ``config`` must be there.

    Raises
    ------
    InputError
        Of the first field that is not accepted.
    """
    if isinstance(given, PlanRequest):
        return given
    if not isinstance(given, dict):
        raise InputError("plan", given, "a JSON object with the fields " + ", ".join(FIELDS))
    for name in given:
        if name not in FIELDS:
            raise InputError(
                str(name), given[name], "", sentence=f"{str(name)[:60]}: no such field; there are {', '.join(FIELDS)}."
            )
    asked = {name: value for name, value in given.items() if value is not None}
    model, config = asked.get("model"), asked.get("config")
    if (model is None) == (config is None):
        raise InputError("model", model, "either a model's name or a config, not both or none")
    return PlanRequest(
        model=None if model is None else _model(model),
        config=None if config is None else read_config(config),
        recipes=_recipes(asked.get("recipes")),
        batch=_whole(asked, "batch", MOST_BATCH),
        sequence=_whole(asked, "sequence", MOST_SEQUENCE),
        optimizer=_name(asked, "optimizer", OPTIMIZERS, "adamw"),
        gpus=_whole(asked, "gpus", MOST_GPUS) or 1,
        sharding=_name(asked, "sharding", SHARDINGS, "none"),
        checkpointing=_flag(asked, "checkpointing"),
        attention=_name(asked, "attention", ATTENTIONS, "sdpa"),
        device=_name(asked, "device", dict.fromkeys(DEVICES), "auto"),
    )


def model_names() -> tuple[str, ...]:
    """Names that need no network: those that come with the package, and the Lab's."""
    return (*NAMED, *workloads.model_names())


def _model(given: Any) -> str:
    if isinstance(given, str) and given.startswith("hub:") and own_models_allowed():
        return _hub(given)
    if not isinstance(given, str) or given not in model_names():
        accepted = "one of " + ", ".join(model_names()) + (", or hub:<id>" if own_models_allowed() else "")
        raise InputError("model", given, accepted)
    return given


def _hub(given: str) -> str:
    parts = given.removeprefix("hub:").split("/")
    named = all(part and part.replace("-", "").replace("_", "").replace(".", "").isalnum() for part in parts)
    if not (named and len(parts) <= 2 and len(given) <= 120 and given.isascii() and ".." not in given):
        raise InputError("model", given, "hub: and the id of a model, such as hub:openai-community/gpt2")
    return given


def read_config(given: Any) -> dict[str, Any]:
    """A ``config.json`` as a dict: from JSON text, or a dict as it is.

    Raises
    ------
    InputError
        It is no JSON object, or says nothing of what model it describes.
    """
    if isinstance(given, str | bytes):
        if len(given) > LARGEST_CONFIG_BYTES:
            raise InputError("config", f"{len(given):,} bytes", f"at most {LARGEST_CONFIG_BYTES:,} bytes of JSON")
        text = given if isinstance(given, str) else given.decode("utf-8", "replace")
        try:
            given = json.loads(text)
        except (ValueError, RecursionError):
            raise InputError("config", text, "the JSON of a Transformers config.json") from None
    if not isinstance(given, dict):
        raise InputError("config", given, "the JSON object of a Transformers config.json")
    if not isinstance(given.get("model_type"), str):
        raise InputError("config.model_type", given.get("model_type"),
                         "the model type that every Transformers config.json names, such as llama")  # fmt: skip
    return given


def _recipes(given: Any) -> tuple[str, ...]:
    if given is None or given == []:
        return recipes.names()
    if isinstance(given, str):
        given = [given]
    if not isinstance(given, list | tuple):
        raise InputError("recipes", given, "a list of " + ", ".join(recipes.names()))
    for name in given:
        recipes.get(name)
    return tuple(name for name in recipes.names() if name in given)


def _whole(asked: dict[str, Any], field: str, most: int) -> int | None:
    value = asked.get(field)
    if value is None:
        return None
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= most:
        raise InputError(field, value, f"a whole number from 1 to {most:,}")
    return value


def _name(asked: dict[str, Any], field: str, table: dict[str, Any], usual: str) -> str:
    value = asked.get(field, usual)
    look_up(field, value, table)
    return value


def _flag(asked: dict[str, Any], field: str) -> bool:
    value = asked.get(field, False)
    if not isinstance(value, bool):
        raise InputError(field, value, "true or false")
    return value
