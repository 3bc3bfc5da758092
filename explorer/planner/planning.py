"""The answer to a request: what each recipe needs, on each of the GPUs that share the work."""

from __future__ import annotations

import functools
from typing import Any

import torch

from explorer import recipes
from explorer.errors import InputError
from explorer.planner import published, sharding
from explorer.planner.eight_bit import state_bytes
from explorer.planner.explain import formulas, guide
from explorer.planner.request import PlanRequest, parse_request
from explorer.planner.subject import USUAL_SEQUENCE, Subject, TransformersModel, subject_of, untraceable
from explorer.planner.tracing import Peak, Trace, alike, trace

LAB_BATCH, LAB_SEQUENCE, USUAL_BATCH = 8, 128, 1

PARTS = ("weights", "master_weights", "gradients", "optimizer", "activations", "cast_cache")

BYTES = {"fp64": 8, "fp32": 4, "tf32": 4, "fp16": 2, "bf16": 2}
"""Bytes of a stored value; narrower formats are only ever operands of products."""


def plan(given: PlanRequest | dict[str, Any], subject: Subject | None = None) -> dict[str, Any]:
    """Count the memory of training a model.

    Parameters
    ----------
    given : PlanRequest or dict
        What to plan.
    subject : Subject, optional
        The model itself, where the request's name for it may mean another: published models come first.

    Returns
    -------
    dict
        ``model label source parameters layers``, what was counted (``batch sequence optimizer gpus sharding
        checkpointing attention device``), ``recipes``: by name the bytes one GPU needs, ``weights master_weights
        gradients optimizer activations cast_cache total``, of the activations ``logits``, ``largest_at`` (the phase of
        the step in which ``total`` is reached) and ``formulas`` (a sentence for each part); ``guide``, what the
        guide's table says of a model of this size and why it differs; and ``published``, the published formula's
        figure for the activations where there is one.

    Raises
    ------
    InputError
        The request is not accepted, the config is none that can be built, or the hub cannot be reached.
    """
    request = parse_request(given)
    subject = subject or _subject(request)
    batch, sequence = _sizes(request, subject)
    gpu = _is_gpu(request, subject)
    counted = {
        name: _recipe(subject, request, name, batch, sequence, gpu) for name in request.recipes
    }  # fmt: skip
    return {
        "model": subject.name,
        "label": subject.label,
        "source": subject.source,
        "parameters": subject.count.parameters,
        "layers": subject.count.layers,
        "batch": batch,
        "sequence": sequence,
        "optimizer": request.optimizer,
        "gpus": request.gpus,
        "sharding": request.sharding,
        "checkpointing": request.checkpointing,
        "attention": request.attention,
        "device": "gpu" if gpu else "cpu",
        "recipes": counted,
        "guide": guide(subject.count.parameters),
        "published": _published(subject, request, batch, sequence),
    }


def _subject(request: PlanRequest) -> Subject:
    if request.config is not None:
        return subject_of(request)
    return _named_subject(request.model)


@functools.lru_cache(maxsize=64)
def _named_subject(name: str) -> Subject:
    return subject_of(parse_request({"model": name}))


def _sizes(request: PlanRequest, subject: Subject) -> tuple[int, int | None]:
    """Batch and sequence, the model's usual ones where none are given; no sequence for a model of images."""
    if not isinstance(subject, TransformersModel):
        return request.batch or LAB_BATCH, _lab_sequence(request, subject)
    batch = request.batch or USUAL_BATCH
    if subject.vision:
        return batch, None
    positions = subject.count.positions
    longest = positions or getattr(subject.config, "max_position_embeddings", None) or USUAL_SEQUENCE
    sequence = request.sequence or min(longest, USUAL_SEQUENCE)
    if positions is not None and sequence > positions:
        accepted = f"a whole number from 1 to {positions:,} with the model {subject.name}, which has no more positions"
        raise InputError("sequence", sequence, accepted)
    return batch, sequence


def _lab_sequence(request: PlanRequest, subject: Subject) -> int | None:
    from explorer import workloads

    longest = workloads.get_model(subject.name).longest_sequence
    if longest is None:
        return None
    sequence = request.sequence or min(longest, LAB_SEQUENCE)
    if not 2 <= sequence <= longest:
        raise InputError("sequence", sequence, f"a whole number from 2 to {longest:,} with the model {subject.name}")
    return sequence


def _is_gpu(request: PlanRequest, subject: Subject) -> bool:
    """Whose rules count: the Lab's models are counted for where the Lab trains, the others for a GPU."""
    if request.device != "auto":
        return request.device == "gpu"
    return isinstance(subject, TransformersModel) or torch.accelerator.is_available()


def _recipe(subject: Subject, request: PlanRequest, name: str, batch: int, sequence: int | None,
            gpu: bool) -> dict[str, Any]:  # fmt: skip
    traced = _traced(_Keyed(subject), alike(name) if gpu else name, batch, sequence or LAB_SEQUENCE,
                     request.optimizer, request.checkpointing, request.attention, gpu)  # fmt: skip
    whole = {part: getattr(traced, part) for part in PARTS}
    if request.optimizer == "adamw-8bit":
        whole["optimizer"] = sum(state_bytes(size) for size in subject.count.tensors)
    held = {part: sharding.share(part, whole[part], request.sharding, request.gpus) for part in PARTS}
    if sharding.gathers(request.sharding, request.gpus):
        held["cast_cache"] = _gathered(subject, name)
    total, largest_at = _largest(traced, whole, held, request)
    return {
        **held,
        "total": total,
        "logits": traced.logits,
        "largest_at": largest_at,
        "formulas": formulas(recipes.get(name), request, subject.count.parameters, whole, held, largest_at),
    }


class _Keyed:
    """A subject that is equal to another of the same tensors, for the cache."""

    def __init__(self, subject: Subject) -> None:
        self.subject = subject

    def __hash__(self) -> int:
        return hash(self.subject.key)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Keyed) and other.subject.key == self.subject.key


@functools.lru_cache(maxsize=1024)
def _traced(keyed: _Keyed, recipe: str, batch: int, sequence: int, optimizer: str, checkpointing: bool,
            attention: str, gpu: bool) -> Trace:  # fmt: skip
    # The state of the 8-bit optimizer is arithmetic; a step without any is traced.
    known = "sgd" if optimizer == "adamw-8bit" else optimizer
    try:
        return trace(keyed.subject, recipe, batch, sequence, optimizer=known, checkpointing=checkpointing,
                     attention=attention, gpu=gpu)  # fmt: skip
    except (RuntimeError, ValueError, TypeError, AttributeError, AssertionError, KeyError, IndexError) as error:
        if isinstance(error, InputError) or not isinstance(keyed.subject, TransformersModel):
            raise
        raise untraceable(keyed.subject.name, error) from error


def _largest(traced: Trace, whole: dict[str, int], held: dict[str, int], request: PlanRequest) -> tuple[int, str]:
    """The most that lives at once on one GPU, and in which phase of the step."""
    always = held["weights"] + held["master_weights"] + held["optimizer"]
    gathered = held["cast_cache"] - whole["cast_cache"]

    def needs(name: str, peak: Peak) -> int:
        divided = peak.gradients * held["gradients"] // whole["gradients"] if whole["gradients"] else 0
        others = peak.live - peak.gradients
        if name == "update":
            # A GPU updates its own part only, with temporaries for that part; no copy of the weights lives then.
            return sharding.share("optimizer", others, request.sharding, request.gpus) + divided
        return max(0, others + divided + gathered)

    name, peak = max(traced.phases.items(), key=lambda phase: needs(*phase))
    return always + needs(name, peak), name


def _gathered(subject: Subject, recipe: str) -> int:
    """Bytes of the layers whose weights are whole at a time, in the format they are multiplied in."""
    described = recipes.get(recipe)
    width = min(BYTES.get(described.weights, 4), BYTES.get(described.compute, 4) if described.autocast else 4)
    largest = sorted(subject.count.units, reverse=True)[: sharding.GATHERED_UNITS]
    return sum(largest) * width


def _published(subject: Subject, request: PlanRequest, batch: int, sequence: int | None) -> dict[str, Any] | None:
    config = getattr(subject, "config", None)
    shape = [getattr(config, name, None) for name in ("num_hidden_layers", "hidden_size", "num_attention_heads")]
    if sequence is None or not all(isinstance(each, int) for each in shape):
        return None
    activations = published.activations(*shape, batch, sequence, request.attention, request.checkpointing)
    return {"activations": activations, "source": published.CITATION}
