"""One text in many formats: what the command line's ``bits`` and the endpoint ``/inspect_value`` answer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from explorer.errors import InputError
from explorer.formats.exact import exact
from explorer.formats.registry import block_names, get, names
from explorer.formats.row import describe
from explorer.formats.spec import FormatSpec
from explorer.formats.text import parse

MOST_FORMATS = 50
"""Names that one question may list."""


def inspect(
    text: str,
    formats: Sequence[str] = (),
    rounding: str = "nearest-even",
    overflow: str = "native",
    seed: int | None = None,
) -> list[dict[str, Any]]:
    """Describe a number in each format.

    Parameters
    ----------
    text : str
        As :func:`explorer.formats.text.parse` reads it. A code (``0x…``, ``0b…``) is one of the first format, and the
        others show its value.
    formats : sequence of str
        Names of formats of single numbers. None given means all of them; those that have no NaN are then left out
        where the number is one.
    rounding, overflow : str
        As for :meth:`FormatSpec.encode`.
    seed : int, optional
        For ``stochastic``: equal seeds give equal answers.

    Returns
    -------
    list of dict
        A :func:`~explorer.formats.row.describe` for each format, in the order of `formats`.

    Raises
    ------
    InputError
        Text that is no number, a code without a format or too wide for it, NaN for a named format that has none, a
        name that is no format of single numbers, an unknown rounding or overflow.
    """
    if isinstance(formats, str) or len(formats) > MOST_FORMATS:
        raise InputError("format", formats, f"a list of up to {MOST_FORMATS} names of formats")
    specs = [_single(name) for name in formats] or [get(name) for name in names() if name not in block_names()]
    parsed = parse(text, specs[0])
    if parsed.code is not None and not formats:
        raise InputError("value", text, "a code together with the format that it is one of")
    if not formats and exact(parsed.value).is_nan:
        specs = [spec for spec in specs if spec.has_nan]
    rows = []
    for spec in specs:
        given = parsed.text if parsed.code is not None and spec is specs[0] else parsed.value
        row = describe(given, spec, rounding, overflow, seed)
        rows.append(row | {"given": parsed.text})
    return rows


def _single(name: str) -> FormatSpec:
    spec = get(name)
    if not isinstance(spec, FormatSpec):
        single = [each for each in names() if each not in block_names()]
        raise InputError("format", name, f"a format of single numbers: {', '.join(single)}")
    return spec
