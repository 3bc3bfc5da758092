"""From pydantic's complaint about a config to the one sentence that a person gets."""

from __future__ import annotations

import types
import typing
from collections.abc import Iterator, Sequence
from typing import Any

from pydantic import BaseModel, ValidationError

from explorer.burst.fields import words_of
from explorer.errors import InputError

LONGEST_PATH = 120
"""Characters of a field's path that are quoted."""


def refusal(error: ValidationError, root: type[BaseModel]) -> InputError:
    """The first complaint about a value of ``root``, in the project's own words."""
    first = error.errors(include_url=False)[0]
    place = [part for part in first["loc"] if not _is_branch(part)]
    field = _path(place)
    if first["type"] == "value_error" and isinstance(first["ctx"]["error"], InputError):
        inner = first["ctx"]["error"]
        # One about the burst as a whole names its field already, and may say more than "got …, but takes …".
        return InputError(f"{field}.{inner.field}", inner.given, inner.accepted) if field else inner
    if first["type"] == "extra_forbidden":
        there_are = ", ".join(_part_at(root, place[:-1]).model_fields)
        return InputError(field, first["input"], there_are, sentence=f"{field}: no such field; there are {there_are}.")
    if first["type"] == "missing":
        return InputError(field, "nothing", _words_at(root, place))
    return InputError(field, first["input"], _words_at(root, place))


def _is_branch(part: str | int) -> bool:
    """Whether pydantic put this into a location to name the branch of a union, not a field."""
    return isinstance(part, str) and ("[" in part or part in {"float", "int", "str", "bool"})


def _path(place: Sequence[str | int]) -> str:
    path = ""
    for part in place:
        path += f"[{part}]" if isinstance(part, int) else f".{part}" if path else str(part)
    return path[:LONGEST_PATH]


def _part_at(root: type[BaseModel], place: Sequence[str | int]) -> type[BaseModel]:
    """The model that stands at this place, or the last one on the way there."""
    part = root
    for name in place:
        if isinstance(name, str) and name in part.model_fields:
            part = next(_models_in(part.model_fields[name].annotation), part)
    return part


def _models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    """The models in a field's annotation: itself, in a list, or beside None."""
    if isinstance(annotation, type) and not isinstance(annotation, types.GenericAlias):
        if issubclass(annotation, BaseModel):
            yield annotation
        return
    for inner in typing.get_args(annotation):
        yield from _models_in(inner)


def _words_at(root: type[BaseModel], place: Sequence[str | int]) -> str:
    """What the field at this place takes, in words."""
    place = list(place)
    if place and isinstance(place[-1], int):
        part = _part_at(root, place)
        if part is not _part_at(root, place[:-2]):
            return _object_of(part)
        while isinstance(place[-1], int):
            place.pop()
    if not place:
        return "a JSON object"
    field = _part_at(root, place[:-1]).model_fields.get(place[-1])
    return (field and words_of(field)) or _object_of(_part_at(root, place))


def _object_of(part: type[BaseModel]) -> str:
    return "a JSON object with the fields " + ", ".join(part.model_fields)
