"""What a burst is asked to do: :class:`BurstConfig`, its bounds, and the sentence for each thing that is not accepted.

The bounds of a field and the words that describe them are made together, by :func:`whole` and :func:`real`, so that
what is refused and what the sentence says are one fact. The scaler's defaults are those of ``torch.amp.GradScaler``.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from explorer import recipes, workloads
from explorer.errors import InputError

LARGEST_CONFIG_BYTES = 100_000
"""A config is refused unread above this size; the largest sensible one has about 4,000 bytes."""


@dataclass(frozen=True)
class Accepts:
    """The words for what a field takes, carried in its annotation."""

    words: str


def whole(low: int, high: int) -> Any:
    """The type of a whole number from ``low`` to ``high``, both included."""
    words = f"a whole number from {low:,} to {high:,}"
    return Annotated[int, Field(strict=True, ge=low, le=high), Accepts(words)]


def real(words: str, *, ge: float | None = None, gt: float | None = None, le: float | None = None,
         lt: float | None = None) -> Any:  # fmt: skip
    """The type of a finite number within bounds; ``words`` name the bounds."""
    bounds = Field(strict=True, allow_inf_nan=False, ge=ge, gt=gt, le=le, lt=lt)
    return Annotated[float, bounds, Accepts(words)]


def one_of(names: Iterable[str]) -> Any:
    """The type of a name out of a registry."""
    names = tuple(names)
    return Annotated[Literal[names], Accepts("one of " + ", ".join(names))]


class _Part(BaseModel):
    """A part of a config: unknown fields are an error, and what was accepted does not change afterwards."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class ScalerConfig(_Part):
    """Parameters of ``torch.amp.GradScaler``, with its names and its defaults."""

    enabled: Annotated[bool, Field(strict=True), Accepts("true or false")] = True
    init_scale: real("a number above 0, up to 2^126", gt=0, le=2.0**126) = 65536.0
    """The first scale factor. The scale is a float32, so 2^126 leaves one doubling before it is infinite."""
    growth_factor: real("a number above 1, up to 1,024", gt=1, le=1024) = 2.0
    backoff_factor: real("a number between 0 and 1, both excluded", gt=0, lt=1) = 0.5
    growth_interval: whole(1, 1_000_000) = 2000


OPTIMIZERS = ("adamw", "sgd")
MOST_LANES = 4

Optimizer = one_of(OPTIMIZERS)
LearningRate = real("a number above 0, up to 100", gt=0, le=100)
Epsilon = real("a number from 0 to 1", ge=0, le=1)
WeightDecay = real("a number from 0 to 10", ge=0, le=10)
ClipNorm = Annotated[
    real("a number above 0, or null for no clipping", gt=0) | None, Accepts("a number above 0, or null for no clipping")
]
Factor = real("a number above 0, up to 1e30", gt=0, le=1e30)


OVERRIDES = ("optimizer", "learning_rate", "eps", "weight_decay", "clip_norm")
"""Fields of the burst that a lane may set for itself."""


class LaneConfig(_Part):
    """One lane: a recipe, its scaler, and what it does otherwise than the rest of the burst."""

    recipe: one_of(recipes.names())
    name: Annotated[str, Field(min_length=1, max_length=40), Accepts("a text of 1 to 40 characters")] | None = None
    scaler: ScalerConfig | None = None
    # Overrides: None stands for "not given" and is not accepted as a value, but for clip_norm (null: no clipping).
    optimizer: Optimizer = None
    learning_rate: LearningRate = None
    eps: Epsilon = None
    weight_decay: WeightDecay = None
    clip_norm: ClipNorm = None

    @model_validator(mode="after")
    def _complete(self) -> Self:
        """Give a lane without a name its recipe's label, and an FP16 lane without a scaler the default one."""
        recipe = recipes.get(self.recipe)
        if self.scaler is not None and not recipe.scaler:
            given = self.scaler.model_dump()
            raise InputError("scaler", given, f"no scaler in a lane of the recipe {recipe.name}: only fp16-amp scales")
        if self.name is None:
            object.__setattr__(self, "name", recipe.label)
        if recipe.scaler and self.scaler is None:
            object.__setattr__(self, "scaler", ScalerConfig())
        return self


class TraceConfig(_Part):
    """The one scalar whose bits are shown."""

    parameter: Annotated[str, Field(max_length=200), Accepts("a parameter's name, or auto")] = "auto"
    index: Annotated[list[whole(0, 2**31 - 1)], Accepts("a list of whole numbers, one a dimension, or null")] | None = (
        None
    )
    """Position in the parameter, one whole number a dimension; null takes the element in the middle."""


class BurstConfig(_Part):
    """A short mixed-precision training run in one to four lanes, which see the same weights and the same batches."""

    model: one_of(workloads.model_names()) = "gpt2-tiny"
    data: one_of(workloads.DATASETS) | None = None
    steps: whole(1, 100_000) = 100
    batch_size: whole(1, 4_096) = 8
    sequence_length: whole(2, 8_192) = 128
    """Tokens a sequence; models whose inputs are not sequences do not read it."""
    seed: whole(0, 2**32 - 1) = 0
    device: Annotated[
        str,
        Field(max_length=20, pattern=r"^[a-z]+(:\d+)?$"),
        Accepts("auto, cpu, or an accelerator such as cuda or cuda:1"),
    ] = "auto"
    optimizer: Optimizer = "adamw"
    learning_rate: LearningRate = 1e-3
    weight_decay: WeightDecay = 0.0
    eps: Epsilon = 1e-8
    clip_norm: ClipNorm = 1.0
    loss_weight: Factor = 1.0
    """Multiplies the loss before backward, as an auxiliary loss's weight does; the recorded loss is divided by it."""
    input_scale: Factor = 1.0
    """Multiplies the inputs of data whose inputs are real numbers."""
    weight_gain: Factor = 1.0
    """Multiplies the initial weights (matrices and kernels, not biases or norms)."""
    lanes: Annotated[
        list[LaneConfig], Field(min_length=1, max_length=MOST_LANES), Accepts("a list of one to four lanes")
    ]
    trace: TraceConfig = TraceConfig()

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        """Fill in what follows from the model, and refuse what does not go with it."""
        model = workloads.get_model(self.model)
        if self.data is None:
            object.__setattr__(self, "data", model.data)
        elif self.data != model.data:
            raise InputError("data", self.data, f"{model.data} with the model {model.name}")
        longest = model.longest_sequence
        if longest is not None and self.sequence_length > longest:
            raise InputError("sequence_length", self.sequence_length, f"at most {longest} with the model {model.name}")
        if self.input_scale != 1 and not workloads.DATASETS[self.data].real_valued:
            raise InputError("input_scale", self.input_scale, f"1 with the data {self.data}, whose inputs are tokens")
        return self

    def lane_setting(self, lane: LaneConfig, field: str) -> Any:
        """What holds in a lane: its own value of ``field`` where it names one, else the burst's."""
        return getattr(lane if field in lane.model_fields_set else self, field)

    def as_json(self) -> dict[str, Any]:
        """The config as a JSON-able dict that :func:`parse_config` reads back, with everything filled in.

        A lane's overrides are kept only where they were given, so that an explicit null (no clipping in this lane)
        is told apart from nothing said.
        """
        whole_config = self.model_dump(mode="json")
        for lane, written in zip(self.lanes, whole_config["lanes"], strict=True):
            for field in OVERRIDES:
                if field not in lane.model_fields_set:
                    del written[field]
            if lane.scaler is None:
                del written["scaler"]
        return whole_config


def parse_config(given: Any) -> BurstConfig:
    """Read a config from a dict or from JSON text.

    Raises
    ------
    InputError
        With the first field that is not accepted, what it got and what it takes; nothing else is raised.
    """
    if isinstance(given, BurstConfig):
        return given
    if isinstance(given, str | bytes):
        given = _from_text(given)
    if not isinstance(given, dict):
        raise InputError("config", given, "a JSON object")
    try:
        return BurstConfig.model_validate(given)
    except ValidationError as error:
        raise _sentence(error) from None
    except RecursionError:
        raise InputError("config", "a deeply nested value", "a JSON object as documented") from None


def _from_text(text: str | bytes) -> Any:
    if len(text) > LARGEST_CONFIG_BYTES:
        raise InputError("config", f"{len(text):,} bytes", f"at most {LARGEST_CONFIG_BYTES:,} bytes of JSON")
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        raise InputError("config", text if isinstance(text, str) else text.decode("utf-8", "replace"), "JSON") from None


def _sentence(error: ValidationError) -> InputError:
    """The first complaint of pydantic, in the project's own words."""
    first = error.errors(include_url=False)[0]
    place = [part for part in first["loc"] if not _is_branch(part)]
    field = _path(place)
    if first["type"] == "value_error" and isinstance(first["ctx"]["error"], InputError):
        inner = first["ctx"]["error"]
        return InputError(f"{field}.{inner.field}" if field else inner.field, inner.given, inner.accepted)
    if first["type"] == "extra_forbidden":
        there_are = ", ".join(_fields_at(place[:-1]))
        return InputError(field, first["input"], there_are, sentence=f"{field}: no such field; there are {there_are}.")
    if first["type"] == "missing":
        return InputError(field, "nothing", _words_at(place))
    return InputError(field, first["input"], _words_at(place))


def _is_branch(part: str | int) -> bool:
    """Whether pydantic put this into a location to name the branch of a union, not a field."""
    return isinstance(part, str) and ("[" in part or part in {"float", "int", "str", "bool"})


def _path(place: list[str | int]) -> str:
    path = ""
    for part in place:
        path += f"[{part}]" if isinstance(part, int) else f".{part}" if path else str(part)
    return path[:120]


_PARTS: dict[str, type[_Part]] = {"lanes": LaneConfig, "scaler": ScalerConfig, "trace": TraceConfig}


def _part_at(place: list[str | int]) -> type[_Part]:
    part: type[_Part] = BurstConfig
    for name in place:
        part = _PARTS.get(name, part) if isinstance(name, str) else part
    return part


def _fields_at(place: list[str | int]) -> list[str]:
    return list(_part_at(place).model_fields)


def _words_at(place: list[str | int]) -> str:
    """What the field at this place takes, in words."""
    while place and isinstance(place[-1], int) and place[-2:-1] != ["lanes"]:
        place = place[:-1]
    if not place:
        return "a JSON object"
    if isinstance(place[-1], int):
        return "a JSON object with the fields " + ", ".join(LaneConfig.model_fields)
    field = _part_at(place[:-1]).model_fields.get(place[-1])
    words = _words_in(field.metadata) or _words_in(getattr(field.annotation, "__metadata__", ())) or _in_union(field)
    return words or "a JSON object with the fields " + ", ".join(_fields_at(place))


def _in_union(field: Any) -> str | None:
    for branch in getattr(field.annotation, "__args__", ()):
        if words := _words_in(getattr(branch, "__metadata__", ())):
            return words
    return None


def _words_in(metadata: Any) -> str | None:
    return next((item.words for item in metadata if isinstance(item, Accepts)), None)
