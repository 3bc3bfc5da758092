"""A person's own models by name: ``hub:<owner>/<id>`` from the Hugging Face hub, ``path:<folder>`` from this machine.

What can be told without torch and without the network is told here, when a config is read; the rest when the burst
loads the model (:mod:`explorer.workloads.pretrained`).
"""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

from explorer.errors import InputError
from explorer.workloads.catalogue import AUTO, MODELS, Model

LONGEST_UNKNOWN = 8192
"""Tokens in the longest sequence of a model that does not say, or that is not on this machine yet."""

HUB_ID = re.compile(r"(?=.{3,96}\Z)[A-Za-z0-9_][\w.-]*/[A-Za-z0-9_][\w.-]*", re.ASCII)
"""``owner/id`` as ``huggingface_hub.utils.validate_repo_id`` has it, with the owner required."""

LARGEST_JSON_BYTES = 20_000_000
"""A config or an index is not read above this size; the index of the largest models has about two million bytes."""

PICKLES = (".bin", ".pt", ".pth", ".ckpt", ".pkl", ".pickle")
"""Endings of weight files that run code when they are read."""

POSITIONS = ("max_position_embeddings", "n_positions", "n_ctx", "max_seq_len")
"""Names under which configs say how many positions there are."""


OWN_MODELS = "EXPLORER_OWN_MODELS"
"""Environment variable with which an operator says ``no`` to people's own models, in this process and its workers."""


def accepts(name: object, allow_hub: bool | None = None) -> Model:
    """The model of that name: one of those built here, or a person's own.

    Parameters
    ----------
    name : str
        A name of :data:`explorer.workloads.MODELS`, ``hub:<owner>/<id>`` or ``path:<folder>``.
    allow_hub : bool, optional
        Whether a person's own models are taken, from the hub or from a folder; a public server may say no. Left out,
        :data:`OWN_MODELS` decides.

    Raises
    ------
    InputError
        There is no such model, the id is none, or the folder does not hold a model that a burst can train.
    """
    if allow_hub is None:
        allow_hub = own_models_allowed()
    kind, colon, rest = name.partition(":") if isinstance(name, str) else ("", "", "")
    if not colon or kind not in ("hub", "path"):
        if isinstance(name, str) and name in MODELS:
            return MODELS[name]
        own = ", hub:<owner>/<id> or path:<folder>" if allow_hub else ""
        raise InputError("model", name, "one of " + ", ".join(MODELS) + own)
    if not allow_hub:
        accepted = "one of " + ", ".join(MODELS)
        sentence = f"model: this server takes no models from the hub or from folders, only {accepted}."
        raise InputError("model", name, accepted, sentence=sentence)
    return _from_hub(rest) if kind == "hub" else _from_folder(rest)


def own_models_allowed() -> bool:
    """Whether the operator takes people's own models; see :data:`OWN_MODELS`."""
    return os.environ.get(OWN_MODELS) != "no"


def _from_hub(repository: str) -> Model:
    if not HUB_ID.fullmatch(repository) or any(bad in repository for bad in ("--", "..")) or repository[-1] in "-.":
        raise InputError("model", f"hub:{repository}", "hub:<owner>/<id>, such as hub:openai-community/gpt2")
    return Model(
        name=f"hub:{repository}",
        label=repository,
        summary="From the Hugging Face hub, with its own weights and tokenizer.",
        data="text",
        datasets=("text", "digits"),
        builder="",
        traced=AUTO,
        longest_sequence=LONGEST_UNKNOWN,
        objective=None,
        origin="hub",
    )


def _from_folder(folder: str) -> Model:
    name = f"path:{folder}"
    config = read_config(name, Path(folder).expanduser())
    data = "digits" if is_for_images(config) else "text"
    return Model(
        name=name,
        label=Path(folder).name or folder,
        summary="From a folder on this machine, with its own weights and tokenizer.",
        data=data,
        builder="",
        traced=AUTO,
        longest_sequence=None if data == "digits" else positions(config) or LONGEST_UNKNOWN,
        objective=None,
        origin="path",
    )


def refuse(name: str, why: str) -> InputError:
    """The error about a person's own model, which reads "model: path:… why"."""
    return InputError("model", name, "another model", sentence=f"model: {name[:200]} {why}.")


def read_config(name: str, folder: Path) -> dict[str, Any]:
    """The ``config.json`` of a folder, after a look at whether a burst could train what lies beside it.

    Raises
    ------
    InputError
        There is no folder, no readable ``config.json``, no safetensors file, or the weights are quantized.
    """
    try:
        files = {file.name for file in folder.iterdir()}
    except (OSError, ValueError):  # ValueError: a null byte
        raise refuse(name, "is not a folder on this machine that can be read") from None
    if "config.json" not in files:
        raise refuse(name, "has no config.json, as save_pretrained of Transformers writes it")
    config = _read_json(folder / "config.json")
    if not isinstance(config, dict):
        raise refuse(name, "has a config.json that is not a JSON object")
    if not files & {"model.safetensors", "model.safetensors.index.json"}:
        if any(file.endswith(PICKLES) for file in files):
            raise refuse(
                name,
                "holds its weights as pickles, which can run code when they are read: save it again with "
                "save_pretrained, which writes model.safetensors",
            )
        raise refuse(name, "has no model.safetensors")
    if "model.safetensors" not in files and not _only_safetensors(folder / "model.safetensors.index.json"):
        raise refuse(name, "has a model.safetensors.index.json that does not list safetensors files beside it")
    if config.get("quantization_config"):
        raise refuse(name, "has quantized weights, which cannot be trained: take the model that it was made from")
    return config


def _only_safetensors(index: Path) -> bool:
    """Whether an index of several weight files names nothing but safetensors files that are in its own folder."""
    try:
        files = set(_read_json(index)["weight_map"].values())
        return bool(files) and all(
            file.endswith(".safetensors") and Path(file).name == file and (index.parent / file).is_file()
            for file in files
        )
    except (KeyError, TypeError, AttributeError):
        return False


def _read_json(file: Path) -> Any:
    """What a JSON file holds; None where it is none, or no plain file (a pipe would never end), or far too large."""
    try:
        if not file.is_file() or file.stat().st_size > LARGEST_JSON_BYTES:
            return None
        return json.loads(file.read_text("utf-8"))
    except (OSError, ValueError, RecursionError):
        return None


def is_for_images(config: dict[str, Any]) -> bool:
    """Whether a config is that of a model that takes images, by the head that it names and by what it says of them."""
    heads = config.get("architectures")
    head = str(heads[0]) if isinstance(heads, list) and heads else ""
    return head.endswith("ForImageClassification") or ("num_channels" in config and "vocab_size" not in config)


def positions(config: dict[str, Any]) -> int | None:
    """Tokens in the longest sequence that a config allows; None where it does not say.

    RoBERTa's family counts positions from ``pad_token_id + 1`` on (``create_position_ids_from_input_ids`` in
    Transformers), so that many of its embeddings are never reached.
    """
    for field in POSITIONS:
        count = config.get(field)
        if isinstance(count, int) and not isinstance(count, bool) and count > 0:
            offset = config.get("pad_token_id") if "roberta" in str(config.get("model_type")) else None
            return count - (offset + 1 if isinstance(offset, int) else 0)
    return None
