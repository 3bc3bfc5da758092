"""What a hardware check may be asked."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from explorer.errors import InputError

PARTS = {"matmul": 0.55, "bandwidth": 0.05, "casts": 0.08, "training": 0.32}
"""What is measured, in this order, and the share of the time that each gets where all are asked for."""

FORMATS = ("fp32", "tf32", "fp16", "bf16", "e4m3fn", "e4m3fnuz", "int8")
"""Formats whose matrix products can be timed; a device is asked for those that it has."""

LEAST_SECONDS, MOST_SECONDS = 1, 600
DEVICE = re.compile(r"[a-z]+(:\d+)?")


@dataclass(frozen=True, slots=True)
class CheckOptions:
    """What to measure.

    Attributes
    ----------
    seconds : float
        Time to measure in. Probing the devices comes on top, a few seconds.
    device : str
        Which device is measured; ``auto`` is the accelerator where there is one. All devices are probed.
    formats : tuple of str
        Formats whose products are timed, where the device has them.
    parts : tuple of str
        Which of :data:`PARTS` are measured.
    """

    seconds: float = 20.0
    device: str = "auto"
    formats: tuple[str, ...] = FORMATS
    parts: tuple[str, ...] = tuple(PARTS)

    def share(self, part: str) -> float:
        """Seconds for a part: its share among those that are asked for."""
        return self.seconds * PARTS[part] / sum(PARTS[each] for each in self.parts)

    def as_json(self) -> dict[str, Any]:
        """The options as :func:`parse_options` reads them."""
        return asdict(self) | {"formats": list(self.formats), "parts": list(self.parts)}


def parse_options(given: Any = None) -> CheckOptions:
    """Read options from a dict.

    Raises
    ------
    InputError
        With the first field that is not accepted.
    """
    if given is None or isinstance(given, CheckOptions):
        return given or CheckOptions()
    if not isinstance(given, Mapping):
        raise InputError("options", given, "a JSON object")
    names = [field.name for field in fields(CheckOptions)]
    for name in given:
        if name not in names:
            there_are = ", ".join(names)
            sentence = f"{str(name)[:60]}: no such field; there are {there_are}."
            raise InputError(str(name), given[name], there_are, sentence=sentence)
    default = CheckOptions()
    return CheckOptions(
        seconds=_seconds(given.get("seconds", default.seconds)),
        device=_device(given.get("device", default.device)),
        formats=_some_of("formats", given.get("formats", default.formats), FORMATS),
        parts=_some_of("parts", given.get("parts", default.parts), tuple(PARTS)),
    )


def _seconds(given: Any) -> float:
    number = isinstance(given, int | float) and not isinstance(given, bool) and math.isfinite(given)
    if not number or not LEAST_SECONDS <= given <= MOST_SECONDS:
        raise InputError("seconds", given, f"a number from {LEAST_SECONDS} to {MOST_SECONDS}")
    return float(given)


def _device(given: Any) -> str:
    if not isinstance(given, str) or not DEVICE.fullmatch(given.strip().lower()):
        raise InputError("device", given, "auto, cpu, or an accelerator such as cuda or cuda:1")
    return given.strip().lower()


def _some_of(field: str, given: Any, names: tuple[str, ...]) -> tuple[str, ...]:
    listed = isinstance(given, list | tuple) and given
    if not listed or any(not isinstance(each, str) or each not in names for each in given):
        raise InputError(field, given, "one or more of " + ", ".join(names))
    return tuple(name for name in names if name in given)
