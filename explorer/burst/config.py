"""What a burst is asked to do: :class:`BurstConfig`, its bounds, and what does not go together.

Types of fields are in :mod:`explorer.burst.fields`, the sentence for what is not accepted in
:mod:`explorer.burst.refusals`. The scaler's defaults are those of ``torch.amp.GradScaler``.
"""

from __future__ import annotations

import json
from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from explorer import recipes, workloads
from explorer.burst.faults import FAULTS
from explorer.burst.fields import Accepts, one_of, or_null, real, string, switch, whole
from explorer.burst.refusals import refusal
from explorer.burst.schedule import SCHEDULES
from explorer.errors import InputError

LARGEST_CONFIG_BYTES = 700_000
"""A config is refused unread above this size: 50,000 characters of text take up to 12 bytes each in ASCII JSON."""

LONGEST_TEXT = 50_000
"""Characters of a person's own text."""

LONGEST_MODEL = 4_096
"""Characters of a model's name, which may be a path."""

LARGEST_BATCH = 65_536
"""Samples that one step may see in all its micro-batches together."""


class _Part(BaseModel):
    """A part of a config: unknown fields are an error, and what was accepted does not change afterwards."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    def _fill(self, field: str, value: Any) -> None:
        """Fill in what follows from other fields. Only while the part is being made."""
        object.__setattr__(self, field, value)


class ScalerConfig(_Part):
    """Parameters of ``torch.amp.GradScaler``, with its names and its defaults."""

    enabled: switch() = True
    init_scale: real("a number above 0, up to 2^126", gt=0, le=2.0**126) = 65536.0
    """The first scale factor. The scale is a float32, so 2^126 leaves one doubling before it is infinite."""
    growth_factor: real("a number above 1, up to 1,024", gt=1, le=1024) = 2.0
    backoff_factor: real("a number between 0 and 1, both excluded", gt=0, lt=1) = 0.5
    growth_interval: whole(1, 1_000_000) = 2000


OPTIMIZERS = ("adamw", "sgd", "adafactor")
MOST_LANES = 4
MOST_FAULTS = 8
MOST_SEEDS = 5

Optimizer = one_of(OPTIMIZERS)
LearningRate = real("a number above 0, up to 100", gt=0, le=100)
Epsilon = real("a number from 0 to 1", ge=0, le=1)
WeightDecay = real("a number from 0 to 10", ge=0, le=10)
ClipNorm = or_null(real("a number above 0", gt=0), "a number above 0, or null for no clipping")
Factor = real("a number above 0, up to 1e30", gt=0, le=1e30)


OVERRIDES = ("optimizer", "learning_rate", "eps", "weight_decay", "clip_norm")
"""Fields of the burst that a lane may set for itself."""


class FaultConfig(_Part):
    """Something that goes wrong in a lane on purpose; :data:`explorer.burst.faults.FAULTS` says what each kind is."""

    kind: one_of(FAULTS)
    step: whole(0, 99_999) = 0
    """The step, counted from 0, at which it happens, or from which on where it lasts."""
    factor: or_null(Factor, "a number above 0, up to 1e30") = None
    """How strong it is; filled in with the kind's own, and null in a kind that has none."""
    lasting: or_null(switch(), "true (from that step on) or false (at that step alone)") = None

    @model_validator(mode="after")
    def _complete(self) -> Self:
        """Fill in the kind's own factor and duration, and refuse what the kind does not have."""
        fault = FAULTS[self.kind]
        if self.factor is None:
            self._fill("factor", fault.factor)
        elif fault.factor is None:
            raise InputError("factor", self.factor, f"no factor in the fault {self.kind}")
        if self.lasting is None:
            self._fill("lasting", fault.lasting)
        elif fault.always_lasting and not self.lasting:
            raise InputError("lasting", self.lasting, f"true in the fault {self.kind}, which lasts from its step on")
        return self


class LaneConfig(_Part):
    """One lane: a recipe, its scaler, and what it does otherwise than the rest of the burst."""

    recipe: one_of(recipes.names())
    name: string("a text of 1 to 40 characters", min_length=1, max_length=40) | None = None
    scaler: ScalerConfig | None = None
    faults: Annotated[list[FaultConfig], Field(max_length=MOST_FAULTS), Accepts("a list of up to eight faults")] = []
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
            self._fill("name", recipe.label)
        if recipe.scaler and self.scaler is None:
            self._fill("scaler", ScalerConfig())
        for index, fault in enumerate(self.faults):
            if FAULTS[fault.kind].needs_scaler and not self.scales:
                accepted = "a fault of a lane whose loss is scaled: fp16-amp with its scaler enabled"
                if not recipe.scaler:
                    accepted += f", which the recipe {recipe.name} is not"
                raise InputError(f"faults[{index}].kind", fault.kind, accepted)
        return self

    @property
    def scales(self) -> bool:
        """Whether the lane's loss is scaled."""
        return self.scaler is not None and self.scaler.enabled


class TraceConfig(_Part):
    """The one scalar whose bits are shown."""

    parameter: string("a parameter's name, or auto", max_length=200) = "auto"
    index: or_null(list[whole(0, 2**31 - 1)], "a list of whole numbers, one a dimension, or null") = None
    """Position in the parameter, one whole number a dimension; null takes the element in the middle."""


class BurstConfig(_Part):
    """A short mixed-precision training run in one to four lanes, which see the same weights and the same batches."""

    model: string("the name of a model", max_length=LONGEST_MODEL) = "gpt2-tiny"
    """What :func:`explorer.workloads.accepts` takes: a registered name, ``hub:<owner>/<id>`` or ``path:<folder>``."""
    data: one_of(workloads.DATASETS) | None = None
    text: or_null(
        string("", min_length=1, max_length=LONGEST_TEXT), f"a text of up to {LONGEST_TEXT:,} characters, or null"
    ) = None
    """A person's own text to learn from, in place of the text that comes with the data set ``text``."""
    steps: whole(1, 100_000) = 100
    batch_size: whole(1, 4_096) = 8
    """Samples of one micro-batch; a step sees ``accumulation_steps`` times as many."""
    accumulation_steps: whole(1, 64) = 1
    """Micro-batches whose gradients are summed before one update; their mean is taken."""
    sequence_length: whole(2, 8_192) = 128
    """Tokens a sequence; models whose inputs are not sequences do not read it."""
    seed: whole(0, 2**32 - 1) = 0
    seeds: whole(1, MOST_SEEDS) = 1
    """How many times every lane is trained, each with its own weights and batches: seed, seed + 1, …"""
    device: string(
        "auto, cpu, or an accelerator such as cuda or cuda:1", max_length=20, pattern=r"^[a-z]+(:\d+)?$"
    ) = "auto"  # fmt: skip
    optimizer: Optimizer = "adamw"
    learning_rate: LearningRate = 1e-3
    schedule: one_of(SCHEDULES) = "constant"
    """How the learning rate goes on after the warm-up (:mod:`explorer.burst.schedule`)."""
    warmup_steps: whole(0, 99_999) = 0
    """Steps over which the learning rate rises to its full size."""
    weight_decay: WeightDecay = 0.0
    eps: Epsilon = 1e-8
    clip_norm: ClipNorm = 1.0
    loss_weight: Factor = 1.0
    """Multiplies the loss before backward, as an auxiliary loss's weight does; the recorded loss is divided by it."""
    input_scale: Factor = 1.0
    """Multiplies the inputs of data whose inputs are real numbers."""
    weight_gain: Factor = 1.0
    """Multiplies the initial weights (matrices and kernels, not biases or norms)."""
    eval_every: or_null(whole(1, 100_000), "a whole number from 1 to 100,000, or null for no evaluation") = None
    """Steps from one evaluation on held-out data to the next."""
    lanes: Annotated[
        list[LaneConfig], Field(min_length=1, max_length=MOST_LANES), Accepts("a list of one to four lanes")
    ]
    trace: TraceConfig = TraceConfig()

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        """Fill in what follows from the model, and refuse what does not go together."""
        self._check_workload()
        self._check_training()
        for index, lane in enumerate(self.lanes):
            self._check_faults(lane, f"lanes[{index}].faults")
        return self

    def _check_workload(self) -> None:
        model = workloads.accepts(self.model)
        if self.data is None:
            self._fill("data", model.data)
        elif self.data not in model.datasets:
            raise InputError("data", self.data, f"{' or '.join(model.datasets)} with the model {model.name}")
        longest = model.longest_sequence
        if longest is not None and self.sequence_length > longest:
            raise InputError("sequence_length", self.sequence_length, f"at most {longest} with the model {model.name}")
        if self.input_scale != 1 and not workloads.DATASETS[self.data].real_valued:
            raise InputError("input_scale", self.input_scale, f"1 with the data {self.data}, whose inputs are tokens")
        if self.text is not None and self.data != "text":
            raise InputError("text", self.text, f"null with the data {self.data}: a text of one's own needs text")

    def _check_training(self) -> None:
        samples = self.batch_size * self.accumulation_steps
        if samples > LARGEST_BATCH:
            most = LARGEST_BATCH // self.batch_size
            raise InputError(
                "accumulation_steps",
                self.accumulation_steps,
                f"at most {most} with a batch_size of {self.batch_size:,}: {LARGEST_BATCH:,} samples a step",
            )
        if self.warmup_steps >= self.steps:
            raise InputError("warmup_steps", self.warmup_steps, f"fewer than the {self.steps:,} steps of the burst")
        if self.eval_every is not None and self.eval_every > self.steps:
            raise InputError("eval_every", self.eval_every, f"at most the {self.steps:,} steps of the burst, or null")
        if self.seed + self.seeds > 2**32:
            raise InputError("seeds", self.seeds, f"at most {2**32 - self.seed} from the seed {self.seed} on")

    def _check_faults(self, lane: LaneConfig, place: str) -> None:
        for index, fault in enumerate(lane.faults):
            if fault.step >= self.steps:
                last = self.steps - 1
                raise InputError(f"{place}[{index}].step", fault.step, f"a step of the burst, from 0 to {last:,}")
            if fault.kind == "clip-before-unscale" and self.lane_setting(lane, "clip_norm") is None:
                raise InputError(f"{place}[{index}].kind", fault.kind, "a lane that clips; its clip_norm is null")

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
            if not lane.faults:
                del written["faults"]
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
        raise refusal(error, BurstConfig) from None
    except RecursionError:
        raise InputError("config", "a deeply nested value", "a JSON object as documented") from None


def _from_text(text: str | bytes) -> Any:
    if len(text) > LARGEST_CONFIG_BYTES:
        raise InputError("config", f"{len(text):,} bytes", f"at most {LARGEST_CONFIG_BYTES:,} bytes of JSON")
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        raise InputError("config", text if isinstance(text, str) else text.decode("utf-8", "replace"), "JSON") from None
