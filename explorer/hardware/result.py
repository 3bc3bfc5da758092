"""A check's result: its events folded into one JSON object, whole or as far as it came. Needs no torch."""

from __future__ import annotations

import functools
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import explorer
from explorer.burst.events import ENDINGS, Event
from explorer.devices import datasheet
from explorer.hardware import listings
from explorer.hardware.advice import advise

VERSION = 1
"""Of the result's layout; ``schema.json`` describes it."""

COMMON = ("type", "run", "seq", "time")


@functools.cache
def schema() -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of a result, which is published with the package."""
    return json.loads((Path(__file__).parent / "schema.json").read_text(encoding="utf-8"))


def collect(events: Iterable[Event]) -> dict[str, Any]:
    """The result of these events."""
    result = Result()
    for event in events:
        result.add(event)
    return result.as_dict()


class Result:
    """Grows with each event; :meth:`as_dict` is the result so far."""

    def __init__(self) -> None:
        self.progress: dict[str, Any] | None = None
        """The latest ``progress`` event's fields."""
        self.ending: dict[str, Any] | None = None
        """The last event's fields, once it is there."""
        self._started: dict[str, Any] = {}
        self._devices: list[dict[str, Any]] = []
        self._formats: list[dict[str, Any]] = []
        self._matmul: dict[str, dict[str, Any]] = {}
        self._bandwidth: dict[str, Any] | None = None
        self._casts: dict[str, dict[str, Any]] = {}
        self._training: dict[str, dict[str, Any]] = {}
        self._unavailable: list[dict[str, Any]] = []

    def add(self, event: Event) -> None:
        """Take the next event; those of types that are not known here are passed over."""
        fields = {name: value for name, value in event.items() if name not in COMMON}
        match event["type"]:
            case "check_started":
                self._started = fields
            case "devices":
                self._devices, self._formats = fields["devices"], fields["formats"]
            case "progress":
                self.progress = fields
            case "matmul":
                self._matmul[fields["format"]] = fields
            case "bandwidth":
                self._bandwidth = fields
            case "cast":
                self._casts[fields.pop("pair")] = fields
            case "training":
                self._training[fields["recipe"]] = fields
            case "unavailable":
                self._unavailable.append(fields)
            case ending if ending in ENDINGS:
                self.ending = {"type": ending, "time": event["time"], **fields}

    def as_dict(self) -> dict[str, Any]:
        """The result so far, as ``schema.json`` has it."""
        name = self._started.get("device")
        device = next((each for each in self._devices if each["device"] == name), None)
        support = {row["format"]: row["support"] for row in self._formats if row["device"] == name}
        matmul = [row | {"support": support.get(row["format"])} for row in self._matmul.values()]
        training = list(self._training.values())
        return {
            "version": VERSION,
            "explorer": explorer.__version__,
            "complete": self.ending is not None and self.ending["type"] == "run_finished",
            "message": (self.ending or {}).get("message", ""),
            "seconds": self.ending and self.ending["time"],
            "options": self._started.get("options"),
            "versions": self._started.get("versions"),
            "device": name,
            "devices": self._devices,
            "formats": self._formats,
            "matmul": matmul,
            "bandwidth": self._bandwidth,
            "casts": list(self._casts.values()),
            "training": training,
            "speedups": _speedups(matmul, training),
            "datasheet": device and self._against_datasheet(device, matmul),
            "unavailable": self._unavailable,
            "advice": device and self._advice(device, matmul, training),
        }

    def _against_datasheet(self, device: Mapping[str, Any], matmul: list[dict[str, Any]]) -> dict[str, Any] | None:
        measured = self._bandwidth and self._bandwidth["gb_per_s"]
        found = datasheet.against(matmul, device["name"], measured)
        if found is not None:
            others = [row for row in datasheet.achieved() if row["name"] in found["name"]]
            found["achieved_elsewhere"] = [dict(row) for row in others]
        return found

    def _advice(self, device: Mapping[str, Any], matmul: list[dict[str, Any]], training: list[dict[str, Any]]) -> Any:
        advice = advise(device, self._formats, matmul, training)
        code = [listing.as_dict() for listing in listings.listings(advice["recipe"], device["type"])]
        return advice | {"code": code}


def _speedups(matmul: list[dict[str, Any]], training: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Kernel and training speed-up side by side: both over float32, both of the fastest round.

    The kernel's is None where a recipe does not use the format's own kernels (emulated), or they were not timed.
    """
    rates = {row["format"]: row["gflops"] for row in matmul}
    steps = {row["recipe"]: row["step_ms"] for row in training}
    rows = []
    for row in training:
        rate = rates.get(row["compute"]) if row["support"] == "native" else None
        rows.append({
            "recipe": row["recipe"],
            "compute": row["compute"],
            "support": row["support"],
            "kernel": rate and rates.get("fp32") and round(rate / rates["fp32"], 3),
            "training": steps.get("fp32") and round(steps["fp32"] / row["step_ms"], 3),
        })  # fmt: skip
    return rows
