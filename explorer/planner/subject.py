"""The model that a plan is about, built without its weights: to be counted, and in any depth to be traced."""

from __future__ import annotations

import copy
import functools
import hashlib
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from explorer import workloads
from explorer.errors import InputError
from explorer.planner.catalogue import NAMED
from explorer.planner.request import PlanRequest, read_config
from explorer.workloads import build
from explorer.workloads.imports import load_transformers

MOST_LAYERS = 2_000
"""More is no model that anyone trains, and would only take long to count."""

USUAL_SEQUENCE = 2_048
"""Tokens a sequence where the person names no number and the model takes as many."""

LEARNED_POSITIONS = re.compile(r"(wpe|position_embeddings|embed_positions)\.weight$")
"""Parameters that have one row a position: a longer sequence cannot be fed."""

IGNORED = ("auto_map", "quantization_config", "torch_dtype", "dtype", "_name_or_path", "transformers_version",
           "_attn_implementation", "attn_implementation", "layer_types", "use_cache")  # fmt: skip
"""Fields that are not read: code that is not Transformers' own, storage formats that the recipe decides, caches."""


Shapes = tuple[tuple[tuple[int, ...], torch.dtype, bool], ...]
"""Of inputs and targets: shape and type of each, and whether its rows lie one behind the other without a gap."""


@dataclass(frozen=True)
class Count:
    """What a model is made of.

    ``parameters`` counts tied weights once, ``units`` are the parameters of each layer and then of all the rest (what
    FSDP gathers at a time), ``tensors`` those of each tensor, ``layers`` how many layers are alike in a row (None where
    there is no such row), and ``positions`` the longest sequence where positions are learned.
    """

    parameters: int
    layers: int | None
    units: tuple[int, ...]
    tensors: tuple[int, ...]
    positions: int | None


class Subject:
    """A model to plan for.

    Attributes
    ----------
    name, label, source : str
        What it is called, and where its shapes are from.
    key : str
        Differs for models whose tensors may differ.
    """

    name: str
    label: str
    source: str
    key: str

    def build(self, layers: int | None = None, attention: str = "sdpa") -> nn.Module:
        """The model in training mode, float32, of that depth; on whatever device or fake mode is current."""
        raise NotImplementedError

    def shapes(self, batch: int, sequence: int) -> Shapes:
        """Shapes and types of a batch's inputs and targets."""
        raise NotImplementedError

    @functools.cached_property
    def count(self) -> Count:
        """Its exact parameter count, from a model on the meta device."""
        with torch.device("meta"):
            return count(self.build())


class LabModel(Subject):
    """A model that bursts train, in its full depth always: it is small, and what it is built of is not known here."""

    source = "built here"

    def __init__(self, name: str) -> None:
        model = workloads.get_model(name)
        self.name, self.label, self.key, self.data = name, model.label, name, model.data

    def build(self, layers: int | None = None, attention: str = "sdpa") -> nn.Module:
        """The model as :func:`explorer.workloads.build.build_model` makes it."""
        return build.build_model(self.name, seed=0)

    def shapes(self, batch: int, sequence: int) -> Shapes:
        """Those of a batch that is drawn as a burst draws it."""
        two = build.build_batches(self.data, 2, sequence, seed=0, model=self.name).next(torch.device("cpu"))
        return tuple(((batch, *each.shape[1:]), each.dtype, each.is_contiguous()) for each in two)


class TransformersModel(Subject):
    """A model of Transformers' own code, given by its config. Code that a config points to is never run."""

    def __init__(self, name: str, label: str, source: str, config: dict[str, Any]) -> None:
        self.name, self.label, self.source = name, label, source
        self._given = {field: value for field, value in config.items() if field not in IGNORED}
        self.config, self._class = _understood(self._given)
        self.key = hashlib.sha256(json.dumps(self._given, sort_keys=True, default=str).encode()).hexdigest()

    @property
    def layers(self) -> int | None:
        """Layers that its config names."""
        return getattr(self.config, "num_hidden_layers", None)

    @property
    def vision(self) -> bool:
        """Whether it takes images."""
        return hasattr(self.config, "image_size") and not hasattr(self.config, "vocab_size")

    def build(self, layers: int | None = None, attention: str = "sdpa") -> nn.Module:
        """The model; its weights are drawn on whatever device is current, which the meta device does not do."""
        config = _understood(self._given)[0] if layers is not None else copy.deepcopy(self.config)
        if layers is not None:
            config.num_hidden_layers = layers
        config.use_cache = False
        config._attn_implementation = attention
        try:
            return self._class(config).float().train()
        except (ValueError, TypeError, KeyError, AttributeError, ImportError, RuntimeError, AssertionError,
                ZeroDivisionError, IndexError) as error:  # fmt: skip
            raise _unbuildable(self.name, error) from None

    def shapes(self, batch: int, sequence: int) -> Shapes:
        """Token ids and a target for each, or images and a class for each."""
        one, each = ((batch,), torch.int64, True), ((batch, sequence), torch.int64, True)
        if self.vision:
            side = self.config.image_size
            sides = tuple(side) if isinstance(side, list | tuple) else (side, side)
            return ((batch, getattr(self.config, "num_channels", 3), *sides), torch.float32, True), one
        return each, one if _sequence_classes(self._class) else each


def _sequence_classes(kind: type) -> bool:
    return kind.__name__.endswith("ForSequenceClassification")


def subject_of(request: PlanRequest) -> Subject:
    """The model that a request names.

    Raises
    ------
    InputError
        The config is none that Transformers' own code can build, or the hub cannot be reached.
    """
    if request.config is not None:
        return TransformersModel("config", _label(request.config), "a config that was given", request.config)
    if request.model in NAMED:
        named = NAMED[request.model]
        return TransformersModel(named.name, named.label, named.source, named.config)
    if request.model.startswith("hub:"):
        name = request.model.removeprefix("hub:")
        source = f"https://huggingface.co/{name}"
        return TransformersModel(request.model, name, source, fetched(name))
    return LabModel(request.model)


def fetched(name: str) -> dict[str, Any]:
    """The ``config.json`` of a model on the Hugging Face hub; nothing else of it is fetched."""
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError, OfflineModeIsEnabled

    def refused(reason: str) -> InputError:
        accepted = "a model whose config can be fetched"
        return InputError("model", f"hub:{name}", accepted, sentence=f"model: hub:{name} {reason}.")

    try:
        path = hf_hub_download(name, "config.json", etag_timeout=10)
    except (LocalEntryNotFoundError, OfflineModeIsEnabled, OSError) as error:
        if isinstance(error, HfHubHTTPError):
            raise refused("is not on the Hugging Face hub, or not open to everyone") from None
        raise refused(
            "cannot be fetched: the Hugging Face hub is not reached from here; paste its config.json"
        ) from None
    with open(path, "rb") as file:
        return read_config(file.read())


def _label(config: dict[str, Any]) -> str:
    name = config.get("_name_or_path")
    return name[:60] if isinstance(name, str) and name else f"{config['model_type'][:40]} config"


def _understood(given: dict[str, Any]) -> tuple[Any, type]:
    """Transformers' config object and the class that a model of it trains as."""
    transformers = load_transformers()
    from transformers import AutoConfig, PreTrainedModel

    fields = {field: value for field, value in given.items() if field != "model_type"}
    try:
        config = AutoConfig.for_model(given["model_type"], **copy.deepcopy(fields))
    except ValueError as error:
        if "Unrecognized model identifier" not in str(error):
            raise _unbuildable("config", error) from None
        accepted = "a model type of Transformers, such as gpt2, llama, qwen3, mistral, bert, vit"
        raise InputError("config.model_type", given["model_type"], accepted) from None
    except Exception as error:
        raise _unbuildable("config", error) from None
    depth = getattr(config, "num_hidden_layers", 1)
    if not isinstance(depth, int) or isinstance(depth, bool) or not 1 <= depth <= MOST_LAYERS:
        raise InputError("config.num_hidden_layers", depth, f"a whole number from 1 to {MOST_LAYERS:,}")
    names = given.get("architectures") or []
    for name in names if isinstance(names, list) else []:
        kind = getattr(transformers, name, None) if isinstance(name, str) and name.isidentifier() else None
        if (isinstance(kind, type) and issubclass(kind, PreTrainedModel) and "For" in name) or str(name).endswith(
            "LMHeadModel"
        ):
            return config, kind
    for table in (transformers.MODEL_FOR_CAUSAL_LM_MAPPING, transformers.MODEL_FOR_MASKED_LM_MAPPING,
                  transformers.MODEL_FOR_IMAGE_CLASSIFICATION_MAPPING):  # fmt: skip
        if type(config) in table:
            return config, table[type(config)]
    raise InputError(
        "config.architectures", names, "a model that predicts tokens or classes of images",
        sentence=f"config.model_type: {given['model_type'][:40]} has no model in Transformers that predicts tokens or "
        "classes of images.",
    )  # fmt: skip


def _unbuildable(name: str, error: BaseException) -> InputError:
    said = " ".join(str(error).split())[:200]
    return InputError(
        name, "", "", sentence=f"config: Transformers cannot build a model of it: {said or type(error).__name__}."
    )


def untraceable(name: str, error: BaseException) -> InputError:
    """A model that can be built, and not be fed tokens or images alone."""
    said = " ".join(str(error).split())[:200]
    sentence = f"config: no training step of this model can be traced: {said or type(error).__name__}."
    return InputError(name, "", "", sentence=sentence)


def layers_of(model: nn.Module) -> nn.ModuleList | None:
    """The row of layers that are alike: the longest ``ModuleList`` of two or more modules of one class."""
    rows = [
        module for module in model.modules()
        if isinstance(module, nn.ModuleList) and len(module) >= 2 and len({type(each) for each in module}) == 1
    ]  # fmt: skip
    return max(rows, key=len, default=None)


def count(model: nn.Module) -> Count:
    """Count a model's parameters: tied weights once, and by unit."""
    sizes = {id(parameter): parameter.numel() for parameter in model.parameters()}
    row = layers_of(model)
    units = [sum(parameter.numel() for parameter in layer.parameters()) for layer in row or []]
    shapes = [parameter.shape for name, parameter in model.named_parameters() if LEARNED_POSITIONS.search(name)]
    alike = row is not None and len(set(_signatures(row))) == 1
    return Count(
        parameters=sum(sizes.values()),
        layers=len(row) if alike else None,
        tensors=tuple(sizes.values()),
        units=(*units, sum(sizes.values()) - sum(units)),
        positions=min((shape[0] for shape in shapes), default=None),
    )


def _signatures(row: nn.ModuleList) -> Iterator[tuple]:
    for layer in row:
        yield tuple((name, tuple(parameter.shape)) for name, parameter in layer.named_parameters())
