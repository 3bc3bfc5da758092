"""The one exception for what a person did wrong: which field, what it got, what it takes.

Everything else that goes wrong is a bug and may reach the log; it never reaches the person as a traceback.
"""

from collections.abc import Mapping
from typing import TypeVar

Entry = TypeVar("Entry")

LONGEST_ECHO = 60
"""Characters of a rejected value that are repeated in the sentence about it."""


def shown(value: object) -> str:
    """The value as a sentence quotes it: its repr, cut to :data:`LONGEST_ECHO` characters."""
    text = repr(value)
    return text if len(text) <= LONGEST_ECHO else text[: LONGEST_ECHO - 1] + "…"


class InputError(ValueError):
    """A person's input cannot be used.

    Parameters
    ----------
    field : str
        Where the value stands, as the person knows it: ``steps``, ``lanes[0].scaler.growth_factor``, ``--device``.
    given : object
        What was given there. Quoted in the sentence, cut to a readable length.
    accepted : str
        What the field takes, to be read after "takes": ``"a whole number from 1 to 10000"``.
    sentence : str, optional
        The whole sentence, where "got …, but takes …" does not say it.

    Examples
    --------
    >>> str(InputError("steps", 0, "a whole number from 1 to 10000"))
    'steps: got 0, but takes a whole number from 1 to 10000.'
    """

    def __init__(self, field: str, given: object, accepted: str, *, sentence: str | None = None) -> None:
        self.field, self.given, self.accepted = field, given, accepted
        super().__init__(sentence or f"{field}: got {shown(given)}, but takes {accepted}.")


def look_up(field: str, name: object, entries: Mapping[str, Entry]) -> Entry:
    """The entry of that name in a registry.

    Raises
    ------
    InputError
        There is no such entry; the sentence lists those there are.
    """
    if not isinstance(name, str) or name not in entries:
        raise InputError(field, name, "one of " + ", ".join(entries))
    return entries[name]
