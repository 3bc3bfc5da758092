"""The types of a config's fields: the bounds of each and the words for them, made together.

What is refused and what the sentence about it says are so one fact; the page reads the words from the same place.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import Field


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


def or_null(kind: Any, words: str) -> Any:
    """The type of a value that may be null; ``words`` say what both mean."""
    return Annotated[kind | None, Accepts(words)]


def string(words: str, **bounds: Any) -> Any:
    """The type of a text within pydantic's bounds of length or pattern; ``words`` name them."""
    return Annotated[str, Field(**bounds), Accepts(words)]


def switch() -> Any:
    """The type of true or false."""
    return Annotated[bool, Field(strict=True), Accepts("true or false")]


def words_of(field: Any) -> str | None:
    """What a pydantic field takes, in words, wherever in its annotation they stand; None where there are none."""
    found = [field.metadata, getattr(field.annotation, "__metadata__", ())]
    found += [getattr(branch, "__metadata__", ()) for branch in getattr(field.annotation, "__args__", ())]
    return next((item.words for metadata in found for item in metadata if isinstance(item, Accepts)), None)
