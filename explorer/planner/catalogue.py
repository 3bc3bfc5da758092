"""The models whose configs come with the package, so that planning them needs no network: one JSON file a model."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent / "configs"

ORDER = ("gpt2", "gpt2-medium", "gpt2-large", "gpt2-xl", "llama-2-7b", "llama-2-13b", "llama-2-70b", "llama-3-8b",
         "mistral-7b", "qwen3-0.6b", "qwen3-1.7b", "qwen3-4b", "qwen3-8b", "qwen3-14b", "qwen3-32b", "bert-base",
         "bert-large", "vit-base", "vit-large")  # fmt: skip
"""In which they are offered."""


@dataclass(frozen=True, slots=True)
class NamedModel:
    """A model that anyone may name. ``source`` is the page its config was published on; ``task`` says what it learns.

    ``config`` holds the fields of Transformers' config that decide the shapes of its tensors.
    """

    name: str
    label: str
    task: str
    source: str
    config: dict[str, Any]


def _read(name: str) -> NamedModel:
    return NamedModel(name, **json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8")))


NAMED: dict[str, NamedModel] = {name: _read(name) for name in ORDER}
"""By name, in the order in which they are offered."""
